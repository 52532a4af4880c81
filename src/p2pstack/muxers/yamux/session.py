"""One yamux connection without its I/O.

Bytes from the peer go into `receive_data`, bytes for it come out of `data_to_send`, and what changed for whom out of
`events`. Calls of the application (`open`, `write`, `read`, `close_write`, ...) change the state and return at once:
none of them waits, so none can be cancelled half way. Time comes in as an argument, in seconds.

What the peer's frames do stands in `receiver.py`; what happens to a stream that ends, in `lifecycle.py`.

Source: libp2p/specs, yamux/README.md.
"""

from collections.abc import Sequence

from p2pstack.errors import ConnectionClosed, LocalProtocolError
from p2pstack.muxers.yamux.config import YamuxConfig
from p2pstack.muxers.yamux.events import Event
from p2pstack.muxers.yamux.frames import PING, SYN, WINDOW_UPDATE, GoAwayCode
from p2pstack.muxers.yamux.lifecycle import Lifecycle
from p2pstack.muxers.yamux.liveness import Liveness
from p2pstack.muxers.yamux.receiver import Receiver
from p2pstack.muxers.yamux.state import StreamState
from p2pstack.muxers.yamux.table import StreamTable

__all__ = ["Session"]

#: Bytes that a stream may have queued whatever others have: small messages do not wait behind large ones.
_SMALL = 4_096


