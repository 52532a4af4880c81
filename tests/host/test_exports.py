"""What `p2pstack` gives at the top, and that it costs nothing before it is asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import p2pstack

TREE = ast.parse(Path(p2pstack.__file__).read_text())


def test_the_names_for_type_checkers_and_those_at_run_time_are_the_same() -> None:
    typed = {
        alias.asname: node.module
        for block in TREE.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == p2pstack._HOME_OF


@pytest.mark.parametrize("name", sorted(p2pstack._HOME_OF))
def test_each_name_is_there(name: str) -> None:
    assert getattr(p2pstack, name) is getattr(p2pstack, name)
    assert name in dir(p2pstack)


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="module 'p2pstack' has no attribute 'nonsense'"):
        _ = p2pstack.nonsense


def test_importing_one_part_does_not_load_the_others() -> None:
    program = (
        "import sys, p2pstack; from p2pstack import PeerId; print(*sorted(m for m in sys.modules if 'p2pstack' in m))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "p2pstack.identity.peer_id" in loaded
    assert not {name for name in loaded if name.startswith(("p2pstack.host", "p2pstack.swarm", "p2pstack.muxers"))}
