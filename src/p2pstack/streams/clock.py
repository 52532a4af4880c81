"""The clock of the event loop, with a fine tick.

What is measured are round trips, and one within a machine takes a tenth of a millisecond. uvloop's clock counts whole
ones; it is the system's monotonic clock, which is asked itself there.
"""

from collections.abc import Callable
from time import monotonic

from anyio import current_time

from p2pstack.streams.loop import asyncio_loop

__all__ = ["Clock", "clock_of_this_loop"]

#: Gives seconds.
Clock = Callable[[], float]


def clock_of_this_loop() -> Clock:
    """The clock of the event loop that runs, without anyio's way to it where there is a shorter one."""
    loop = asyncio_loop()
    if loop is None:
        return current_time
    return monotonic if type(loop).__module__.startswith("uvloop") else loop.time
