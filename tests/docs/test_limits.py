"""docs/limits.md tells the truth: its figures are the defaults, and the tests that it names are there."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import p2pstack
from p2pstack.muxers.budget import ReceiveBudget
from p2pstack.peerstore import MemoryPeerstore
from p2pstack.protocols.identify import Identify
from p2pstack.protocols.perf import Perf
from p2pstack.protocols.ping import Ping
from p2pstack.swarm.resolver import Resolver
from p2pstack.transports.tcp import Tcp

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "limits.md").read_text()
TESTS = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT)))
FIGURES = re.findall(r"`([\w.]+)\.(\w+) = ([\d.]+)`", TEXT)

OWNERS = {owner.__name__: owner for owner in (Identify, MemoryPeerstore, Perf, Ping, ReceiveBudget, Resolver, Tcp)}


def default(owner: str, name: str) -> Any:
    """The default of a parameter, or the value of a constant."""
    known = OWNERS.get(owner) or getattr(p2pstack, owner, None)
    if known is None:
        return getattr(import_module(f"p2pstack.{owner}"), name)
    return inspect.signature(known).parameters[name].default


def names_in(path: Path) -> set[str]:
    """The names of the tests in a file."""
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_is_named_exists() -> None:
    files = {path: names_in(ROOT / path) if (ROOT / path).exists() else set[str]() for path, _ in TESTS}
    assert [f"{path}::{name}" for path, name in TESTS if name not in files[path]] == []
    assert len(TESTS) > 50


def test_every_figure_is_the_default() -> None:
    wrong = {f"{owner}.{name}": value for owner, name, value in FIGURES if float(value) != default(owner, name)}
    assert wrong == {}
    assert len(FIGURES) > 40


def test_every_limit_and_every_advisory_has_a_test() -> None:
    applying, _, _ = TEXT.partition("## What does not apply yet")
    rows = [line for line in applying.splitlines() if line.startswith("| ") and "shown by" not in line]
    assert [row[:80] for row in rows if not re.search(r"`[\w/]+\.py::\w+`.* \|$", row)] == []


def test_every_parameter_of_a_configuration_stands_there() -> None:
    named = {(owner, name) for owner, name, _ in FIGURES}
    wanted = {
        (kind.__name__, name)
        for kind in (p2pstack.SwarmConfig, p2pstack.Yamux)
        for name in inspect.signature(kind).parameters
    }
    assert wanted - named == {("Yamux", "budget")}


def test_every_attack_stands_there() -> None:
    files = [path for path in sorted((ROOT / "tests" / "limits").glob("test_*.py")) if "mistakes" not in path.name]
    assert {f"tests/limits/{path.name}" for path in files} <= {path for path, _ in TESTS}
