"""Functions to be called later by the event loop, where it can do that: soon, or at a time.

asyncio and uvloop can, at a tenth of the price of waking a task. trio cannot; there a task is woken, or sleeps.
"""

import sys
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Callable
from contextvars import copy_context
from typing import Self

from anyio.lowlevel import current_token

__all__ = ["Soon"]


class Soon:
    """Calls functions of a connection, in a context of its own: they belong to no task."""

    __slots__ = ("_context", "_loop")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._context = copy_context()
        # Outside of any task sniffio (and so anyio) finds the event loop by this variable only.
        if sniffio := sys.modules.get("sniffio"):
            self._context.run(sniffio.current_async_library_cvar.set, "asyncio")

    @classmethod
    def on_this_loop(cls) -> Self | None:
        """None where the event loop that runs has nothing of the kind."""
        loop = current_token().native_token
        return cls(loop) if isinstance(loop, AbstractEventLoop) else None

    def call(self, function: Callable[[], None]) -> None:
        """Call `function` soon."""
        self._loop.call_soon(function, context=self._context)

    def at(self, when: float, function: Callable[[], None]) -> TimerHandle:
        """Call `function` when the clock of the event loop shows `when`."""
        return self._loop.call_at(when, function, context=self._context)
