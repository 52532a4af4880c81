"""Runs the command: in this process where that will do, else as a user's shell does."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from p2pstack.cli.__main__ import main

COMMAND = [sys.executable, "-m", "p2pstack"]


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def complaint(self) -> str:
        """The one line on standard error."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("p2pstack: ")
        return lines[0]


Run = Callable[..., Result]


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Where this was started in the background of a shell, no process that it starts would hear of an interrupt."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command with these arguments in this process."""

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["p2pstack", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        captured = capfd.readouterr()
        code = ended.value.code
        if isinstance(code, str):
            return Result(1, captured.out, f"{captured.err}{code}\n")
        return Result(code or 0, captured.out, captured.err)

    return run


@pytest.fixture
def uncounted() -> dict[str, str]:
    """The environment of processes whose lines other tests count: they start in half the time."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}


@contextlib.contextmanager
def spawned(*arguments: object, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process with pipes; killed where the test fails, so that nobody waits for it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, *map(str, arguments)], **{**pipes, **options}) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            if options.get("start_new_session"):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # nor do those stay that it started
            raise


@pytest.fixture
def spawn() -> Callable[..., contextlib.AbstractContextManager[subprocess.Popen[bytes]]]:
    """Start the command: `with spawn("ping", addr) as process`."""
    return spawned


class Served:
    """A process that serves a node and tells of it in JSON lines."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.listening = self.event()

    @property
    def addr(self) -> str:
        return self.listening["addrs"][0]

    @property
    def peer_id(self) -> str:
        return self.listening["peer_id"]

    def event(self) -> dict[str, Any]:
        """The next line it prints."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        return json.loads(line)

    def end(self, signal_number: int = signal.SIGTERM) -> Result:
        """Interrupt it."""
        self.process.send_signal(signal_number)
        try:
            out, err = self.process.communicate(timeout=60)
        except BaseException:
            self.process.kill()
            raise
        return Result(self.process.returncode, out, err)


@contextlib.contextmanager
def serve(*command: str) -> Iterator[Served]:
    served = Served([sys.executable, "-m", *command])
    try:
        yield served
    finally:
        if served.process.poll() is None:
            result = served.end()
            assert result.code == 0, result.err


@pytest.fixture(scope="session")
def node() -> Iterator[Served]:
    """A node that serves all that `p2pstack node` does."""
    with serve("p2pstack", "node", "--json") as served:
        yield served


@pytest.fixture(scope="session")
def bare_node() -> Iterator[Served]:
    """A node that serves neither echo nor perf."""
    with serve("p2pstack.cli.demo.member", "1", "asyncio") as served:
        yield served


@pytest.fixture(scope="session")
def start() -> Callable[..., contextlib.AbstractContextManager[Served]]:
    """Start a node of one's own: `with start("--listen", ...) as served`."""
    return lambda *arguments: serve("p2pstack", "node", "--json", *arguments)
