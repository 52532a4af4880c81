"""The tasks that move the bytes of a yamux connection.

Two of them at most, whatever number of streams there is, and a timer:

============  ==========================================================================================
the reader    (the task that called `run`) gives what comes to the session, and wakes whom it concerns
the writer    takes from the session what is to be sent, and waits until the network has taken it; begins
              when there is more than goes at once
the keeper    (a timer) looks when something may be overdue: a ping, a write, a stream that lingers
============  ==========================================================================================

The tasks of applications only change the session, which never waits. What many of them write in one turn of the event
loop goes out as one: when the first of them begins to wait for its answer (`flush`), or at the end of the turn. Little
is sent there and then; much, and what the network does not take at once, is the writer's. Nobody sends while it does.
So a cancelled application cannot leave half a frame on the wire, and the order of nonces is that of the wire.
"""

from collections.abc import Callable, Sequence

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    Event,
    create_task_group,
    move_on_after,
    sleep,
)
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from p2pstack.abc.muxer import MuxedStream
from p2pstack.abc.security import SecureChannel
from p2pstack.errors import ConnectionClosed, LimitExceeded, P2PError, RemoteProtocolError
from p2pstack.muxers.over_channel import OverChannel
from p2pstack.muxers.yamux.config import YamuxConfig
from p2pstack.muxers.yamux.events import SlotFreed, StreamOpened, StreamReadable
from p2pstack.muxers.yamux.frames import GoAwayCode
from p2pstack.muxers.yamux.keeper import Keeper
from p2pstack.muxers.yamux.session import Session
from p2pstack.muxers.yamux.state import StreamState
from p2pstack.muxers.yamux.stream import YamuxStream
from p2pstack.streams.clock import clock_of_this_loop
from p2pstack.streams.flag import Flag, flags_of_this_loop
from p2pstack.streams.soon import Soon, soon_on_this_loop

__all__ = ["YamuxConnection"]

#: Bytes that are sent at once by whoever waits for their answer; what is more than that is the writer's.
_LITTLE = 16_384


