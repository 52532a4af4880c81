"""How streams end, and who is told: what the two halves of the session share.

A stream is forgotten when both of its directions are over and everything was read, or at once by a reset. Whoever waits
on it is told by an event; what was queued for it goes; what it left unread no longer counts.
"""

from collections import OrderedDict
from typing import Any

from p2pstack.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from p2pstack.muxers.yamux.config import YamuxConfig
from p2pstack.muxers.yamux.events import Event, SlotFreed, StreamReadable, StreamWritable
from p2pstack.muxers.yamux.frames import GO_AWAY, HEADER, RST, WINDOW_UPDATE, GoAwayCode
from p2pstack.muxers.yamux.outbox import Outbox
from p2pstack.muxers.yamux.state import StreamState
from p2pstack.muxers.yamux.table import StreamTable

__all__ = ["Lifecycle"]


def _unread(stream: StreamState) -> int:
    return stream.unread


#: Bytes that a writer may queue when its turn comes, where the outbox has room for so much: what goes of a stream at a
#: time.
_TURN = 131_072


class Lifecycle:
    """The streams of a connection, what waits to be sent for them, and what is to be told of them."""

    __slots__ = ("__weakref__", "_config", "crowded", "events", "local_go_away", "outbox", "table")

    def __init__(self, config: YamuxConfig, *, initiator: bool, record_size: int) -> None:
        self._config = config
        self.table = StreamTable(config, initiator=initiator)
        self.outbox = Outbox(record_size=record_size, max_frame=config.max_frame)
        self.events: list[Event] = []
        #: streams whose writers wait for room in the outbox, in the order of their turns
        self.crowded: OrderedDict[StreamState, None] = OrderedDict()
        #: this side said goodbye, with this code
        self.local_go_away: int | None = None
        config.budget.holders[self] = None

    # --- the budget of unread bytes

    @property
    def unread(self) -> int:
        """Bytes that applications have not read, of all streams."""
        return sum(stream.unread for stream in self.table)

    def shed(self, size: int, used: int) -> None:
        """Reset the streams with the most unread bytes, until about `size` of them are free, because `used` were
        wanted."""
        owner: Any = None
        for stream in sorted(self.table, key=_unread, reverse=True):
            if size <= 0 or not stream.unread:
                break
            size -= stream.unread
            owner = owner or stream.owner()
            self.reset_here(stream, 0, self._config.budget.exceeded(used))
        if owner is not None:
            owner.settle()

    # --- frames

    def control(self, kind: int, flags: int, stream_id: int, length: int) -> None:
        """Queue a frame that has no body."""
        self.outbox.control += HEADER.pack(0, kind, flags, stream_id, length)

    def go_away(self, code: GoAwayCode) -> None:
        """Queue the goodbye, once."""
        if self.local_go_away is None:
            self.local_go_away = code
            self.control(GO_AWAY, 0, 0, code)

    def violation(self, what: str) -> RemoteProtocolError:
        """The error to raise because of what the peer did, having queued the goodbye."""
        self.go_away(GoAwayCode.PROTOCOL_ERROR)
        return RemoteProtocolError(f"yamux: {what}")

    # --- the ends of a stream

    def reset_here(self, stream: StreamState, code: int, error: LimitExceeded | None = None) -> None:
        """This side resets a stream, because of `error` where that is why.

        :raises LocalProtocolError: `code` does not fit its 32 bits
        """
        if not 0 <= code <= 0xFFFF_FFFF:
            raise LocalProtocolError(f"expected an error code of 0 to {0xFFFF_FFFF}, got {code}")
        if not stream.ended:
            stream.reset_here = True
            stream.reset_code = code
            if error is not None:
                stream.error = error.with_traceback(None)  # whose frames hold what the peer has just sent
            self.control(WINDOW_UPDATE, RST, stream.id, code)
            self._reset(stream)

    def reset_by_peer(self, stream: StreamState, code: int) -> None:
        """The peer has reset a stream."""
        if not stream.ended:
            stream.reset_by_peer = True
            stream.reset_code = code
            self._reset(stream)

    def _reset(self, stream: StreamState) -> None:
        # What the peer ended by a FIN is whole, and stays readable, whatever the peer does afterwards.
        if stream.reset_here or not stream.fin_received:
            stream.inbox.clear()
        self._end(stream)
        self.relieve()

    def abandon(self) -> None:
        """The connection is gone, and with it all streams. What came before can still be read."""
        for stream in self.table:
            self._end(stream)
        self.events.append(SlotFreed())

    def _end(self, stream: StreamState) -> None:
        self._uncount(stream)
        self.outbox.drop(stream)
        self.crowded.pop(stream, None)
        self._forget(stream)
        self.events.append(StreamReadable(stream))
        self.tell_writer(stream)

    def drop_inbox(self, stream: StreamState) -> None:
        """Forget what is unread."""
        self._uncount(stream)
        stream.inbox.clear()

    def _uncount(self, stream: StreamState) -> None:
        self._config.budget.release(stream.unread)
        stream.unread = 0

    def forget_if_over(self, stream: StreamState) -> None:
        """Both directions may have ended, and all may have been read."""
        if stream.fin_sent and stream.fin_received and not stream.inbox and not stream.ended:
            self._forget(stream)

    def _forget(self, stream: StreamState) -> None:
        self.table.remove(stream)
        self.acknowledge(stream)

    def acknowledge(self, stream: StreamState) -> None:
        """The peer knows of a stream."""
        if self.table.acknowledge(stream):
            self.events.append(SlotFreed())

    # --- room to write

    def relieve(self) -> None:
        """Once the outbox has run half empty, tell as many of the writers that wait as there is room for."""
        crowded = self.crowded
        queued, buffer = self.outbox.queued, self._config.send_buffer
        if crowded and queued * 2 <= buffer:
            room, turn = buffer - queued, min(_TURN, buffer)
            # Where nothing is queued all are told: those whose turn it is may be gone, and nothing leads back here.
            while crowded and (room > 0 or not queued):
                stream, _ = crowded.popitem(last=False)
                if room > 0:
                    stream.allowance = turn
                    room -= turn
                self.tell_writer(stream)

    def tell_writer(self, stream: StreamState) -> None:
        """Something changed for who waits to write to a stream."""
        if stream.wants_room:
            stream.wants_room = False
            self.events.append(StreamWritable(stream))
