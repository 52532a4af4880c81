"""An asyncio event loop in virtual time.

====================================  =============================================================================
where                                 then
====================================  =============================================================================
something is ready                    it runs, in the order in which it became ready; the clock stands still
nothing is, and there is a timer      the clock jumps to the first; of equal ones the one that was set first is first
neither                               `Deadlock`: nothing will ever happen again
====================================  =============================================================================

There are no sockets, and nothing waits for the time of the world outside: an hour with nothing to do takes no time.
"""

# ruff: noqa: SLF001 - handles belong to the loop; asyncio has no other names for what they hold
# pyright: reportPrivateUsage=false

import asyncio
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from p2pstack.sim.lean import collect_seldom
from p2pstack.sim.order import same_order
from p2pstack.sim.waiting import Deadlock, describe_tasks

__all__ = ["Deadlock", "VirtualTimeLoop"]

#: turns of the loop at one instant after which something must be turning round and round
_ENDLESS = 1_000_000
#: cancelled timers that are worth sweeping out
_SWEEP_AT = 1_000


class Call:
    """A function to be called at a time, for sure: less than asyncio's handle."""

    __slots__ = ("_args", "_callback", "_context", "_scheduled")

    _cancelled = False

    def __init__(self, function: Callable[[], object], context: Context) -> None:
        self._callback = function
        self._args = ()
        self._context = context

    def __repr__(self) -> str:
        return f"<Call {self._callback!r}>"


class _Handle(asyncio.Handle):
    """asyncio's, for a loop that is never debugged."""

    __slots__ = ()

    _repr = None
    _source_traceback = None

    def __init__(  # pyright: ignore[reportMissingSuperCall]
        self, callback: Callable[..., object], args: tuple[Any, ...], loop: "VirtualTimeLoop", context: Context | None
    ) -> None:
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = copy_context() if context is None else context
        self._cancelled = False


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """For `anyio.run(main, backend_options={"loop_factory": VirtualTimeLoop})`; `p2pstack.sim.run` does just that.

    :param start: what its clock shows first, in seconds
    """

    _ready: "deque[asyncio.Handle | Call]"  # asyncio's own
    _stopping: bool

    def __init__(self, *, start: float = 0.0) -> None:
        super().__init__()
        self._now = start
        self._timers: list[tuple[float, int, TimerHandle | Call]] = []
        self._numbers = count()
        self._cancelled = 0
        self._turns = 0

    def time(self) -> float:
        return self._now

    def run_forever(self) -> None:
        with same_order(self), collect_seldom():
            super().run_forever()

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        if self.is_closed():
            raise RuntimeError("the event loop is closed")
        handle = TimerHandle(when, callback, args, self, context)
        heappush(self._timers, (when, next(self._numbers), handle))
        handle._scheduled = True  # what its `cancel` goes by
        return handle

    def call_surely_at(self, when: float, function: Callable[[], object], context: Context) -> None:
        """As `call_at`, where nobody will call it off."""
        heappush(self._timers, (when, next(self._numbers), Call(function, context)))

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def get_debug(self) -> bool:
        return False

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        """Done there and then, as everything that anyio gives to threads: how long a thread takes is nothing that
        virtual time knows."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it comes out where the result is awaited
            future.set_exception(error)
        return future

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        if handle._scheduled:
            self._cancelled += 1
        if self._cancelled > _SWEEP_AT and 2 * self._cancelled > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[2]._cancelled]
            heapify(self._timers)
            self._cancelled = 0

    def _run_once(self) -> None:
        ready, timers = self._ready, self._timers
        if not ready:
            while timers and timers[0][2]._cancelled:
                heappop(timers)
                self._cancelled -= 1
            if timers:
                if timers[0][0] > self._now:
                    self._now = timers[0][0]
                    self._turns = 0
            elif not self._stopping:
                raise Deadlock(f"nothing is left to happen at {self._now:g} s\n{self._describe()}")
        now = self._now
        while timers and timers[0][0] <= now:
            handle = heappop(timers)[2]
            handle._scheduled = False
            if handle._cancelled:
                self._cancelled -= 1
            else:
                ready.append(handle)
        self._turns += 1
        if self._turns > _ENDLESS:
            self._turns = 0
            raise Deadlock(f"something turns round and round at {now:g} s: it never waits\n{self._describe()}")
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                # As `Handle._run` does it, without a call more for each.
                try:
                    handle._context.run(handle._callback, *handle._args)
                except (SystemExit, KeyboardInterrupt):
                    raise
                except BaseException as error:  # noqa: BLE001 - the loop lives on, as asyncio's do
                    self._report(error, handle)

    def _describe(self) -> str:
        return describe_tasks((task.get_name(), task.get_coro()) for task in asyncio.all_tasks(self))

    def _report(self, error: BaseException, handle: "asyncio.Handle | Call") -> None:
        self.call_exception_handler({"message": f"exception in callback {handle!r}", "exception": error})

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nothing sleeps that would have to be woken."""

    def close(self) -> None:
        self._timers.clear()
        super().close()
