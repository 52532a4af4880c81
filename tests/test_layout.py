"""What the tree has to look like: which layer imports which, how long a file may be, what loads what."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "p2pstack"
GENERATED = SOURCE / "wire" / "pb"

#: seconds of CPU, in an interpreter that has started
IMPORT_LIMIT = 0.25
#: the same on a slow machine: in times that it takes to compile a module of 100 kB
IMPORT_LIMIT_IN_COMPILATIONS = 20


def test_layers_import_only_what_is_below_them() -> None:
    # In a process of its own: it switches off the loggers there are, which other tests look at.
    program = (
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True, show_timings=False))"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert not result.returncode, result.stdout


def test_no_file_is_too_long_to_read_at_a_sitting() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in SOURCE.rglob("*.py")
        if GENERATED not in path.parents
    }
    assert len(lengths) > 50
    assert not {name: length for name, length in lengths.items() if length > 400}


def test_importing_the_library_is_fast_and_loads_no_part_that_was_not_asked_for() -> None:
    program = (
        "import json, os, sys, time\n"
        "text = open(os.path.join(os.path.dirname(os.__file__), 'argparse.py')).read()\n"
        "began = time.process_time()\n"
        "compile(text, 'argparse', 'exec')\n"
        "before = time.process_time()\n"
        "import p2pstack\n"
        "from p2pstack import Host\n"
        "print(json.dumps([time.process_time() - before, before - began, sorted(sys.modules)]))\n"
    )
    # Measuring coverage would be measured too.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    times: list[float] = []
    for _ in range(10):
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=environment)
        seconds, compilation, loaded = json.loads(result.stdout)
        unwanted = {"trio", "uvloop", "typer", "rich", "dns", "p2pstack.cli"} & set(loaded)
        assert not unwanted
        times.append(seconds)
        if seconds < max(IMPORT_LIMIT, IMPORT_LIMIT_IN_COMPILATIONS * compilation):
            return
    pytest.fail(f"the import takes {min(times):.3f} s of CPU, expected less than {IMPORT_LIMIT} s")
