"""When those that failed are asked again."""

from typing import Generic, TypeVar

__all__ = ["Pauses"]

P = TypeVar("P")

#: seconds before somebody is asked again who did not answer, and at most where that has happened often
_SHORTEST, _LONGEST = 5.0, 600.0
#: peers that were late, that are remembered
_MAX_LATE = 4_096


class Pauses(Generic[P]):
    """Who is left alone, and for how long: twice as long each time for those that were late.

    Who is late holds things up, so it must not get to do that as often as it likes. Who fails in another way does not.
    """

    __slots__ = ("_due", "_late")

    def __init__(self) -> None:
        self._due: dict[P, float] = {}
        self._late: dict[P, float] = {}  # how long each was left alone last

    def begin(self, peer: P, now: float, *, late: bool = False) -> None:
        """A peer has failed.

        :param late: by not sending what was expected
        """
        pause = _SHORTEST
        if late:
            pause = min(2 * self._late.pop(peer, _SHORTEST / 2), _LONGEST)
            while len(self._late) >= _MAX_LATE:
                del self._late[next(iter(self._late))]
            self._late[peer] = pause
        self._due = {other: due for other, due in self._due.items() if due > now}
        self._due[peer] = now + pause

    def holds(self, peer: P, now: float) -> bool:
        """Whether a peer is left alone."""
        return self._due.get(peer, now) > now

    def reconnected(self, peer: P) -> None:
        """A peer has come anew, or has gone: it may do better now. Not if it was late: that would be too easy."""
        if peer not in self._late:
            self._due.pop(peer, None)

    def did_well(self, peer: P) -> None:
        """A peer has sent what was expected."""
        self._late.pop(peer, None)

    def clear(self) -> None:
        """Something else is asked for from now on."""
        self._due.clear()
