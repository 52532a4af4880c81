"""How a command's coroutine ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from anyio.lowlevel import checkpoint

from p2pstack.cli.output import OutputClosed
from p2pstack.cli.run import Backend, Failed, guard, run
from p2pstack.errors import DialError, LocalProtocolError

backends = pytest.mark.parametrize("backend", list(Backend))


@backends
def test_a_command_runs_on_the_loop_that_was_asked_for(backend: Backend) -> None:
    seen: list[str] = []

    async def command() -> None:
        if backend is Backend.TRIO:
            import trio

            seen.append(type(trio.lowlevel.current_task()).__module__)
        else:
            import asyncio

            seen.append(type(asyncio.get_running_loop()).__module__)

    assert run(command, backend=backend) == 0
    assert seen[0].startswith(backend.value)


@backends
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("serves", "code"), [(True, lambda number: 0), (False, lambda number: 128 + number)])
def test_a_signal_ends_it_in_order(
    backend: Backend, number: signal.Signals, serves: bool, code: Callable[[int], int]
) -> None:
    ended: list[str] = []

    async def command() -> None:
        try:
            os.kill(os.getpid(), number)
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await checkpoint()
                ended.append("in order")

    assert run(command, backend=backend, serves=serves) == code(number)
    assert ended == ["in order"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@backends
def test_a_second_interrupt_ends_a_clean_up_that_takes_too_long(backend: Backend) -> None:
    program = f"""
import os, signal, anyio
from p2pstack.cli.run import Backend, run
async def command():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        await anyio.sleep_forever()
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        with anyio.CancelScope(shield=True):
            await anyio.sleep_forever()
run(command, backend=Backend({backend.value!r}))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (-signal.SIGINT, b"", b"")


@backends
@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Failed("not done"), "not done"),
        (LocalProtocolError("not allowed"), "not allowed"),
        (
            DialError("cannot reach it", reasons={"/ip4/1.1.1.1/tcp/1": OSError("no")}),
            "cannot reach it; /ip4/1.1.1.1/tcp/1",
        ),
        (TimeoutError(), "timed out"),
        (FileNotFoundError(2, "No such file", "name"), "name: No such file"),
        (OSError("broken"), "broken"),
        (anyio.EndOfStream(), "before it had answered"),
        (anyio.BrokenResourceError(), "BrokenResourceError"),
    ],
)
def test_an_expected_error_is_one_line_and_exit_code_1(
    backend: Backend, error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def command() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            raise error

    assert run(command, backend=backend) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert line in captured.err


@backends
def test_of_several_expected_errors_the_first_is_told(backend: Backend, capsys: pytest.CaptureFixture[str]) -> None:
    async def command() -> None:
        raise ExceptionGroup("both", [Failed("one"), ExceptionGroup("more", [OSError("two")])])

    assert run(command, backend=backend) == 1
    assert capsys.readouterr().err == "p2pstack: one\n"


@backends
def test_a_mistake_of_ours_shows_its_traceback(backend: Backend) -> None:
    async def command() -> None:
        raise ExceptionGroup("both", [Failed("expected"), KeyError("mistake")])

    with pytest.raises(ExceptionGroup):
        run(command, backend=backend)


def test_a_reader_who_has_had_enough_ends_it_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    saved = os.dup(1)

    def command() -> None:
        raise OutputClosed

    try:
        assert guard(command) == 128 + signal.SIGPIPE
    finally:
        os.dup2(saved, 1)
        os.close(saved)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_what_was_closed_is_no_place_for_other_files(backend: str, tmp_path: Path) -> None:
    """Without its standard streams a command works: the sockets that it opens do not take their numbers."""
    command = [sys.executable, "-m", "p2pstack", "echo", "/ip4/127.0.0.1/tcp/1", "--backend", backend]
    line = " ".join(command) + " <&- >&-"
    result = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("p2pstack: ")
    assert result.stderr.count("\n") == 1


def test_what_the_locale_cannot_say_is_written_some_other_way(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "p2pstack", "key", "show", str(tmp_path / "schlüssel")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert "schl\\xfcssel" in result.stderr
