"""All connections of a host, from the first dial to the last goodbye."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from anyio import AsyncContextManagerMixin, create_task_group, move_on_after
from anyio.abc import TaskGroup
from multiaddr import Multiaddr

from p2pstack.abc.connection import Direction
from p2pstack.abc.gater import ConnectionGater
from p2pstack.abc.muxer import MuxedConnection, StreamMuxer
from p2pstack.abc.peerstore import Peerstore
from p2pstack.abc.security import SecureTransport
from p2pstack.abc.transport import Endpoints, Transport
from p2pstack.errors import ConnectionClosed, DialError, LocalProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.connection import ConnectionContext, SwarmConnection
from p2pstack.swarm.dialer import Dialer
from p2pstack.swarm.dials import SharedDials
from p2pstack.swarm.events import Bus
from p2pstack.swarm.handlers import Handlers
from p2pstack.swarm.inbound import InboundStreams
from p2pstack.swarm.listeners import Listeners
from p2pstack.swarm.overdue import OverdueStreams
from p2pstack.swarm.resolver import Resolver
from p2pstack.swarm.stream import SwarmStream
from p2pstack.swarm.table import ConnectionTable
from p2pstack.swarm.upgrader import ConnectionUpgrader

__all__ = ["Swarm"]


@dataclass(slots=True)
class _Running:
    """What there is while the swarm runs."""

    tasks: TaskGroup
    dials: SharedDials
    listeners: Listeners


class Swarm(AsyncContextManagerMixin):
    """Dials, listens, and keeps the connections. Entered once, as an async context manager; leaving it closes all.

    :param local_peer: who we are
    :param transports: asked in this order which of them dials or listens on an address
    :param security: the best first
    :param muxers: the best first
    """

    def __init__(
        self,
        local_peer: PeerId,
        *,
        transports: Sequence[Transport],
        security: Sequence[SecureTransport],
        muxers: Sequence[StreamMuxer],
        peerstore: Peerstore,
        gater: ConnectionGater | None = None,
        resolver: Resolver | None = None,
        config: SwarmConfig | None = None,
    ) -> None:
        self._local_peer = local_peer
        self._transports = tuple(transports)
        self._config = config or SwarmConfig()
        self._gater = gater or ConnectionGater()
        self._peerstore = peerstore
        self._upgrader = ConnectionUpgrader(security=security, muxers=muxers)
        self._dialer = Dialer(
            local_peer,
            transports=self._transports,
            upgrader=self._upgrader,
            resolver=resolver or Resolver(),
            gater=self._gater,
            config=self._config,
        )
        self.events = Bus()
        self.handlers = Handlers(self.events)
        self.table = ConnectionTable(self._config, self.events, peerstore)
        self._context = ConnectionContext(
            config=self._config,
            handlers=self.handlers,
            peerstore=peerstore,
            bus=self.events,
            inbound=InboundStreams(self._config.max_inbound_streams_in_all),
            overdue=OverdueStreams(self._config.negotiation_timeout),
            on_end=self.table.remove,
        )
        self._running: _Running | None = None
        self._finished = False

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator["Swarm"]:
        try:
            async with create_task_group() as tasks:
                tasks.start_soon(self._context.overdue.run, name="overdue streams")
                tasks.start_soon(self._context.inbound.run, name="inbound streams")
                self._running = _Running(
                    tasks,
                    SharedDials(tasks, self._dialer, admit=self._admit, bus=self.events),
                    Listeners(
                        tasks,
                        transports=self._transports,
                        upgrader=self._upgrader,
                        gater=self._gater,
                        table=self.table,
                        admit=self._admit,
                        bus=self.events,
                        config=self._config,
                    ),
                )
                try:
                    yield self
                finally:
                    running, self._running, self._finished = self._running, None, True
                    running.dials.close()
                    with move_on_after(self._config.close_timeout, shield=True):
                        await running.listeners.aclose()
                        async with create_task_group() as closing:
                            for connection in self.table:
                                closing.start_soon(connection.aclose)
                    tasks.cancel_scope.cancel()
        finally:
            self.events.close()

    @property
    def addrs(self) -> Sequence[Multiaddr]:
        """The addresses listened on, without peer id."""
        return self._running.listeners.addrs if self._running is not None else ()

    @property
    def pending(self) -> int:
        """How many inbound connections are not upgraded yet."""
        return self._running.listeners.pending if self._running is not None else 0

    async def listen(self, addr: Multiaddr) -> Sequence[Multiaddr]:
        """Listen on `addr`; as `Listeners.listen`."""
        return await self._require_running().listeners.listen(addr)

    async def connect(self, peer: PeerId | None, addrs: Sequence[Multiaddr]) -> SwarmConnection:
        """The connection to a peer: one that is there, or a new one.

        :param peer: who is wanted; None: whoever is at one of `addrs`
        :param addrs: tried beside those the peerstore knows; may hold names, and may end in `/p2p`
        :raises P2PError: as `Dialer.dial`
        """
        running = self._require_running()
        if peer == self._local_peer:
            raise LocalProtocolError(f"{peer} is our own peer id: connect to another peer")
        existing = self.table.best(peer) if peer is not None else self._connection_at(addrs)
        if existing is not None:
            return existing
        self.table.check_room(peer)
        if peer is not None:
            addrs = tuple(dict.fromkeys((*addrs, *self._peerstore.addrs(peer))))
        return await running.dials.connect(peer, addrs)

    async def open_stream(
        self, peer: PeerId | None, addrs: Sequence[Multiaddr], protocols: Sequence[str]
    ) -> SwarmStream:
        """A new stream over the connection that `connect` gives. One that just ended is replaced, once."""
        connection = await self.connect(peer, addrs)
        try:
            return await connection.open_stream(*protocols)
        except ConnectionClosed:
            if self._finished:
                raise
        connection = await self.connect(peer, addrs)
        return await connection.open_stream(*protocols)

    def _connection_at(self, addrs: Sequence[Multiaddr]) -> SwarmConnection | None:
        """A connection of ours to one of some addresses, of which nobody says whose they are."""
        for connection in self.table:
            if connection.remote_addr in addrs and connection.direction is Direction.OUTBOUND and not connection.closed:
                return connection
        return None

    def _admit(self, muxed: MuxedConnection, endpoints: Endpoints, direction: Direction) -> SwarmConnection:
        peer = muxed.remote_peer
        if peer == self._local_peer:
            raise LocalProtocolError(f"the connection at {endpoints.remote} is one with ourselves")
        if not self._gater.allow_upgraded(direction, peer, endpoints):
            raise DialError(f"the connection gater refuses the connection with peer {peer} at {endpoints.remote}")
        connection = SwarmConnection(muxed, endpoints, direction, self._context)
        self.table.add(connection)
        return connection

    def _require_running(self) -> _Running:
        if self._running is None:
            if self._finished:
                raise LocalProtocolError("the host has ended: make a new one")
            raise LocalProtocolError("the host is not running: use it within `async with host:`")
        return self._running
