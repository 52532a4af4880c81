"""Functions to be called at a time, on asyncio and on trio.

The loop in virtual time calls by itself. Elsewhere, as on trio, one task has them all, and sleeps until the first is
due.
"""

import heapq
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import copy_context
from itertools import count
from math import inf

from anyio import CancelScope, current_time, sleep_forever
from anyio.abc import TaskGroup
from anyio.lowlevel import current_token

from p2pstack.sim.loop import VirtualTimeLoop

__all__ = ["Timers", "make_timers"]


class Timers(ABC):
    """Calls functions at a time, those of one time in the order in which they were asked for. None is called off: what
    is no longer of use does nothing."""

    #: tells the seconds of virtual time
    now: Callable[[], float]

    @abstractmethod
    def at(self, when: float, function: Callable[[], None]) -> None:
        """Call `function` when the clock shows `when`. It must not block, or raise."""


def make_timers(tasks: TaskGroup) -> Timers:
    """Timers for the event loop that runs. A task that they take is one of `tasks`."""
    loop = current_token().native_token
    return _LoopTimers(loop) if isinstance(loop, VirtualTimeLoop) else _TaskTimers(tasks)


class _LoopTimers(Timers):
    __slots__ = ("_call_at", "_context", "now")

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self.now = loop.time
        self._call_at = loop.call_surely_at
        self._context = copy_context()
        # Outside of any task sniffio (and so anyio) finds the event loop by this variable only.
        if sniffio := sys.modules.get("sniffio"):
            self._context.run(sniffio.current_async_library_cvar.set, "asyncio")

    def at(self, when: float, function: Callable[[], None]) -> None:
        self._call_at(when, function, self._context)


class _TaskTimers(Timers):
    def __init__(self, tasks: TaskGroup) -> None:
        self.now = current_time
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._sleep = CancelScope()
        tasks.start_soon(self._run, name="network")

    def at(self, when: float, function: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._numbers), function))
        if when < self._sleep.deadline:
            self._sleep.deadline = when

    async def _run(self) -> None:
        due = self._due
        while True:
            with CancelScope(deadline=due[0][0] if due else inf) as self._sleep:
                await sleep_forever()
            now = current_time()
            while due and due[0][0] <= now:
                heapq.heappop(due)[2]()
