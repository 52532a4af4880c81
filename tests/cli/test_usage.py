"""What is typed wrong, and what every command has in common."""

import re
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest

ADDR = "/ip4/127.0.0.1/tcp/1"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["ping"], "ADDR"),
        (["ping", "here"], "expected an address such as /ip4/127.0.0.1/tcp/4001, got 'here'"),
        (["ping", "/ip4/127.0.0.1/tcp/1/p2p/12D3"], "ADDR"),
        (["node", "--listen", "/ip4/nowhere/tcp/1"], "--listen"),
        (["node", "--connect", "there"], "--connect"),
        (["ping", ADDR, "--count", "0"], "--count"),
        (["ping", ADDR, "--backend", "gevent"], "--backend"),
        (["perf", ADDR, "--upload-bytes", "many"], "--upload-bytes"),
        (["key", "new", "file", "--type", "dsa"], "--type"),
        (["demo", "--hosts", "2"], "--hosts"),
        (["pong", ADDR], "pong"),
        (["--verbose"], "--verbose"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(run: Any, arguments: list[str], expected: str) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert expected in result.complaint


def test_without_a_command_it_tells_what_there_is(run: Any) -> None:
    result = run()
    assert result.code == 2
    for command in ("node", "ping", "identify", "echo", "perf", "pubsub", "demo", "key"):
        assert re.search(rf"\b{command}\b", result.out)


def test_it_tells_its_version(run: Any) -> None:
    assert run("--version").out == f"p2pstack {version('p2pstack')}\n"


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_the_extra_it_tells_what_to_install(package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; from p2pstack.cli.__main__ import main; main()"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "p2pstack: the command needs the packages of the extra `cli`: pip install 'p2pstack[cli]'\n"
    )


@pytest.mark.parametrize("backend", ["uvloop", "trio"])
def test_without_the_loop_it_tells_what_to_install(run: Any, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setattr("p2pstack.cli.run.find_spec", lambda name: None)
    result = run("ping", ADDR, "--backend", backend)
    assert result.code == 1
    assert f"pip install 'p2pstack[{backend}]'" in result.complaint


def test_the_module_is_the_command() -> None:
    for module in ("p2pstack", "p2pstack.cli"):
        result = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
        assert result.stdout == f"p2pstack {version('p2pstack')}\n"
