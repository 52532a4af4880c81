"""Which messages were here before: ids, each for a time, and at most so many.

An id counts from when it was first seen, not from when it last came: a message that goes in circles is forgotten after
all, and nobody can keep an id alive by sending it again. As all ids live equally long, they die in the order in which
they came, and so forgetting costs what there is to forget, and no search.
"""

from collections import deque

__all__ = ["SeenCache"]


class SeenCache:
    """A bounded set of ids that forgets.

    :param ttl: seconds that an id is remembered
    :param limit: ids remembered at most; beyond it the oldest goes
    """

    __slots__ = ("_expiries", "_limit", "_order", "_ttl", "evicted")

    def __init__(self, *, ttl: float, limit: int) -> None:
        self._ttl = ttl
        self._limit = limit
        self._expiries: dict[bytes, float] = {}
        self._order: deque[bytes] = deque()
        #: ids that had to go before their time
        self.evicted = 0

    def add(self, id_: bytes, now: float) -> bool:
        """Remember an id; False where it is remembered already."""
        self.expire(now)
        if id_ in self._expiries:
            return False
        if len(self._order) >= self._limit:
            del self._expiries[self._order.popleft()]
            self.evicted += 1
        self._expiries[id_] = now + self._ttl
        self._order.append(id_)
        return True

    def expire(self, now: float) -> None:
        """Forget what is due."""
        order, expiries = self._order, self._expiries
        while order and expiries[order[0]] <= now:
            del expiries[order.popleft()]

    def __contains__(self, id_: bytes) -> bool:
        return id_ in self._expiries

    def __len__(self) -> int:
        return len(self._order)
