"""Has a look when something may be overdue.

Where the event loop has timers (asyncio, uvloop) a connection keeps one; where it has none (trio) a task sleeps. The
look says when the next one is due.
"""

from abc import ABC, abstractmethod
from asyncio import TimerHandle
from collections.abc import Callable

from anyio import CancelScope, sleep_forever
from anyio.abc import TaskGroup

from p2pstack.muxers.yamux.soon import Soon

__all__ = ["Keeper", "make_keeper"]

#: Looks, and says when to look again; None: never.
Look = Callable[[], float | None]


class Keeper(ABC):
    """Calls `look` on time, by the clock of the event loop."""

    @abstractmethod
    def start(self, tasks: TaskGroup, deadline: float) -> None:
        """Look first at `deadline`. A task that it takes is one of `tasks`."""

    @abstractmethod
    def hasten(self, deadline: float) -> None:
        """Look at `deadline` at the latest."""

    @abstractmethod
    def stop(self) -> None:
        """Look no more."""


def make_keeper(soon: Soon | None, look: Look) -> Keeper:
    """The keeper for the event loop that runs."""
    return _Sleeper(look) if soon is None else _Timer(soon, look)


class _Timer(Keeper):
    __slots__ = ("_handle", "_look", "_soon")

    def __init__(self, soon: Soon, look: Look) -> None:
        self._soon = soon
        self._look = look
        self._handle: TimerHandle | None = None

    def start(self, tasks: TaskGroup, deadline: float) -> None:
        self._handle = self._soon.at(deadline, self._fire)

    def _fire(self) -> None:
        self._handle = None
        deadline = self._look()
        if deadline is not None:
            self._handle = self._soon.at(deadline, self._fire)

    def hasten(self, deadline: float) -> None:
        if self._handle is not None and self._handle.when() > deadline:
            self._handle.cancel()
            self._handle = self._soon.at(deadline, self._fire)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class _Sleeper(Keeper):
    __slots__ = ("_look", "_sleep", "_stopped")

    def __init__(self, look: Look) -> None:
        self._look = look
        self._stopped = False
        self._sleep: CancelScope | None = None

    def start(self, tasks: TaskGroup, deadline: float) -> None:
        tasks.start_soon(self._run, deadline)

    async def _run(self, deadline: float | None) -> None:
        while deadline is not None and not self._stopped:
            with CancelScope(deadline=deadline) as self._sleep:
                await sleep_forever()
            deadline = None if self._stopped else self._look()

    def hasten(self, deadline: float) -> None:
        if self._sleep is not None and self._sleep.deadline > deadline:
            self._sleep.deadline = deadline

    def stop(self) -> None:
        self._stopped = True
        if self._sleep is not None:
            self._sleep.cancel()
