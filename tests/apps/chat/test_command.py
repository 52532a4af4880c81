"""`p2pstack chat`, in this process: what goes wrong is one line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from p2pstack.cli.__main__ import main

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run `p2pstack chat` with these arguments and this standard input."""

    def run(*arguments: str, lines: str = "") -> tuple[int, str, str]:
        (tmp_path / "typed").write_text(lines)
        typed = (tmp_path / "typed").open("rb")
        monkeypatch.setattr(sys, "argv", ["p2pstack", "chat", "--data", str(tmp_path / "data"), *arguments])
        monkeypatch.setattr("p2pstack.cli.pipes.StandardInput.__init__.__defaults__", (typed.fileno(),))
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            main()
        typed.close()
        captured = capfd.readouterr()
        assert isinstance(ended.value.code, int | None)
        return ended.value.code or 0, captured.out, captured.err

    return run


def test_nobody_is_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pstack.apps.chat.plain._LAST_WORDS", 0.2)
    code, out, err = run("garden", "--listen", LOOPBACK, "--connect", "/ip4/127.0.0.1/tcp/1", lines="hello\n//x")
    assert code == 1
    assert "others come by: p2pstack chat garden --connect /ip4/127.0.0.1/tcp/" in out
    assert err.startswith("p2pstack: nobody keeps what was said: no peers found (/ip4/127.0.0.1/tcp/1: ")
    assert len(err.splitlines()) == 1


def test_alone_without_a_name_to_go_to(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pstack.apps.chat.plain._LAST_WORDS", 0.05)
    code, _, err = run("garden", "--listen", LOOPBACK, "--json", lines="hello")
    assert code == 1
    assert err == "p2pstack: nobody keeps what was said: no peers found; give an address of somebody to --connect to\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("garden", "--listen", "/ip4/192.0.2.77/tcp/4001"), "192.0.2.77"),
        (("a b", "--listen", LOOPBACK), "room: expected 1 to 64 characters without spaces"),
        (("garden", "--listen", LOOPBACK, "--name", "x" * 33), "name: expected 1 to 32 characters"),
    ],
)
def test_what_cannot_be_done(run: Run, arguments: Any, complaint: str) -> None:
    code, _, err = run(*arguments)
    assert code == 1
    assert complaint in err
    assert len(err.splitlines()) == 1


def test_a_line_without_end(run: Run) -> None:
    code, _, err = run("garden", "--listen", LOOPBACK, lines="x" * 200_000)
    assert code == 1
    assert "a line of standard input is longer than 65536 bytes" in err
