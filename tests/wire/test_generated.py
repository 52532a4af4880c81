"""The generated modules are those of the .proto files."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_committed_is_what_the_proto_files_say() -> None:
    pytest.importorskip("grpc_tools", reason="the dependency group protos is not installed")
    result = subprocess.run(
        [sys.executable, ROOT / "scripts/protos.py", "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
