"""`Soon` on trio, which has no callbacks: one task calls the functions of all users of an event loop.

It begins with the first user and ends with the last one. In between it is parked; whoever has something for it wakes
it. The deadline of the scope it is parked in is the time of the next timer.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf

import trio
from trio.lowlevel import (
    Abort,
    RunVar,
    Task,
    cancel_shielded_checkpoint,
    current_task,
    reschedule,
    spawn_system_task,  # pyright: ignore[reportUnknownVariableType]
    wait_task_rescheduled,
)

__all__ = ["soon_on_trio"]


_of_this_loop: RunVar["_SoonOnTrio"] = RunVar("p2pstack_soon")


def soon_on_trio() -> "_SoonOnTrio":
    """For a new user, who shares it with all others of the event loop."""
    try:
        soon = _of_this_loop.get()
    except LookupError:
        soon = _SoonOnTrio()
        _of_this_loop.set(soon)
    soon.enter()
    return soon


class _Timer:
    __slots__ = ("function",)

    def __init__(self, function: Callable[[], None]) -> None:
        #: None: cancelled, or called
        self.function: Callable[[], None] | None = function

    def cancel(self) -> None:
        self.function = None


class _SoonOnTrio:
    """The task, and what it is to call."""

    __slots__ = ("_calls", "_number", "_parked", "_running", "_scope", "_timers", "_users")

    def __init__(self) -> None:
        self._users = 0
        self._running = False
        self._calls: list[Callable[[], None]] = []
        self._timers: list[tuple[float, int, _Timer]] = []  # a heap; equal times in the order they came
        self._number = count()
        self._scope: trio.CancelScope | None = None
        self._parked: Task | None = None

    def enter(self) -> None:
        """One user more."""
        self._users += 1
        if not self._running:
            self._running = True
            spawn_system_task(self._run, name="p2pstack soon")

    def release(self) -> None:
        """One user less."""
        self._users -= 1
        if not self._users:
            self._wake()

    def call(self, function: Callable[[], None]) -> None:
        self._calls.append(function)
        self._wake()

    def at(self, when: float, function: Callable[[], None]) -> _Timer:
        timer = _Timer(function)
        if when < inf:
            heappush(self._timers, (when, next(self._number), timer))
            if self._scope is not None and when < self._scope.deadline:
                self._scope.deadline = when
        return timer

    def _wake(self) -> None:
        if self._parked is not None:
            parked, self._parked = self._parked, None
            reschedule(parked)

    async def _run(self) -> None:
        while self._users or self._calls:
            self._call_due()
            with trio.move_on_at(self._next_due()) as self._scope:
                while self._users or self._calls:
                    self._call_waiting()
                    if self._calls:
                        await cancel_shielded_checkpoint()
                        self._call_due()
                    elif self._users:
                        self._parked = current_task()
                        await wait_task_rescheduled(self._unpark)
        self._timers.clear()
        self._running = False

    def _unpark(self, _: object) -> Abort:
        self._parked = None
        return Abort.SUCCEEDED

    def _call_waiting(self) -> None:
        calls, self._calls = self._calls, []
        for function in calls:
            function()

    def _call_due(self) -> None:
        timers, now = self._timers, trio.current_time()
        while timers and timers[0][0] <= now:
            _, _, timer = heappop(timers)
            function, timer.function = timer.function, None
            if function is not None:
                function()

    def _next_due(self) -> float:
        timers = self._timers
        while timers and timers[0][2].function is None:
            heappop(timers)
        return timers[0][0] if timers else inf
