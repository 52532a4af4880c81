"""Functions to be called later by the event loop: soon, or at a time.

That is a tenth of the price of a task that waits, and of its size. asyncio and uvloop can do it by themselves; on trio
one task does it for all (`soon_trio.py`).
"""

import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextvars import copy_context
from typing import Protocol

from p2pstack.streams.loop import asyncio_loop

__all__ = ["Soon", "Timer", "soon_on_this_loop"]


class Timer(Protocol):
    """A call that is due at a time."""

    def cancel(self) -> None:
        """Let it be."""
        ...


class Soon(Protocol):
    """Calls functions of one user, a connection for instance, outside of any task. They must not raise."""

    def call(self, function: Callable[[], None]) -> None:
        """Call `function` in the next turn of the event loop."""
        ...

    def at(self, when: float, function: Callable[[], None]) -> Timer:
        """Call `function` when the clock of the event loop shows `when`."""
        ...

    def release(self) -> None:
        """The user needs it no more."""
        ...


def soon_on_this_loop() -> Soon:
    """For a new user, on the event loop that runs."""
    loop = asyncio_loop()
    if loop is not None:
        return _SoonOnAsyncio(loop)
    from p2pstack.streams.soon_trio import soon_on_trio  # trio need not be installed

    return soon_on_trio()


class _SoonOnAsyncio:
    __slots__ = ("_context", "_loop")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._context = copy_context()
        # Outside of any task sniffio (and so anyio) finds the event loop by this variable only.
        if sniffio := sys.modules.get("sniffio"):
            self._context.run(sniffio.current_async_library_cvar.set, "asyncio")

    def call(self, function: Callable[[], None]) -> None:
        self._loop.call_soon(function, context=self._context)

    def at(self, when: float, function: Callable[[], None]) -> Timer:
        return self._loop.call_at(when, function, context=self._context)

    def release(self) -> None:
        pass