class Session:
    """The state of one connection."""

    __slots__ = (
        "_config",
        "_crowded",
        "_life",
        "_outbox",
        "_receiver",
        "_send_buffer",
        "_table",
        "bytes_sent",
        "granting",
        "liveness",
    )

    def __init__(self, config: YamuxConfig, *, initiator: bool, record_size: int = 65_519, now: float = 0.0) -> None:
        self._config = config
        self._send_buffer = config.send_buffer
        self._life = Lifecycle(config, initiator=initiator, record_size=record_size)
        self._table = self._life.table
        self._outbox = self._life.outbox
        self._crowded = self._life.crowded
        self.liveness = Liveness(config, now)
        self._receiver = Receiver(config, self._life, self.liveness)
        #: streams whose window is to be granted anew with the next frames
        self.granting: list[StreamState] = []
        self.bytes_sent = 0

    # --- what the driver looks at

    @property
    def streams(self) -> StreamTable:
        """The streams that are not over."""
        return self._table

    @property
    def bytes_received(self) -> int:
        """Bytes of stream data that came, without what nobody wanted any more."""
        return self._receiver.bytes_received

    @property
    def bytes_queued(self) -> int:
        """Bytes of stream data that wait to be sent."""
        return self._outbox.queued

    @property
    def refused(self) -> int:
        """How many streams of the peer were refused for `max_inbound_streams`, or because this side is closing."""
        return self._receiver.refused

    @property
    def local_go_away(self) -> int | None:
        """The code with which this side said goodbye."""
        return self._life.local_go_away

    @property
    def remote_go_away(self) -> int | None:
        """The code with which the peer said goodbye."""
        return self._receiver.remote_go_away

    @property
    def wants_to_send(self) -> bool:
        """Whether `data_to_send` would return something."""
        outbox = self._outbox
        return bool(self.granting or outbox.control or outbox.round)

    @property
    def congested(self) -> bool:
        """Whether so many control frames wait that nothing more should be read from the peer."""
        return len(self._outbox.control) > self._config.control_queue

    @property
    def can_open(self) -> bool:
        """Whether `open` needs not wait: the ACK backlog has a free slot, or the peer takes no more streams anyway."""
        return not self._table.backlog_full or self.remote_go_away is not None

    def events(self) -> Sequence[Event]:
        """What happened since the last call."""
        life = self._life
        events = life.events
        if not events:
            return ()
        life.events = []
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
        self._life.control(WINDOW_UPDATE, SYN, stream.id, 0)
        return stream

    def write(self, stream: StreamState, data: bytes | memoryview) -> int:
        """Queue as much of `data` as there is room for, and say how much that was. If it was not all, `StreamWritable`
        tells when to go on. `data` is kept, not copied: it must not change afterwards."""
        outbox = self._outbox
        size = len(data)
        if size > stream.send_credit or self._crowded or outbox.queued + size > self._send_buffer:
            fitting = self._fitting(stream, size)
            if fitting < size:
                data, size = memoryview(data)[:fitting], fitting
        if size:
            stream.send_credit -= size
            stream.queued += size
            stream.outbox.append(data)
            outbox.queued += size
            self.bytes_sent += size
            if not stream.scheduled:
                outbox.schedule(stream)
        return size

    def has_room(self, stream: StreamState, size: int) -> bool:
        """Whether `write` would queue all of so many bytes, and nobody waits who was there before."""
        return not self._crowded and size <= stream.send_credit and size <= self._send_buffer - self._outbox.queued

    def _fitting(self, stream: StreamState, size: int) -> int:
        """How many of so many bytes there is room for, where it is scarce: writers take turns."""
        room = self._send_buffer - self._outbox.queued
        if self._crowded:
            # Twice the buffer at most: what a writer was allowed may be taken by others before it comes to write.
            room = min(stream.allowance, room + self._send_buffer)
            stream.allowance = max(0, stream.allowance - size)
        if size + stream.queued <= _SMALL:
            room = size
        fitting = max(0, min(size, stream.send_credit, room))
        if fitting < size:
            stream.wants_room = True
            if stream.send_credit > fitting:
                self._crowded[stream] = None
        return fitting

    def close_write(self, stream: StreamState) -> None:
        """End the sending direction, behind what is queued."""
        if not stream.finishing and not stream.ended:
            self._outbox.finish(stream)

    def read(self, stream: StreamState, max_bytes: int) -> bytes:
        """Some bytes of a stream, at most `max_bytes`; empty if there are none now.

        :raises LocalProtocolError: `max_bytes` is less than 1
        """
        inbox = stream.inbox
        if not inbox:
            return b""
        chunk = inbox[0]
        size = len(chunk)
        if size <= max_bytes:
            inbox.popleft()
            data = chunk if isinstance(chunk, bytes) else bytes(chunk)
        else:
            if max_bytes < 1:
                raise LocalProtocolError(f"expected to receive at least one byte, got max_bytes={max_bytes}")
            size = max_bytes
            rest = memoryview(chunk)
            data = bytes(rest[:size])
            inbox[0] = rest[size:]
        if stream.ended:
            return data
        stream.unread -= size
        self._config.budget.release(size)
        if stream.fin_received:
            self._life.forget_if_over(stream)
        else:
            window = stream.window
            before = window.consumed
            window.consumed = consumed = before + size
            if before < window.due_at <= consumed:
                self.granting.append(stream)
        return data

    def unread(self, stream: StreamState, data: bytes) -> None:
        """Put back what was read too far."""
        if data:
            stream.inbox.appendleft(bytes(data))
            if not stream.ended:
                stream.unread += len(data)
                stream.window.consumed -= len(data)
                self._config.budget.used += len(data)

    def close_read(self, stream: StreamState, now: float) -> None:
        """Drop what is unread, and what still comes."""
        self._life.drop_inbox(stream)
        if stream.fin_received:
            self._life.forget_if_over(stream)
        elif not stream.discarding and not stream.ended:
            stream.discarding = True
            stream.closed_at = now

    def reset(self, stream: StreamState, code: int = 0) -> None:
        """End a stream at once. `code` is the application's, of 32 bits; peers that know of none ignore it.

        :raises LocalProtocolError: `code` is too large, or negative
        """
        self._life.reset_here(stream, code)

    def go_away(self, code: GoAwayCode) -> None:
        """Say goodbye: no streams are accepted or opened any more. Those open go on."""
        self._life.go_away(code)

    def abandon(self) -> None:
        """Forget all streams: the connection is gone. What came before can still be read."""
        self._life.abandon()

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
            if stream.discarding and now >= stream.closed_at + self._config.linger:  # as in `deadline`, to the last bit
                self.reset(stream)

    def ping(self, now: float) -> None:
        """Ask for a sign of life, and measure the round trip."""
        self._life.control(PING, SYN, 0, self.liveness.next_ping(now))

    # --- bytes out and in

    def data_to_send(self, now: float, limit: int = 131_000) -> list[bytes]:
        """Chunks to send now, about `limit` bytes in all, none larger than a record of the secure channel."""
        if self.granting:
            self._grant_windows(now)
        life = self._life
        chunks, finished = self._outbox.take(limit)
        self.liveness.pongs_sent()
        for stream in finished:
            stream.fin_sent = True
            life.forget_if_over(stream)
        if life.crowded:
            life.relieve()
        return chunks

    def _grant_windows(self, now: float) -> None:
        granting, self.granting = self.granting, []
        liveness = self.liveness
        for stream in granting:
            window = stream.window
            if stream.ended or stream.fin_received or stream.discarding or not window.due:
                continue
            if liveness.rtt_wanted(now):
                self.ping(now)
            maximum = window.size if self._config.budget.tight else self._config.max_window
            self._life.control(WINDOW_UPDATE, 0, stream.id, window.grant(now, liveness.rtt, maximum))

    def receive_data(self, data: bytes, now: float = 0.0) -> None:
        """Take bytes from the peer.

        :raises RemoteProtocolError: they break the protocol; a goodbye is queued, and nothing else can be done
        """
        self._receiver.receive_data(data, now)
