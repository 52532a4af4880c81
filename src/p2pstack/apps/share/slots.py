"""Whose turn it is to fetch from us: a few pieces leave at a time, and who wants some takes turns with the others.

=============  ==================================================================================
idle           wants nothing, or has all that it wants
waiting        in a queue; when a slot is free its first gets it, and goes to the end if it wants more
served         holds a slot until its piece has left, or until it passes
=============  ==================================================================================
"""

from collections import Counter, deque
from typing import Generic, TypeVar

__all__ = ["Slots"]

P = TypeVar("P")


class Slots(Generic[P]):
    """Slots for uploads, fair among whoever wants them.

    :param total: pieces that leave at a time
    """

    __slots__ = ("_free", "_held", "_queue", "_wanted")

    def __init__(self, total: int) -> None:
        self._free = total
        self._held = Counter[P]()
        self._wanted = Counter[P]()
        self._queue = deque[P]()

    def outstanding(self, peer: P) -> int:
        """How many a peer wants or has."""
        return self._wanted[peer] + self._held[peer]

    def want(self, peer: P, count: int) -> None:
        """A peer wants to fetch so many more."""
        if not self._wanted[peer]:
            self._queue.append(peer)
        self._wanted[peer] += count

    def release(self, peer: P) -> None:
        """A slot that a peer had is free again."""
        if self._held[peer]:
            self._held[peer] -= 1
            self._free += 1

    def leave(self, peer: P) -> None:
        """A peer is gone."""
        self._free += self._held.pop(peer, 0)
        if self._wanted.pop(peer, 0):
            self._queue.remove(peer)

    def grants(self) -> Counter[P]:
        """Give away what is free: to whom, and how many."""
        grants = Counter[P]()
        while self._free and self._queue:
            peer = self._queue.popleft()
            grants[peer] += 1
            self._free -= 1
            self._held[peer] += 1
            self._wanted[peer] -= 1
            if self._wanted[peer]:
                self._queue.append(peer)
        return grants
