"""The streams of one peer: one that we write and it reads, and one for each of its connections that it writes.

A stream of pubsub lives as long as its connection and carries RPCs one way, each behind its length.

==========  =====================================  ==========================================================
state       on                                     then
==========  =====================================  ==========================================================
OPENING     the stream is open                     the router greets the peer; UP
OPENING     the peer speaks none of our protocols  OVER
UP          the stream breaks, or stalls           after a pause, which doubles each time: OPENING
OPENING     the stream broke too often             OVER
any         no connection is left                  OVER
OVER        the peer opens a stream, or identifies itself as one that speaks our protocols: begins anew
==========  =====================================  ==========================================================

What the peer sends waits in its stream until the router knows the peer, which it does from the first UP on.

Source: libp2p specs, pubsub, "Stream management".
"""

import logging
from collections.abc import Callable, Sequence

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    Event,
    create_task_group,
    current_time,
    move_on_after,
    sleep,
)

from p2pstack.abc.connection import Connection, Stream
from p2pstack.abc.host import Host
from p2pstack.errors import NegotiationError, P2PError, RemoteProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.config import PubSubConfig
from p2pstack.pubsub.outbox import Outbox

__all__ = ["BROKEN", "PeerStreams"]

logger = logging.getLogger(__name__)

#: how a stream may break for what the peer or the network did
BROKEN = (P2PError, BrokenResourceError, ClosedResourceError, EndOfStream)
#: more than this is sent in pieces, so that a slow peer that does read is told from one that does not
_PIECE = 262_144


