"""One bound on what applications leave unread, over all connections."""

from typing import Protocol
from weakref import WeakKeyDictionary

from p2pstack.errors import LimitExceeded

__all__ = ["Holder", "ReceiveBudget"]

#: Part of the budget that is made free at a time, so that looking for who holds most is seldom.
_PART = 16


class Holder(Protocol):
    """A connection that counts its unread bytes in a budget."""

    @property
    def unread(self) -> int:
        """How many there are now."""
        ...

    def shed(self, size: int, used: int) -> None:
        """Reset the streams that hold most, until about `size` bytes are free, because `used` were wanted."""
        ...


class ReceiveBudget:
    """Counts the bytes received for streams and not yet read by their applications.

    Each stream's window bounds what it can hold; a thousand connections of hundreds of streams would still add up to
    more than any machine has. So windows stop growing at half of the budget. Beyond the whole of it the connection that
    holds most makes room, by resets of its largest streams: whoever fills the budget takes it from nobody but himself.
    """

    __slots__ = ("holders", "limit", "refused", "used")

    def __init__(self, limit: int = 256 << 20) -> None:
        #: bytes
        self.limit = limit
        #: bytes now unread
        self.used = 0
        #: how many times somebody had to make room
        self.refused = 0
        #: the connections there are, the oldest first
        self.holders: WeakKeyDictionary[Holder, None] = WeakKeyDictionary()

    @property
    def tight(self) -> bool:
        """Whether windows may no longer grow."""
        return self.used * 2 > self.limit

    def take(self, size: int, holder: Holder | None = None) -> None:
        """Count `size` bytes in, for which another connection may have to make room.

        :param holder: whose they are
        :raises LimitExceeded: there is no room for them, and nobody holds more than `holder`; they are not counted
        """
        if self.used + size > self.limit:
            self._make_room(size, holder)
        self.used += size

    def _make_room(self, size: int, holder: Holder | None) -> None:
        while self.used + size > self.limit:
            self.refused += 1
            used = self.used + size
            largest = max(self.holders, key=_unread, default=holder)
            if largest is None or largest is holder or not largest.unread:
                raise self.exceeded(used)
            largest.shed(max(size, self.limit // _PART), used)

    def exceeded(self, used: int) -> LimitExceeded:
        """The error of a stream that was reset when `used` bytes were wanted."""
        hint = "read streams faster, or raise the limit"
        return LimitExceeded("bytes unread by applications", limit=self.limit, used=used, hint=hint)

    def release(self, size: int) -> None:
        """Count `size` bytes out."""
        self.used -= size


def _unread(holder: Holder) -> int:
    return holder.unread
