"""Runs a command's coroutine: the event loop, signals, and errors that end as one line."""

import signal
from collections.abc import Awaitable, Callable
from enum import StrEnum
from importlib.util import find_spec
from typing import Any

import anyio
from anyio.abc import TaskStatus

from p2pstack.cli.output import OutputClosed, complain, discard_output
from p2pstack.errors import P2PError

__all__ = ["Backend", "Failed", "guard", "run"]


class Failed(Exception):
    """The command did not do what it is for; the message says why."""


#: what a command may meet without a mistake of ours in it; anything else is one and shows its traceback
_EXPECTED = (Failed, P2PError, OSError, anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError)


class Backend(StrEnum):
    """The event loop to run on."""

    ASYNCIO = "asyncio"
    UVLOOP = "uvloop"
    TRIO = "trio"


def guard(command: Callable[[], int | None]) -> int:
    """Call `command`; the exit code for what it returned (None: 0) or raised."""
    try:
        return command() or 0
    except OutputClosed:
        discard_output()
        return 128 + signal.SIGPIPE
    except _EXPECTED as error:
        complain(_describe(error))
        return 1


def run(command: Callable[[], Awaitable[None]], *, backend: Backend = Backend.ASYNCIO, serves: bool = False) -> int:
    """Run `command` until it returns or a signal comes; the exit code for it.

    :param serves: a signal is how it is meant to end, so that is no failure
    """
    if backend is not Backend.ASYNCIO and find_spec(backend.value) is None:
        complain(f"{backend.value} is not installed: pip install 'p2pstack[{backend.value}]'")
        return 1
    options: dict[str, Any] = {} if backend is Backend.TRIO else {"use_uvloop": backend is Backend.UVLOOP}
    name = "trio" if backend is Backend.TRIO else "asyncio"

    def enter() -> int:
        on_interrupt = signal.getsignal(signal.SIGINT)
        try:
            stopped_by = anyio.run(_until_signalled, command, backend=name, backend_options=options)
        finally:
            signal.signal(signal.SIGINT, on_interrupt)
        return 0 if stopped_by is None or serves else 128 + stopped_by

    return guard(enter)


async def _until_signalled(command: Callable[[], Awaitable[None]]) -> signal.Signals | None:
    stopped_by: signal.Signals | None = None

    async def watch(*, task_status: TaskStatus[None]) -> None:
        nonlocal stopped_by
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for stopped_by in signals:  # noqa: B007
                break
        # A second one ends the process there and then, should the clean-up take too long.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        tasks.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as tasks:
            await tasks.start(watch)
            await command()
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise _cause(group) from None
    return stopped_by


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error in a group that is worth telling; the group itself where it holds a mistake of ours."""
    for kind in (OutputClosed, _EXPECTED):
        expected, rest = group.split(kind)
        if expected is not None and (rest is None or kind is OutputClosed):
            error: BaseException = expected
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            return error
    return group


def _describe(error: BaseException) -> str:
    match error:
        case P2PError():
            return str(error) or type(error).__name__
        case TimeoutError():
            return str(error) or "timed out"
        case OSError(strerror=str() as reason, filename=str() as name):
            return f"{name}: {reason}"
        case anyio.EndOfStream():
            return "the peer closed the stream before it had answered"
        case _:
            return str(error) or type(error).__name__