class PeerStreams:
    """One peer: what waits to be sent to it, and the streams with it.

    :param protocols: those to open a stream for, the best first
    """

    __slots__ = (
        "_config", "_give_up", "_host", "_protocols", "_room", "_stream", "_untaken", "_wake", "bytes_sent", "heard",
        "inbound", "outbox", "over", "peer", "protocol", "scope", "sending_since", "stalled", "up",
    )  # fmt: skip

    def __init__(
        self, peer: PeerId, host: Host, *, protocols: Sequence[str], outbox: Outbox, config: PubSubConfig
    ) -> None:
        self.peer = peer
        self.outbox = outbox
        #: the scopes of those who read the peer's streams, by connection
        self.inbound: dict[Connection, CancelScope] = {}
        #: set when the peer has been greeted, or never will be: `over` then says so
        self.up = Event()
        self.over = False
        #: for which protocol it has been greeted; empty: it has not
        self.protocol = ""
        #: whether one of its streams has been read since
        self.heard = False
        self.scope = CancelScope()
        #: when the write began that is under way
        self.sending_since: float | None = None
        #: whether somebody has waited for room in vain, and nothing has been sent since
        self.stalled = False
        self.bytes_sent = 0
        self._host = host
        self._protocols = protocols
        self._config = config
        self._give_up: Callable[[], None] | None = None  # ends the stream that is open
        self._stream: Stream | None = None  # that is open
        self._untaken = b""  # what the stream did not take at once
        self._wake: Event | None = None
        self._room: Event | None = None

    # --- what others ask of it

    def wake(self) -> None:
        """There is something in the outbox."""
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    def send_now(self) -> None:
        """There is something in the outbox, and nothing more is to come in this turn of the event loop: it is sent
        without waking the writer, if the stream takes it at once."""
        outbox, stream = self.outbox, self._stream
        if self._wake is None or stream is None:
            return
        if not outbox.broken:
            data = outbox.take()
            if len(data) <= _PIECE and stream.send_nowait(data):
                self.bytes_sent += len(data)
                self._progressed()
                return
            self._untaken = data
        self.wake()

    @property
    def crowded(self) -> bool:
        """Whether somebody who can wait should, before there is more to be sent."""
        return self.outbox.crowded and not self.stalled and not self.over

    @property
    def busy(self) -> bool:
        """Whether something is still to be sent, and may yet be."""
        return (
            (self.sending_since is not None or bool(self.outbox or self._untaken))
            and not self.stalled
            and not self.over
        )

    async def progress(self) -> None:
        """Wait until something of the outbox has been sent, or never will be."""
        if self._room is None:
            self._room = Event()
        await self._room.wait()

    def expire(self, began: float) -> None:
        """End the stream if the peer has read nothing of it since `began`, and more is waiting."""
        if self.sending_since is not None and self.sending_since <= began and self._give_up is not None:
            self._give_up()

    def close(self) -> None:
        """Give it all up: the streams are reset."""
        self.over = True
        self.up.set()
        self.scope.cancel()
        for scope in self.inbound.values():
            scope.cancel()
        self._progressed()

    def _progressed(self) -> None:
        self.stalled = False
        if self._room is not None:
            self._room.set()
            self._room = None

    # --- the outbound stream

    async def run(self, on_open: Callable[["PeerStreams", Stream], None]) -> None:
        """Keep a stream open to the peer, until it is over.

        :param on_open: called, synchronously, whenever one is: it clears the outbox, and what it queues is sent first
        """
        config, failures = self._config, 0
        with self.scope:
            while failures <= config.max_reopenings and (connection := self._connection()):
                opened_at = current_time()
                try:
                    stream = await connection.open_stream(*self._protocols)
                    self._untaken = b""
                    on_open(self, stream)
                    self._progressed()
                    self.protocol = stream.protocol
                    self.up.set()
                    await self._use(stream)
                except NegotiationError as error:
                    logger.debug("%s", error)
                    if not self._known_protocols():
                        break
                except (*BROKEN, TimeoutError) as error:
                    logger.debug("the pubsub stream to peer %s ended: %s", self.peer, error)
                if current_time() - opened_at >= config.reopen_reset:
                    failures = 0
                await sleep(config.reopen_delay * 2**failures)
                failures += 1

    async def _use(self, stream: Stream) -> None:
        """Write to a stream until it breaks, and say how. Cancelled, it ends in order: what was sent still arrives."""
        broken: BaseException | None = None

        async def watch() -> None:
            nonlocal broken
            try:
                await stream.receive()
                broken = RemoteProtocolError(f"peer {self.peer} wrote on a stream that is there for it to read")
            except EndOfStream:
                return  # its direction is of no use to anybody
            except BROKEN as error:
                broken = error
            tasks.cancel_scope.cancel()

        def give_up() -> None:
            nonlocal broken
            timeout = self._config.write_timeout
            broken = TimeoutError(f"peer {self.peer} has read nothing of its pubsub stream for {timeout:g} s")
            tasks.cancel_scope.cancel()

        try:
            async with create_task_group() as tasks:
                self._give_up, self._stream = give_up, stream
                tasks.start_soon(watch, name="pubsub watcher")
                try:
                    await self._write(stream)
                except BROKEN as error:
                    broken = error
                tasks.cancel_scope.cancel()
            if broken is not None:
                raise broken
        finally:
            self._give_up = self._stream = self._wake = None
            if broken is None:
                with move_on_after(self._config.close_timeout, shield=True):
                    await stream.aclose()
            else:
                stream.reset()

    async def _write(self, stream: Stream) -> None:
        outbox = self.outbox
        while True:
            while not (outbox or self._untaken or outbox.broken):
                self._wake = Event()
                await self._wake.wait()
            if outbox.broken:
                raise RemoteProtocolError(f"peer {self.peer} reads so slowly that it was not told what we are in")
            data, self._untaken = self._untaken or outbox.take(), b""
            try:
                for start in range(0, len(data), _PIECE):
                    self.sending_since = current_time()
                    await stream.send(data if len(data) <= _PIECE else data[start : start + _PIECE])
            finally:
                self.sending_since = None
            self.bytes_sent += len(data)
            self._progressed()

    def _connection(self) -> Connection | None:
        return next((connection for connection in self._host.connections_to(self.peer) if not connection.closed), None)

    def _known_protocols(self) -> bool:
        """Whether the peer said of itself that it speaks one."""
        return not self._host.peerstore.protocols(self.peer).isdisjoint(self._protocols)
