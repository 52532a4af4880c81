"""The receive window of a stream.

The peer may send what it has credit for: `credit` bytes. What the application reads is given back in updates of at
least half a window, so that a stream at full speed costs two updates a window. If half a window is used up within a few
round trips, the window is what limits the stream: it doubles, up to a maximum. A small one does so too if all of it was
used up within some more, before an update could go out: then the peer has had to stop. An unread stream gets no update,
and its sender stops: that is all the backpressure there is.

=======================  =================================================================
`credit`                 what the peer may still send
`size`                   what it may have sent and unread at most: the window
`consumed`               what was read since the last update
=======================  =================================================================

Source: libp2p/specs, yamux/README.md, "Flow Control"; docs/decisions/0006-window-growth.md has the figures
behind the rule.
"""

__all__ = ["ReceiveWindow"]

_FAST = 1.5  # round trips in which half a window is used up by a stream that its window slows down
_STOPPED = 8  # round trips in which all of a small window is used up by a stream that has had to stop for it
_SMALL = 1 << 20  # bytes: within a machine nothing is gained by more
_FLOOR = 0.000125  # seconds a round trip is taken for at least: the turns of the event loops at its ends take as long


class ReceiveWindow:
    """Counts in bytes, by a clock in seconds."""

    __slots__ = ("_granted_at", "consumed", "credit", "size")

    def __init__(self, size: int) -> None:
        self.credit = size
        self.size = size
        self.consumed = 0
        self._granted_at: float | None = None

    @property
    def due(self) -> bool:
        """Whether enough was read for an update."""
        return self.consumed * 2 >= self.size

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
        self._granted_at = now
        self.consumed = 0
        self.credit += delta
        return delta
