"""Has a look when something may be overdue. The look says when the next one is due."""

from collections.abc import Callable

from p2pstack.streams.soon import Soon, Timer

__all__ = ["Keeper"]


class Keeper:
    """Calls `look` on time, by the clock of the event loop.

    :param look: looks, and says when to look again; None: never
    :param deadline: when to look first
    """

    __slots__ = ("_deadline", "_look", "_soon", "_timer")

    def __init__(self, soon: Soon, look: Callable[[], float | None], *, deadline: float) -> None:
        self._soon = soon
        self._look = look
        self._timer: Timer | None = None
        self._set(deadline)

    def hasten(self, deadline: float) -> None:
        """Look at `deadline` at the latest."""
        if self._timer is not None and self._deadline > deadline:
            self._timer.cancel()
            self._set(deadline)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self, deadline: float) -> None:
        self._deadline = deadline
        self._timer = self._soon.at(deadline, self._fire)

    def _fire(self) -> None:
        self._timer = None
        deadline = self._look()
        if deadline is not None:
            self._set(deadline)
