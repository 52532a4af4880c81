"""What one task waits for until another function says so.

anyio's `Event` asks each time which event loop runs, and makes two of asyncio's events with a queue each: half of what
it takes to wake a task. Where tasks are woken for each chunk that is felt.
"""

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from p2pstack.streams.loop import asyncio_loop

__all__ = ["Flag", "flags_of_this_loop"]


class Flag(Protocol):
    """Is set once. One task waits for it, once."""

    def set(self) -> None:
        """Let the task go on. Does nothing the second time."""
        ...

    def wait(self) -> Awaitable[object]:
        """To be awaited at once."""
        ...


def flags_of_this_loop() -> Callable[[], Flag]:
    """What makes flags on the event loop that runs."""
    loop = asyncio_loop()
    if loop is not None:
        return partial(_FlagOnAsyncio, loop)
    from trio import Event  # trio need not be installed

    return Event


class _FlagOnAsyncio:
    __slots__ = ("_future",)

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._future = loop.create_future()

    def set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def wait(self) -> Awaitable[None]:
        return self._future
