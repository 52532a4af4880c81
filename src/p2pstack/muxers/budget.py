"""One bound on what applications leave unread, over all connections."""

from p2pstack.errors import LimitExceeded

__all__ = ["ReceiveBudget"]


class ReceiveBudget:
    """Counts the bytes received for streams and not yet read by their applications.

    Each stream's window bounds what it can hold; a thousand connections of hundreds of streams would still add up to
    more than any machine has. So windows stop growing at half of the budget, and a stream that receives beyond the
    whole of it is reset.
    """

    __slots__ = ("limit", "refused", "used")

    def __init__(self, limit: int = 256 << 20) -> None:
        #: bytes
        self.limit = limit
        #: bytes now unread
        self.used = 0
        #: how many times a stream was reset for it
        self.refused = 0

    @property
    def tight(self) -> bool:
        """Whether windows may no longer grow."""
        return self.used * 2 > self.limit

    def take(self, size: int) -> None:
        """Count `size` bytes in.

        :raises LimitExceeded: there is no room for them; they are not counted
        """
        used = self.used + size
        if used > self.limit:
            self.refused += 1
            raise LimitExceeded(
                "bytes unread by applications",
                limit=self.limit,
                used=used,
                hint="read streams faster, or raise the limit",
            )
        self.used = used

    def release(self, size: int) -> None:
        """Count `size` bytes out."""
        self.used -= size
