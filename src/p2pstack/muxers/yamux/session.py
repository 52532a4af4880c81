"""One yamux connection without its I/O.

Bytes from the peer go into `receive_data`, bytes for it come out of `data_to_send`, and what changed for whom out of
`events`. Calls of the application (`open`, `write`, `read`, `close_write`, ...) change the state and return at once:
none of them waits, so none can be cancelled half way. Time comes in as an argument, in seconds.

What comes from the peer, and what it does:

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
RST             is open                     both events; forgotten
ping SYN        -                           answer queued, up to `pong_queue` of them
ping ACK        -                           measures the round trip
go away         -                           no more streams are opened here
anything else   -                           protocol error
==============  ==========================  ===============================================================

A protocol error queues a go-away frame with code 1 and raises `RemoteProtocolError`; the session is then only good for
`data_to_send`, to say goodbye.

Source: libp2p/specs, yamux/README.md.
"""

from p2pstack.errors import ConnectionClosed, LimitExceeded, RemoteProtocolError
from p2pstack.muxers.yamux.config import INITIAL_WINDOW, YamuxConfig
from p2pstack.muxers.yamux.events import Event, SlotFreed, StreamOpened, StreamReadable, StreamWritable
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
    GoAwayCode,
)
from p2pstack.muxers.yamux.liveness import Liveness
from p2pstack.muxers.yamux.outbox import Outbox
from p2pstack.muxers.yamux.state import StreamState
from p2pstack.muxers.yamux.table import StreamTable

__all__ = ["Session"]

_MAX_CREDIT = 0xFFFF_FFFF
#: Chunks smaller than this are gathered up to `_GATHERED`: a chunk has an overhead of some 50 bytes, and a peer that
#: sends single bytes must not multiply its window by that.
_SMALL, _GATHERED = 1_024, 16_384
#: A writer gets room for at least this much, whatever other streams have queued.
_FAIR_SHARE = 65_536


