"""The receive window of a stream.

The peer may send what it has credit for: `credit` bytes. What the application reads is given back in updates of about
half a window, so that a stream at full speed costs two updates a window. If half a window is used up within a
round trip, the window is what limits the stream: it doubles, up to a maximum. A small one does so too if all of it was
used up within some more, before an update could go out: then the peer has had to stop. An unread stream gets no update,
and its sender stops: that is all the backpressure there is.

=======================  =================================================================
`credit`                 what the peer may still send
`size`                   what it may have sent and unread at most: the window
`consumed`               what was read since the last update
`due_at`                 how much of that makes an update due: half of the window, or a scrap less
=======================  =================================================================

Source: libp2p/specs, yamux/README.md, "Flow Control"; docs/decisions/0006-window-growth.md has the figures
behind the rule.
"""

__all__ = ["ReceiveWindow"]

_FAST = 1.0  # round trips in which half a window is used up by a stream that its window slows down
_STOPPED = 8  # round trips in which all of a small window is used up by a stream that has had to stop for it
_SMALL = 1 << 19  # bytes: within a machine little is gained by more than twice as much
_SCRAP = 1_024  # bytes: two full records are 58 less than half of a first window, and a third would be waited for
_FLOOR = 0.000125  # seconds a round trip is taken for at least: the turns of the event loops at its ends take as long


class ReceiveWindow:
    """Counts in bytes, by a clock in seconds."""

    __slots__ = ("_granted_at", "consumed", "credit", "due_at", "size")

    def __init__(self, size: int) -> None:
        self.credit = size
        self.size = size
        self.due_at = _half(size)
        self.consumed = 0
        self._granted_at: float | None = None

    @property
    def due(self) -> bool:
        """Whether enough was read for an update."""
        return self.consumed >= self.due_at

    def grant(self, now: float, rtt: float | None, maximum: int) -> int:
        """Give back what was read, and more if the window turns out to be the bottleneck. Returns the bytes to
        grant."""
        delta = self.consumed
        trips = _STOPPED if delta >= self.size and self.size < _SMALL else _FAST
        if self._granted_at is not None and rtt is not None and now - self._granted_at < trips * max(rtt, _FLOOR):
            grown = min(self.size * 2, maximum)
            if grown > self.size:
                delta += grown - self.size
                self.size = grown
                self.due_at = _half(grown)
        self._granted_at = now
        self.consumed = 0
        self.credit += delta
        return delta


def _half(size: int) -> int:
    return size // 2 - min(_SCRAP, size // 8)
