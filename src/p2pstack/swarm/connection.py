"""One connection: its streams, and the handlers of those the peer opens.

It adds no task to those of the muxer: the task that dialled or accepted it runs the muxer, and a handler's task lives
as long as its stream.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    Event,
    IncompleteRead,
    create_task_group,
    current_time,
    fail_after,
)
from anyio.abc import TaskGroup
from multiaddr import Multiaddr

from p2pstack.abc.connection import Direction
from p2pstack.abc.events import EventBus, LimitHit
from p2pstack.abc.muxer import MuxedConnection, MuxedStream
from p2pstack.abc.peerstore import Peerstore
from p2pstack.abc.transport import Endpoints
from p2pstack.errors import (
    ConnectionClosed,
    LimitExceeded,
    LocalProtocolError,
    NegotiationError,
    P2PError,
    RemoteProtocolError,
    StreamReset,
)
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.negotiation.select import negotiate_inbound, negotiate_outbound
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.handlers import Handlers, check_protocol
from p2pstack.swarm.inbound import InboundStreams
from p2pstack.swarm.overdue import OverdueStreams
from p2pstack.swarm.stream import StreamOwner, SwarmStream

__all__ = ["ConnectionContext", "SwarmConnection"]

logger = logging.getLogger(__name__)

#: How a peer may end its negotiation.
_BROKEN = (P2PError, BrokenResourceError, ClosedResourceError)
#: How a handler may end for what the peer did, which nobody here need hear of.
_PEERS_DOING = (StreamReset, ConnectionClosed, RemoteProtocolError, EndOfStream, IncompleteRead)
#: Streams that ended without being closed here are dropped when there are this many, then each time they have doubled.
_SWEEP_AT = 64


@dataclass(frozen=True, slots=True)
class ConnectionContext:
    """What all connections of a swarm share."""

    config: SwarmConfig
    handlers: Handlers
    peerstore: Peerstore
    bus: EventBus
    inbound: InboundStreams
    overdue: OverdueStreams
    #: told when a connection is over, and why if not in order
    on_end: Callable[["SwarmConnection", P2PError | None], None]


class SwarmConnection(StreamOwner):
    """A muxed connection in use."""

    __slots__ = (
        "_context",
        "_direction",
        "_ended",
        "_endpoints",
        "_error",
        "_inbound",
        "_muxed",
        "_opened_at",
        "_over",
        "_streams",
        "_sweep_at",
        "_tasks",
    )

    def __init__(
        self, muxed: MuxedConnection, endpoints: Endpoints, direction: Direction, context: ConnectionContext
    ) -> None:
        self._muxed = muxed
        self._endpoints = endpoints
        self._direction = direction
        self._context = context
        self._opened_at = current_time()
        self._tasks: TaskGroup | None = None
        self._inbound = 0
        self._streams: dict[SwarmStream, None] | None = None  # in the order they began
        self._sweep_at = _SWEEP_AT
        self._ended: Event | None = None
        self._over = False
        self._error: P2PError | None = None

    # --- facts

    @property
    def remote_peer(self) -> PeerId:
        return self._muxed.remote_peer

    @property
    def remote_public_key(self) -> PublicKey:
        return self._muxed.remote_public_key

    @property
    def direction(self) -> Direction:
        return self._direction

    @property
    def local_addr(self) -> Multiaddr:
        return self._endpoints.local

    @property
    def remote_addr(self) -> Multiaddr:
        return self._endpoints.remote

    @property
    def security(self) -> str:
        return self._muxed.security

    @property
    def muxer(self) -> str:
        return self._muxed.muxer

    @property
    def rtt(self) -> float | None:
        return self._muxed.rtt

    @property
    def opened_at(self) -> float:
        return self._opened_at

    @property
    def bytes_sent(self) -> int:
        return self._muxed.bytes_sent

    @property
    def bytes_received(self) -> int:
        return self._muxed.bytes_received

    @property
    def closed(self) -> bool:
        return self._muxed.closed

    @property
    def error(self) -> P2PError | None:
        """Why it ended; None while it lives, and where it was closed in order."""
        return self._error

    @property
    def streams(self) -> Sequence[SwarmStream]:
        return tuple(stream for stream in self._streams or () if not stream.ended)

    def __repr__(self) -> str:
        return f"<{self._direction.value} connection with {self.remote_peer} at {self.remote_addr}>"

    # --- life

    async def serve(self) -> None:
        """Run it until it ends, with the handlers of the streams that the peer opens. It then is out of the table."""
        try:
            async with create_task_group() as tasks:
                self._tasks = tasks
                try:
                    await self._muxed.run(self._accept)
                except P2PError as error:
                    self._error = error
                finally:
                    self._tasks = None  # nothing starts from here on
                if self._inbound:
                    tasks.cancel_scope.cancel()
        finally:
            self._over = True
            self._streams = None
            self._context.on_end(self, self._error)
            if self._ended is not None:
                self._ended.set()

    async def aclose(self) -> None:
        await self._muxed.aclose()
        if not self._over:
            if self._ended is None:
                self._ended = Event()
            await self._ended.wait()

    # --- streams of ours

    async def open_stream(self, *protocols: str) -> SwarmStream:
        if not protocols:
            raise LocalProtocolError(
                'expected at least one protocol to open a stream for, such as "/echo/1.0.0", got none'
            )
        known = self._context.peerstore.protocols(self.remote_peer)
        for protocol in protocols:
            if isinstance(protocol, str) and protocol in known:  # pyright: ignore[reportUnnecessaryIsInstance]
                stream = SwarmStream.optimistic(self, await self._muxed.open_stream(), protocol)
                break
        else:
            stream = await self._open_negotiated(protocols)
        self._remember(stream)
        return stream

    async def _open_negotiated(self, protocols: Sequence[str]) -> SwarmStream:
        for protocol in protocols:
            check_protocol(protocol)
        timeout = self._context.config.negotiation_timeout
        muxed: MuxedStream | None = None
        try:
            with fail_after(timeout):
                muxed = await self._muxed.open_stream()
                protocol = await negotiate_outbound(muxed, protocols)
        except BaseException as error:
            if muxed is not None:
                muxed.reset()
            if isinstance(error, NegotiationError):
                raise NegotiationError(f"peer {self.remote_peer}: {error}", proposed=protocols) from error
            if isinstance(error, TimeoutError):
                text = (
                    f"peer {self.remote_peer} did not say within {timeout:g} s whether it speaks {', '.join(protocols)}"
                )
                raise NegotiationError(text, proposed=protocols) from error
            raise
        return SwarmStream(self, muxed, protocol, Direction.OUTBOUND)

    def refused(self, protocol: str) -> None:
        # The next stream is negotiated before it is used.
        peerstore = self._context.peerstore
        peerstore.set_protocols(self.remote_peer, peerstore.protocols(self.remote_peer) - {protocol})

    # --- streams of the peer

    def _accept(self, muxed: MuxedStream) -> None:
        limit = self._context.config.max_inbound_streams
        inbound = self._context.inbound
        if self._inbound >= limit:
            self._refuse(muxed, "inbound streams of one connection", limit, self._inbound)
        elif not inbound.admit(self._inbound):
            self._refuse(muxed, "inbound streams", inbound.limit, inbound.open)
        else:
            self._inbound += 1
            inbound.begin(self, muxed)

    def _refuse(self, muxed: MuxedStream, scope: str, limit: int, used: int) -> None:
        muxed.reset()
        self._context.bus.emit(LimitHit(scope, limit, used, self.remote_peer))

    def start(self, muxed: MuxedStream) -> None:
        """The turn of an inbound stream has come. It may be over by now, and so may the connection."""
        if self._tasks is None or muxed.ended:
            muxed.reset()
            self._release()
        else:
            self._tasks.start_soon(self._serve_stream, muxed, name="inbound stream")

    def _release(self) -> None:
        self._inbound -= 1
        self._context.inbound.release()

    async def _serve_stream(self, muxed: MuxedStream) -> None:
        try:
            if protocol := await self._negotiate(muxed):
                await self._handle(muxed, protocol)
        finally:
            self._release()

    async def _negotiate(self, muxed: MuxedStream) -> str | None:
        """The protocol of an inbound stream; None where there is none, and the stream is over."""
        overdue = self._context.overdue
        overdue.watch(muxed)
        try:
            return await negotiate_inbound(muxed, self._context.handlers)
        except NegotiationError as error:
            logger.debug("peer %s gave up on a stream: %s", self.remote_peer, error)
            await muxed.aclose()
        except _BROKEN as error:
            muxed.reset()
            self._tell_limit(error)
            logger.debug("peer %s opened a stream and agreed on no protocol: %s", self.remote_peer, error)
        finally:
            overdue.release(muxed)
        return None

    async def _handle(self, muxed: MuxedStream, protocol: str) -> None:
        peer = self.remote_peer
        registration = self._context.handlers.get(protocol)
        if registration is None or not registration.admit(peer):
            muxed.reset()
            if registration is not None and (limit := registration.max_streams_per_peer):
                self._context.bus.emit(LimitHit(f"inbound streams of one peer for {protocol}", limit, limit, peer))
            return
        stream = SwarmStream(self, muxed, protocol, Direction.INBOUND)
        self._remember(stream)
        try:
            await registration.handler(stream)
            await stream.aclose()
        except Exception as error:
            stream.reset()
            if self._tell_limit(error) or _is_peers_doing(error):
                logger.debug("%s of peer %s ended: %s", protocol, peer, error)
            else:
                logger.exception("the handler of %s failed with peer %s; the stream was reset", protocol, peer)
        except BaseException:
            stream.reset()
            raise
        finally:
            registration.release(peer)

    def _tell_limit(self, error: Exception) -> bool:
        """Whether it was a limit that ended a stream; then all are told."""
        if isinstance(error, LimitExceeded):
            self._context.bus.emit(LimitHit(error.scope, error.limit, error.used, self.remote_peer))
            return True
        return False

    # --- which streams there are

    def _remember(self, stream: SwarmStream) -> None:
        if self._over:
            raise ConnectionClosed(f"the connection with {self.remote_peer} has ended")
        streams = self._streams
        if streams is None:
            self._streams = {stream: None}
            return
        if len(streams) >= self._sweep_at:
            streams = self._streams = {known: None for known in streams if not known.ended}
            self._sweep_at = max(_SWEEP_AT, 2 * len(streams))
        streams[stream] = None

    def forget(self, stream: SwarmStream) -> None:
        if self._streams is not None:
            self._streams.pop(stream, None)
            if not self._streams:
                self._streams = None


def _is_peers_doing(error: Exception) -> bool:
    """Also where several tasks of a handler ended for it at once, as task groups say."""
    if isinstance(error, ExceptionGroup):
        return all(map(_is_peers_doing, cast("ExceptionGroup[Exception]", error).exceptions))
    return isinstance(error, _PEERS_DOING)