class Session:
    """The state of one connection."""

    def __init__(self, config: YamuxConfig, *, initiator: bool, record_size: int = 65_519, now: float = 0.0) -> None:
        self._config = config
        self._table = StreamTable(config, initiator=initiator)
        self._outbox = Outbox(record_size=record_size, max_frame=config.max_frame)
        #: streams whose window is to be granted anew with the next frames
        self.granting: list[StreamState] = []
        self._crowded: list[StreamState] = []
        self._events: list[Event] = []
        # A frame that has not come as a whole: the first bytes of its header, or its stream and how much is missing.
        self._partial = b""
        self._body_left = 0
        self._body_stream: StreamState | None = None
        self._body_close = 0
        self.liveness = Liveness(config, now)
        self.bytes_sent = 0
        self.bytes_received = 0
        #: streams refused for `max_inbound_streams`
        self.refused = 0
        #: the peer said goodbye, with this code
        self.remote_go_away: int | None = None
        #: this side said goodbye
        self.local_go_away: int | None = None

    # --- what the driver looks at

    @property
    def streams(self) -> StreamTable:
        """The streams that are not over."""
        return self._table

    @property
    def wants_to_send(self) -> bool:
        """Whether `data_to_send` would return something."""
        return bool(self.granting or self._outbox)

    @property
    def congested(self) -> bool:
        """Whether so many control frames wait that nothing more should be read from the peer."""
        return len(self._outbox.control) > self._config.control_queue

    @property
    def can_open(self) -> bool:
        """Whether the ACK backlog has a free slot."""
        return not self._table.backlog_full

    def events(self) -> list[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    # --- calls of the application

    def open(self) -> StreamState:
        """Open a stream; check `can_open` first.

        :raises ConnectionClosed: one side said goodbye
        :raises LimitExceeded: too many streams are open
        """
        if self.local_go_away is not None or self.remote_go_away is not None:
            who = "the peer" if self.local_go_away is None else "this side"
            raise ConnectionClosed(f"no streams can be opened any more: {who} is closing the connection")
        stream = self._table.open()
        self._control(WINDOW_UPDATE, SYN, stream.id, 0)
        return stream

    def write(self, stream: StreamState, data: bytes | memoryview) -> int:
        """Queue as much of `data` as there is room for, and say how much that was. If it was not all, `StreamWritable`
        tells when to go on. `data` is kept, not copied: it must not change afterwards."""
        outbox = self._outbox
        room = max(self._config.send_buffer - outbox.queued, _FAIR_SHARE - stream.queued)
        size = len(data)
        if size > stream.send_credit or size > room:
            size = max(0, min(stream.send_credit, room))
            stream.wants_room = True
            if stream.send_credit > size:
                self._crowded.append(stream)
            if not size:
                return 0
            data = memoryview(data)[:size]
        stream.send_credit -= size
        self.bytes_sent += size
        outbox.add(stream, data)
        return size

    def close_write(self, stream: StreamState) -> None:
        """End the sending direction, behind what is queued."""
        if not stream.finishing and not stream.ended:
            self._outbox.finish(stream)

    def read(self, stream: StreamState, max_bytes: int) -> bytes:
        """Some bytes of a stream, at most `max_bytes`; empty if there are none now."""
        inbox = stream.inbox
        if not inbox:
            return b""
        chunk = inbox[0]
        size = len(chunk)
        if size <= max_bytes:
            inbox.popleft()
            data = chunk if isinstance(chunk, bytes) else bytes(chunk)
        else:
            size = max_bytes
            data = bytes(chunk[:size])
            inbox[0] = chunk[size:]
        if stream.ended:
            return data
        stream.unread -= size
        self._config.budget.release(size)
        if stream.fin_received:
            self._forget_if_over(stream)
        else:
            window = stream.window
            before = window.due
            window.consumed += size
            if window.due and not before:
                self.granting.append(stream)
        return data

    def unread(self, stream: StreamState, data: bytes) -> None:
        """Put back what was read too far; its credit is not taken back."""
        if data:
            stream.inbox.appendleft(data)
            if not stream.ended:
                stream.unread += len(data)
                self._config.budget.used += len(data)

    def close_read(self, stream: StreamState, now: float) -> None:
        """Drop what is unread, and what still comes."""
        self._drop_inbox(stream)
        if stream.fin_received:
            self._forget_if_over(stream)
        elif not stream.discarding and not stream.ended:
            stream.discarding = True
            stream.closed_at = now

    def reset(self, stream: StreamState) -> None:
        """End a stream at once."""
        if not stream.ended:
            stream.reset_here = True
            self._control(WINDOW_UPDATE, RST, stream.id, 0)
            self._end(stream)

    def go_away(self, code: GoAwayCode) -> None:
        """Say goodbye: no streams are accepted or opened any more. Those open go on."""
        if self.local_go_away is None:
            self.local_go_away = code
            self._control(GO_AWAY, 0, 0, code)

    def abandon(self) -> None:
        """Forget all streams: the connection is gone. What came before can still be read."""
        for stream in self._table:
            self._outbox.drop(stream)
            self._config.budget.release(stream.unread)
            stream.unread = 0
            self._table.remove(stream)
            self._events.append(StreamReadable(stream))
            self._tell_writer(stream)
        self._events.append(SlotFreed())

    # --- time

    @property
    def deadline(self) -> float:
        """When `on_deadline` is to be called next, if nothing happens before."""
        lingering = [stream.closed_at for stream in self._table if stream.discarding]
        return (
            min(self.liveness.deadline, min(lingering) + self._config.linger) if lingering else self.liveness.deadline
        )

    def on_deadline(self, now: float) -> None:
        """Do what is due: pings, and resets of streams closed here whose other side never ends.

        :raises ConnectionClosed: the peer no longer answers
        """
        if self.liveness.ping_due(now):
            self.ping(now)
        for stream in self._table:
            if stream.discarding and now - stream.closed_at >= self._config.linger:
                self.reset(stream)

    def ping(self, now: float) -> None:
        """Ask for a sign of life, and measure the round trip."""
        self._control(PING, SYN, 0, self.liveness.next_ping(now))

    # --- bytes out

    def data_to_send(self, now: float, limit: int = 131_000) -> list[bytes]:
        """Chunks to send now, about `limit` bytes in all, none larger than a record of the secure channel."""
        if self.granting:
            self._grant_windows(now)
        outbox = self._outbox
        chunks, finished = outbox.take(limit)
        self.liveness.pongs_sent()
        for stream in finished:
            stream.fin_sent = True
            self._forget_if_over(stream)
        if self._crowded and outbox.queued * 2 <= self._config.send_buffer:
            for stream in self._crowded:
                self._tell_writer(stream)
            self._crowded.clear()
        return chunks

    def _grant_windows(self, now: float) -> None:
        granting, self.granting = self.granting, []
        liveness = self.liveness
        maximum = self._config.max_window
        for stream in granting:
            if stream.ended or stream.fin_received:
                continue
            window = stream.window
            if liveness.rtt is None and not liveness.pinging:
                self.ping(now)
            tight = self._config.budget.tight
            self._control(
                WINDOW_UPDATE, 0, stream.id, window.grant(now, liveness.rtt, window.size if tight else maximum)
            )

    # --- bytes in

    def receive_data(self, data: bytes, now: float = 0.0) -> None:
        """Take bytes from the peer.

        :raises RemoteProtocolError: they break the protocol
        """
        self.liveness.heard(now)
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
                raise self._violation(f"version {version} of the frame: expected 0")
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
            else:
                raise self._violation(f"frame of type {kind}: expected 0 to 3")
        self._partial = data[offset:] if offset < end else b""

    def _receive_body(self, data: bytes, offset: int, end: int) -> int:
        """Take what is there of the body of a data frame; returns where it ends."""
        stop = min(offset + self._body_left, end)
        self._body_left -= stop - offset
        stream = self._body_stream
        if stream is not None:
            if offset < stop and not stream.ended and not stream.discarding:
                self._deliver(stream, data, offset, stop)
            if self._body_close and not self._body_left:
                self._close_from_remote(stream, self._body_close)
        return stop

    def _deliver(self, stream: StreamState, data: bytes, start: int, stop: int) -> None:
        size = stop - start
        try:
            self._config.budget.take(size)
        except LimitExceeded as error:
            stream.error = error
            self.reset(stream)
            return
        self.bytes_received += size
        stream.unread += size
        inbox = stream.inbox
        if not inbox:
            inbox.append(data[start:stop])
            self._events.append(StreamReadable(stream))
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
                raise self._violation(f"{length} bytes on new stream {stream_id}: its window is {INITIAL_WINDOW}")
            self._opened_by_remote(stream_id)
        stream = self._table.get(stream_id)
        if stream is None:
            if not self._table.may_have_existed(stream_id):
                raise self._violation(f"a frame for stream {stream_id}, which was never opened")
            if length > self._config.max_window:
                raise self._violation(f"{length} bytes on stream {stream_id}, which is not open")
            return None
        if flags & ACK:
            self._acknowledged(stream)
        if length:
            if stream.fin_received:
                raise self._violation(f"{length} bytes on stream {stream_id} after its end")
            if length > stream.window.credit:
                raise self._violation(f"{length} bytes on stream {stream_id}: {stream.window.credit} were granted")
            stream.window.credit -= length
        return stream

    def _window_update(self, stream_id: int, flags: int, delta: int) -> None:
        if flags & SYN:
            self._opened_by_remote(stream_id)
        stream = self._table.get(stream_id)
        if stream is None:
            if not self._table.may_have_existed(stream_id):
                raise self._violation(f"a frame for stream {stream_id}, which was never opened")
            return
        if flags & ACK:
            self._acknowledged(stream)
        if delta:
            credit = stream.send_credit + delta
            if credit > _MAX_CREDIT:
                raise self._violation(f"window of stream {stream_id} raised to {credit}: at most {_MAX_CREDIT} bytes")
            stream.send_credit = credit
            self._tell_writer(stream)
        if flags & (FIN | RST):
            self._close_from_remote(stream, flags)

    def _opened_by_remote(self, stream_id: int) -> None:
        if not self._table.remote_may_open(stream_id):
            raise self._violation(f"stream {stream_id} opened: expected a new id of the other side's parity")
        if self.local_go_away is not None or self._table.inbound_full:
            self.refused += 1
            self._control(WINDOW_UPDATE, RST, stream_id, 0)
            return
        self._control(WINDOW_UPDATE, ACK, stream_id, 0)
        self._events.append(StreamOpened(self._table.admit(stream_id)))

    def _acknowledged(self, stream: StreamState) -> None:
        if self._table.acknowledge(stream):
            self._events.append(SlotFreed())

    def _close_from_remote(self, stream: StreamState, flags: int) -> None:
        if stream.ended:
            return
        if flags & RST:
            stream.reset_by_peer = True
            self._end(stream)
        elif not stream.fin_received:
            stream.fin_received = True
            if not stream.inbox:
                self._events.append(StreamReadable(stream))
            self._forget_if_over(stream)

    def _ping(self, flags: int, value: int, now: float) -> None:
        if flags & ACK:
            self.liveness.answered(value, now)
        elif self.liveness.may_answer():
            self._control(PING, ACK, 0, value)

    # --- shared

    def _control(self, kind: int, flags: int, stream_id: int, length: int) -> None:
        self._outbox.control += HEADER.pack(0, kind, flags, stream_id, length)

    def _tell_writer(self, stream: StreamState) -> None:
        if stream.wants_room:
            stream.wants_room = False
            self._events.append(StreamWritable(stream))

    def _end(self, stream: StreamState) -> None:
        """A reset, by whomever: all that is queued or unread is gone."""
        self._drop_inbox(stream)
        self._outbox.drop(stream)
        self._forget(stream)
        self._events.append(StreamReadable(stream))
        self._tell_writer(stream)

    def _drop_inbox(self, stream: StreamState) -> None:
        self._config.budget.release(stream.unread)
        stream.unread = 0
        stream.inbox.clear()

    def _forget_if_over(self, stream: StreamState) -> None:
        if stream.fin_sent and stream.fin_received and not stream.inbox and not stream.ended:
            self._forget(stream)

    def _forget(self, stream: StreamState) -> None:
        self._table.remove(stream)
        self._acknowledged(stream)

    def _violation(self, what: str) -> RemoteProtocolError:
        self.go_away(GoAwayCode.PROTOCOL_ERROR)
        return RemoteProtocolError(f"yamux: {what}")
