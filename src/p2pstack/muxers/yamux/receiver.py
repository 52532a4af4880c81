"""The half of the session that takes bytes from the peer.

==============  ==========================  ===============================================================
frame           for a stream that           effect
==============  ==========================  ===============================================================
SYN             is new, of the peer's       `StreamOpened`, ACK queued; above the limit: RST queued
                parity
SYN             exists, or is of our        protocol error
                parity
ACK             we opened                   the slot in the ACK backlog is free
data            is open                     into the inbox, `StreamReadable` if it was empty
data            is discarding               dropped
data            is unknown                  dropped: it was on its way when the stream ended here
data            got its FIN before          protocol error
data            has no credit for it        protocol error, before a byte of the body is looked at
window update   is open                     credit; `StreamWritable` if a writer waits
FIN             is open                     `StreamReadable`; forgotten if this side had finished too
RST             is open                     both events; forgotten. On a window update, its length is the
                                            error code of the application (go-yamux)
ping SYN        -                           answer queued, up to `pong_queue` of them
ping ACK        -                           measures the round trip
go away         -                           no more streams are opened here
anything else   -                           protocol error
==============  ==========================  ===============================================================

A protocol error queues a go-away frame with code 1 and raises `RemoteProtocolError`; the session is then only good for
`data_to_send`, to say goodbye.

Source: libp2p/specs, yamux/README.md.
"""

from p2pstack.errors import LimitExceeded
from p2pstack.muxers.yamux.config import INITIAL_WINDOW, YamuxConfig
from p2pstack.muxers.yamux.events import SlotFreed, StreamOpened, StreamReadable
from p2pstack.muxers.yamux.frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    HEADER,
    HEADER_SIZE,
    PING,
    RST,
    SYN,
    WINDOW_UPDATE,
)
from p2pstack.muxers.yamux.lifecycle import Lifecycle
from p2pstack.muxers.yamux.liveness import Liveness
from p2pstack.muxers.yamux.state import StreamState

__all__ = ["Receiver"]

_MAX_CREDIT = 0xFFFF_FFFF
#: Chunks smaller than this are gathered up to `_GATHERED`: a chunk has an overhead of some 50 bytes, and a peer that
#: sends single bytes must not multiply its window by that.
_SMALL, _GATHERED = 1_024, 16_384