class YamuxConnection(OverChannel):
    """A yamux connection on a secure channel, which it owns."""

    __slots__ = (
        "_active",
        "_closing",
        "_config",
        "_done",
        "_drained",
        "_failure",
        "_keeper",
        "_on_stream",
        "_prompt",
        "_sending_since",
        "_slot",
        "_soon",
        "_tasks",
        "_unsent",
        "_wake",
        "_writer_idle",
        "clock",
        "epitaph",
        "flag",
        "idle",
        "session",
    )

    def __init__(self, channel: SecureChannel, config: YamuxConfig, *, security: str, initiator: bool) -> None:
        super().__init__(channel, security=security)
        self._config = config
        self.clock = clock_of_this_loop()
        self.flag = flags_of_this_loop()
        self.session = Session(config, initiator=initiator, record_size=channel.record_size, now=self.clock())
        self._on_stream: Callable[[MuxedStream], None] | None = None
        self._tasks: TaskGroup | None = None  # of both, while they run
        self._keeper: Keeper | None = None
        self._wake: Flag | None = None  # what the idle writer waits for
        self._slot: Event | None = None  # what `open_stream` waits for
        self._drained: Flag | None = None  # what a reader waits for that has caused too many answers
        self._done: Event | None = None  # what `aclose` waits for
        self._sending_since: float | None = None
        self._prompt = channel.can_send_now
        self._soon: Soon | None = None
        self._unsent = False  # the channel kept a rest of what was sent without the writer
        self._active = True  # something was sent since the keeper last looked
        self._failure: Exception | None = None
        self._closing = False
        self._writer_idle = False  # it waits for something to send
        #: nobody is about to send: `wake_writer` is to be called
        self.idle = False
        #: why the connection ended
        self.epitaph = "the connection is closed"

    @property
    def muxer(self) -> str:
        return "/yamux/1.0.0"

    @property
    def rtt(self) -> float | None:
        return self.session.liveness.rtt

    @property
    def bytes_sent(self) -> int:
        return self.session.bytes_sent

    @property
    def bytes_received(self) -> int:
        return self.session.bytes_received

    @property
    def closed(self) -> bool:
        return self._closing or self.session.remote_go_away is not None

    # --- calls of the application

    async def open_stream(self) -> YamuxStream:
        session = self.session
        while not self._closing and not session.can_open:
            if self._slot is None:
                self._slot = Event()
            with move_on_after(self._config.write_timeout) as scope:
                await self._slot.wait()
            if scope.cancelled_caught:
                slots = self._config.ack_backlog
                hint = f"peer {self.remote_peer} takes no more; close the connection"
                raise LimitExceeded("streams that the peer has not acknowledged", limit=slots, used=slots, hint=hint)
        if self._closing:
            raise ConnectionClosed(self.epitaph)
        stream = YamuxStream(self, session.open())
        self.wake_writer()
        return stream

    def wake_writer(self) -> None:
        """There is something to send."""
        if self.idle and self._soon is not None:
            if self.session.bytes_queued > _LITTLE:
                self._rouse()
            else:
                self.idle = False
                self._soon.call(self._nudge)

    def _nudge(self) -> None:
        """The turn of the event loop is over in which something was written. As a rule whoever wrote it has sent it,
        when it began to wait; else it is sent now, by the writer where it is much."""
        if self._writer_idle:
            self.idle = True
            self.flush()
            if self._closing or self._unsent or self.session.wants_to_send:
                self._rouse()

    def _rouse(self) -> None:
        if self._writer_idle and self._tasks is not None:
            self._writer_idle = self.idle = False
            if self._wake is None:
                self._tasks.start_soon(self._write)
            else:
                self._wake.set()

    def flush(self) -> None:
        """Send what there is to send, if it is little and the network takes it at once. The application is about to
        wait for the answer: this spares it, and the peer, one turn of the event loop."""
        if self._prompt and self._sending_since is None and not self._unsent and self.session.bytes_queued <= _LITTLE:
            chunks = self.session.data_to_send(self.clock(), _LITTLE)
            if chunks:
                try:
                    self._unsent = not self._channel.send_chunks_nowait(chunks)
                except P2PError as error:
                    self._fail(error)
                self._sent()

    def hurry(self) -> None:
        """Send what there is to send, at once if that can be. Whoever wrote it has nothing more to write."""
        self.flush()
        if self._unsent or self.session.wants_to_send:
            self.wake_writer()

    def _sent(self) -> None:
        """Something is on its way: there is room for more, and maybe an end of what was too much."""
        self.settle()
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    def settle(self) -> None:
        """Pass on what the last call changed: events to whom they concern, frames to the writer."""
        session = self.session
        for event in session.events():
            if isinstance(event, StreamOpened):
                self._accept(event.stream)
            elif isinstance(event, SlotFreed):
                if self._slot is not None:
                    self._slot.set()
                    self._slot = None
            elif (owner := event.stream.owner()) is not None:
                owner.wake_reader() if isinstance(event, StreamReadable) else owner.wake_sender()
        if self.idle and session.wants_to_send:
            self.wake_writer()

    def _accept(self, state: StreamState) -> None:
        stream = YamuxStream(self, state)
        if self._closing or self._on_stream is None:
            stream.reset()
        else:
            self._on_stream(stream)

    # --- life

    async def run(self, on_stream: Callable[[MuxedStream], None]) -> None:
        self._on_stream = on_stream
        self._soon = soon_on_this_loop()
        try:
            if not self._closing:
                async with create_task_group() as tasks:
                    self._tasks = tasks
                    self._keeper = Keeper(self._soon, self._look, deadline=self._due(self.clock()))
                    self._writer_idle = self.idle = True
                    if self._unsent or self.session.wants_to_send:
                        self._rouse()
                    try:
                        await self._read()
                        if isinstance(self._failure, RemoteProtocolError):
                            await self._say_goodbye()
                    finally:
                        self._tasks = None  # nothing starts from here on
                        self._keeper.stop()
                    if not self._writer_idle:
                        tasks.cancel_scope.cancel()
                    elif self._wake is not None:
                        self._wake.set()
        finally:
            self._end()
            try:
                with CancelScope(shield=True):
                    await self._channel.aclose()
            finally:
                if self._done is not None:
                    self._done.set()
                self.idle = self._writer_idle = False
                self._soon.release()
                self._on_stream = self._keeper = None  # they lead back here: what is over shall go without a search
        if self._failure is not None:
            raise self._failure

    async def aclose(self) -> None:
        if self._tasks is None:
            self._end()
            with CancelScope(shield=True):
                await self._channel.aclose()
            return
        if self._done is None:
            self._done = Event()
        self._closing = True
        self._rouse()
        try:
            with move_on_after(self._config.close_timeout):
                await self._done.wait()
        finally:
            self._cancel()
        with CancelScope(shield=True):
            await self._done.wait()

    def _fail(self, error: Exception) -> None:
        """End the connection for a reason found outside the reader."""
        if self._failure is None:
            self._failure = error
        self._cancel()

    def _cancel(self) -> None:
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()

    def _end(self) -> None:
        self._closing = True
        if self._failure is not None:
            self.epitaph = f"the connection ended: {self._failure}"
        self.session.abandon()
        self.settle()

    # --- the reader

    def _take(self, chunks: Sequence[bytes]) -> bool:
        """Take what came. Whether more may come: not while the peer does not read what it makes this side answer."""
        session = self.session
        now = self.clock()
        for chunk in chunks:
            session.receive_data(chunk, now)
        self.settle()
        if session.congested:
            self._drained = self.flag()  # not in `_read`: it may be over before that goes on
        return self._drained is None

    async def _read(self) -> None:
        session = self.session
        try:
            while True:
                await self._channel.pump(self._take)
                if self._drained is not None:
                    await self._drained.wait()
        except EndOfStream:
            self._failure = None  # a write may have found out first
            code = session.remote_go_away
            self.epitaph = "the peer closed the connection" + (f" with code {code}" if code else "")
        except (BrokenResourceError, ClosedResourceError) as error:
            if not self._closing:
                self._failure = ConnectionClosed(f"the connection to {self.remote_peer} broke: {error}")
        except P2PError as error:
            self._failure = error

    async def _say_goodbye(self) -> None:
        """Let the writer flush: the peer is told what it did wrong, if it still listens."""
        self._closing = True
        self._rouse()
        with move_on_after(self._config.close_timeout):
            while self.session.wants_to_send or self._unsent or self._sending_since is not None:
                self._drained = self.flag()
                await self._drained.wait()

    async def _write(self) -> None:
        channel = self._channel
        session = self.session
        said_goodbye = False
        try:
            while True:
                now = self.clock()
                chunks = session.data_to_send(now)
                if chunks or self._unsent:
                    self._unsent = False
                    self._sending_since = now
                    if not self._active:
                        self._activate(now)
                    await channel.send_chunks(chunks)
                    self._sending_since = None
                    self._sent()
                    if session.wants_to_send:
                        await checkpoint()
                        continue
                if self._closing:
                    if said_goodbye:
                        await channel.send_eof()
                        return
                    said_goodbye = True
                    session.go_away(GoAwayCode.NORMAL)
                    continue
                self._wake = self.flag()
                self._writer_idle = self.idle = True
                await self._wake.wait()
                if self._tasks is None:
                    return
        except (BrokenResourceError, ClosedResourceError) as error:
            if not self._closing:
                self._closing = True
                if self._failure is None:
                    self._failure = ConnectionClosed(f"the connection to {self.remote_peer} broke: {error}")
            await sleep(self._config.close_timeout)  # the reader may still find what the peer sent before it went
            self._cancel()
        except P2PError as error:
            self._fail(error)

    def _activate(self, now: float) -> None:
        """Have the keeper look often enough to see a write stall."""
        self._active = True
        if self._keeper is not None:
            self._keeper.hasten(now + self._config.write_timeout)

    def _due(self, now: float) -> float:
        """When the keeper is to look next."""
        deadline = self.session.deadline
        if self._active or self._sending_since is not None:
            since = now if self._sending_since is None else self._sending_since
            deadline = min(deadline, since + self._config.write_timeout)
            self._active = False
        return deadline

    def _look(self) -> float | None:
        """Do what is overdue; when to look again."""
        now = self.clock()
        timeout = self._config.write_timeout
        try:
            if self._sending_since is not None and now >= self._sending_since + timeout:
                raise ConnectionClosed(f"peer {self.remote_peer} has not read for {timeout:g} s: given up")
            if now >= self.session.deadline:
                self.session.on_deadline(now)
                self.settle()
        except ConnectionClosed as error:
            self._fail(error)
            return None
        return self._due(now)
