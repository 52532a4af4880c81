"""A function to be called when the tasks that are ready now have run, on event loops that can do that.

asyncio and uvloop can, at a tenth of the price of waking a task. trio cannot; there a task is woken.
"""

import sys
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextvars import copy_context
from typing import Self

from anyio.lowlevel import current_token

__all__ = ["Soon"]


class Soon:
    """Calls functions at the end of this turn of the event loop, in a context of its own: it belongs to no task."""

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