class Receiver:
    """Reads frames, and does to the streams what they say."""

    __slots__ = (
        "_body_close",
        "_body_left",
        "_body_stream",
        "_config",
        "_life",
        "_liveness",
        "_partial",
        "_table",
        "bytes_received",
        "refused",
        "remote_go_away",
    )

    def __init__(self, config: YamuxConfig, life: Lifecycle, liveness: Liveness) -> None:
        self._config = config
        self._life = life
        self._table = life.table
        self._liveness = liveness
        # A frame that has not come as a whole: the first bytes of its header, or its stream and how much is missing.
        self._partial = b""
        self._body_left = 0
        self._body_stream: StreamState | None = None
        self._body_close = 0
        self.bytes_received = 0
        #: streams refused for `max_inbound_streams`
        self.refused = 0
        #: the peer said goodbye, with this code
        self.remote_go_away: int | None = None

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the peer.

        :raises RemoteProtocolError: they break the protocol
        """
        self._liveness.heard(now)
        end = len(data)
        offset = 0
        if self._body_left:
            offset = self._receive_body(data, 0, end)
        elif self._partial:
            data = self._partial + data
            end = len(data)
        while end - offset >= HEADER_SIZE:
            version, kind, flags, stream_id, length = HEADER.unpack_from(data, offset)
            offset += HEADER_SIZE
            if version:
                raise self._life.violation(f"version {version} of the frame: expected 0")
            if kind == DATA:
                self._body_stream = self._admit(stream_id, flags, length)
                self._body_left = length
                self._body_close = flags & (FIN | RST)
                offset = self._receive_body(data, offset, end)
            elif kind == WINDOW_UPDATE:
                self._window_update(stream_id, flags, length)
            elif kind == PING:
                self._ping(flags, length, now)
            elif kind == GO_AWAY:
                self.remote_go_away = length
                self._life.events.append(SlotFreed())
            else:
                raise self._life.violation(f"frame of type {kind}: expected 0 to 3")
        self._partial = data[offset:] if offset < end else b""

    # --- data

    def _receive_body(self, data: bytes, offset: int, end: int) -> int:
        """Take what is there of the body of a data frame; returns where it ends."""
        stop = min(offset + self._body_left, end)
        self._body_left -= stop - offset
        stream = self._body_stream
        if stream is not None:
            if offset < stop and not stream.ended and not stream.discarding:
                self._deliver(stream, data, offset, stop)
            if not self._body_left:
                self._body_stream = None
                if self._body_close:
                    self._close(stream, self._body_close)
        return stop

    def _deliver(self, stream: StreamState, data: bytes, start: int, stop: int) -> None:
        size = stop - start
        try:
            self._config.budget.take(size, self._life)
        except LimitExceeded as error:
            self._life.reset_here(stream, 0, error)
            return
        self.bytes_received += size
        stream.unread += size
        inbox = stream.inbox
        if not inbox:
            inbox.append(data[start:stop])
            self._life.events.append(StreamReadable(stream))
        elif size >= _SMALL:
            inbox.append(data[start:stop])
        else:
            last = inbox[-1]
            if isinstance(last, bytearray) and len(last) < _GATHERED:
                last += memoryview(data)[start:stop]
            else:
                inbox.append(bytearray(memoryview(data)[start:stop]))

    def _admit(self, stream_id: int, flags: int, length: int) -> StreamState | None:
        """Check the header of a data frame against the window, before anything is made or kept for it."""
        if flags & SYN:
            if length > INITIAL_WINDOW:
                raise self._life.violation(f"{length} bytes on new stream {stream_id}: its window is {INITIAL_WINDOW}")
            self._opened_by_remote(stream_id)
        stream = self._table.get(stream_id)
        if stream is None:
            self._check_late(stream_id)
            if length > self._config.max_window:
                raise self._life.violation(f"{length} bytes on stream {stream_id}, which is not open")
            return None
        if flags & ACK:
            self._life.acknowledge(stream)
        if length:
            if stream.fin_received:
                raise self._life.violation(f"{length} bytes on stream {stream_id} after its end")
            credit = stream.window.credit
            if length > credit:
                raise self._life.violation(f"{length} bytes on stream {stream_id}: {credit} were granted")
            stream.window.credit = credit - length
        return stream

    # --- everything else

    def _window_update(self, stream_id: int, flags: int, delta: int) -> None:
        if flags & SYN:
            self._opened_by_remote(stream_id)
        stream = self._table.get(stream_id)
        if stream is None:
            self._check_late(stream_id)
            return
        if flags & ACK:
            self._life.acknowledge(stream)
        if flags & RST:
            self._life.reset_by_peer(stream, delta)
            return
        if delta:
            credit = stream.send_credit + delta
            if credit > _MAX_CREDIT:
                raise self._life.violation(
                    f"window of stream {stream_id} raised to {credit}: at most {_MAX_CREDIT} bytes"
                )
            stream.send_credit = credit
            self._life.tell_writer(stream)
        if flags & FIN:
            self._close(stream, FIN)

    def _close(self, stream: StreamState, flags: int) -> None:
        if flags & RST:
            self._life.reset_by_peer(stream, 0)
        elif not stream.fin_received and not stream.ended:
            stream.fin_received = True
            if not stream.inbox:
                self._life.events.append(StreamReadable(stream))
            self._life.forget_if_over(stream)

    def _check_late(self, stream_id: int) -> None:
        """A frame for a stream that is not here may have been on its way when the stream ended."""
        if not self._table.may_have_existed(stream_id):
            raise self._life.violation(f"a frame for stream {stream_id}, which was never opened")

    def _opened_by_remote(self, stream_id: int) -> None:
        life = self._life
        if not self._table.remote_may_open(stream_id):
            raise life.violation(f"stream {stream_id} opened: expected a new id of the other side's parity")
        if life.local_go_away is not None or self._table.inbound_full:
            self.refused += 1
            life.control(WINDOW_UPDATE, RST, stream_id, 0)
            return
        life.control(WINDOW_UPDATE, ACK, stream_id, 0)
        life.events.append(StreamOpened(self._table.admit(stream_id)))

    def _ping(self, flags: int, value: int, now: float) -> None:
        if flags & ACK:
            self._liveness.answered(value, now)
        elif self._liveness.may_answer():
            self._life.control(PING, ACK, 0, value)
