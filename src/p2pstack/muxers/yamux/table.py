"""The streams of a session, and how many there may be.

This side's ids are odd where it dialled, even where it accepted, and count up by two; the peer's have the other parity
(libp2p/specs, yamux/README.md, "StreamID Field").
"""

from collections.abc import Iterator

from p2pstack.errors import LimitExceeded
from p2pstack.muxers.yamux.config import YamuxConfig
from p2pstack.muxers.yamux.state import StreamState

__all__ = ["StreamTable"]


class StreamTable:
    """Holds every stream from its SYN until both directions have ended and all was read."""

    __slots__ = ("_config", "_next_id", "_remote_parity", "_streams", "inbound", "outbound", "unacknowledged")

    def __init__(self, config: YamuxConfig, *, initiator: bool) -> None:
        self._config = config
        self._next_id = 1 if initiator else 2
        self._remote_parity = 0 if initiator else 1
        self._streams: dict[int, StreamState] = {}
        self.inbound = 0
        self.outbound = 0
        #: opened here, and not yet acknowledged by the peer
        self.unacknowledged = 0

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[StreamState]:
        return iter(list(self._streams.values()))

    def get(self, stream_id: int) -> StreamState | None:
        """The stream of that id, if it is not over."""
        return self._streams.get(stream_id)

    @property
    def backlog_full(self) -> bool:
        """Whether the peer is to acknowledge a stream before the next one is opened."""
        return self.unacknowledged >= self._config.ack_backlog

    @property
    def inbound_full(self) -> bool:
        """Whether the peer has as many streams open as it may."""
        return self.inbound >= self._config.max_inbound_streams

    def open(self) -> StreamState:
        """A stream of ours.

        :raises LimitExceeded: too many are open, or the ids are used up
        """
        limit = self._config.max_outbound_streams
        if self.outbound >= limit:
            raise LimitExceeded("streams opened on one connection", limit=limit, used=self.outbound)
        if self._next_id > 0xFFFF_FFFF:
            raise LimitExceeded(
                "stream ids of one connection", limit=1 << 31, used=1 << 31, hint="connect anew to open more streams"
            )
        stream = StreamState(self._next_id, outbound=True)
        self._next_id += 2
        self._streams[stream.id] = stream
        self.outbound += 1
        self.unacknowledged += 1
        return stream

    def admit(self, stream_id: int) -> StreamState:
        """A stream of the peer's; check the id and `inbound_full` first."""
        stream = self._streams[stream_id] = StreamState(stream_id, outbound=False)
        self.inbound += 1
        return stream

    def remote_may_open(self, stream_id: int) -> bool:
        """Whether the peer may give this id to a new stream."""
        return stream_id != 0 and stream_id % 2 == self._remote_parity and stream_id not in self._streams

    def may_have_existed(self, stream_id: int) -> bool:
        """Whether a frame for a stream that is not here can be a late one, of a stream that is over. Of the peer's ids
        only the parity is known: remembering all it used would cost memory without end."""
        return stream_id != 0 and (stream_id % 2 == self._remote_parity or stream_id < self._next_id)

    def acknowledge(self, stream: StreamState) -> bool:
        """The peer knows of a stream; False if it did before."""
        if stream.acknowledged:
            return False
        stream.acknowledged = True
        self.unacknowledged -= 1
        return True

    def remove(self, stream: StreamState) -> None:
        """A stream is over."""
        stream.ended = True
        del self._streams[stream.id]
        if stream.outbound:
            self.outbound -= 1
        else:
            self.inbound -= 1
