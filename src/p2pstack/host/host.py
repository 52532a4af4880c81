"""`Host`: a node of a peer-to-peer network."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from random import Random, SystemRandom
from time import time
from typing import Self, overload

from anyio import AsyncContextManagerMixin, create_task_group
from multiaddr import Multiaddr

from p2pstack.abc.events import EventBus
from p2pstack.abc.gater import ConnectionGater
from p2pstack.abc.host import Handler, Target
from p2pstack.abc.host import Host as AbstractHost
from p2pstack.abc.muxer import StreamMuxer
from p2pstack.abc.peerstore import Peerstore
from p2pstack.abc.security import SecureTransport
from p2pstack.abc.service import Service
from p2pstack.abc.transport import Transport
from p2pstack.errors import LocalProtocolError
from p2pstack.host import defaults
from p2pstack.host.groups import ungrouped
from p2pstack.host.targets import parse_addr, parse_listen_addr, parse_peer, parse_target
from p2pstack.identity.address import with_peer
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.peerstore import MemoryPeerstore
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.connection import SwarmConnection
from p2pstack.swarm.resolver import Resolver
from p2pstack.swarm.stream import SwarmStream
from p2pstack.swarm.swarm import Swarm

__all__ = ["Host"]


class Host(AbstractHost, AsyncContextManagerMixin):
    """A node: `async with Host(...) as host:` starts all there is, and ends it. It can be entered once.

    Handlers may be added before that. Without `listen` it only dials. An exception within the block comes out as it is.

    :param listen: addresses to listen on; port 0 picks a free one
    :param key: the identity; a fresh Ed25519 key unless given
    :param transports: TCP and memory unless given
    :param security: makers of secure channels, the best first, each called with the key; Noise unless given
    :param muxers: the best first; yamux unless given
    :param services: run beside the default ones; one of the same class takes the place of a default one
    :param default_services: whether to run identify and ping
    :param announce: addresses to tell others of, beside those listened on: what a NAT or a proxy makes of them
    :param peerstore: in memory unless given
    :param gater: allows everything unless given
    :param resolver: of names in addresses; the system's unless given
    :param config: deadlines and limits
    :param random: source of all randomness but that of keys; the system's unless given
    :param clock: gives the seconds since 1970; the system's unless given
    :raises LocalProtocolError: an address is malformed
    """

    def __init__(
        self,
        *,
        listen: Iterable[Multiaddr | str] = (),
        key: PrivateKey | None = None,
        transports: Sequence[Transport] | None = None,
        security: Sequence[Callable[[PrivateKey], SecureTransport]] | None = None,
        muxers: Sequence[StreamMuxer] | None = None,
        services: Sequence[Service] = (),
        default_services: bool = True,
        announce: Iterable[Multiaddr | str] = (),
        peerstore: Peerstore | None = None,
        gater: ConnectionGater | None = None,
        resolver: Resolver | None = None,
        config: SwarmConfig | None = None,
        random: Random | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        for name, value in (("listen", listen), ("announce", announce)):
            if isinstance(value, str | Multiaddr):
                raise LocalProtocolError(f"{name}: expected a list of addresses, got just {value!r}: put it in []")
        self._listen = [parse_listen_addr(addr) for addr in listen]
        self._announce = [parse_addr(addr)[0] for addr in announce]
        self._key = key or PrivateKey.generate()
        self._peerstore = peerstore or MemoryPeerstore()
        self._random = random or SystemRandom()
        self._clock = clock
        given = {type(service) for service in services}
        standard = defaults.services() if default_services else ()
        self._services = [*(service for service in standard if type(service) not in given), *services]
        self._swarm = Swarm(
            self._key.peer_id,
            transports=defaults.transports() if transports is None else transports,
            security=[make(self._key) for make in (defaults.security() if security is None else security)],
            muxers=defaults.muxers() if muxers is None else muxers,
            peerstore=self._peerstore,
            gater=gater,
            resolver=resolver,
            config=config,
        )
        self._entered = False

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        if self._entered:
            raise LocalProtocolError("a host can be entered once: make a new one")
        self._entered = True
        with ungrouped(levels=2):
            async with self._swarm, create_task_group() as services:
                for service in self._services:
                    await services.start(service.run, self, name=f"service {type(service).__name__}")
                for addr in self._listen:
                    await self._swarm.listen(addr)
                yield self
                services.cancel_scope.cancel()

    @property
    def peer_id(self) -> PeerId:
        return self._key.peer_id

    @property
    def key(self) -> PrivateKey:
        return self._key

    @property
    def addrs(self) -> Sequence[Multiaddr]:
        addrs = dict.fromkeys((*self._announce, *self._swarm.addrs))
        return tuple(with_peer(addr, self.peer_id) for addr in addrs)

    @property
    def peerstore(self) -> Peerstore:
        return self._peerstore

    @property
    def events(self) -> EventBus:
        return self._swarm.events

    @property
    def random(self) -> Random:
        return self._random

    @property
    def clock(self) -> Callable[[], float]:
        return self._clock

    @property
    def protocols(self) -> Sequence[str]:
        return tuple(self._swarm.handlers)

    @property
    def connections(self) -> Sequence[SwarmConnection]:
        return tuple(self._swarm.table)

    @property
    def peers(self) -> Sequence[PeerId]:
        return self._swarm.table.peers

    def connections_to(self, peer: PeerId) -> Sequence[SwarmConnection]:
        return self._swarm.table.to(peer)

    @overload
    def handle(self, *protocols: str, max_streams_per_peer: int | None = None) -> Callable[[Handler], Handler]: ...
    @overload
    def handle(self, *protocols: str, handler: Handler, max_streams_per_peer: int | None = None) -> Handler: ...
    def handle(
        self, *protocols: str, handler: Handler | None = None, max_streams_per_peer: int | None = None
    ) -> Callable[[Handler], Handler] | Handler:
        self._swarm.handlers.check(protocols)

        def add(handler: Handler) -> Handler:
            self._swarm.handlers.add(protocols, handler, max_streams_per_peer=max_streams_per_peer)
            return handler

        return add if handler is None else add(handler)

    def unhandle(self, *protocols: str) -> None:
        self._swarm.handlers.remove(protocols)

    async def listen(self, addr: Multiaddr | str) -> Sequence[Multiaddr]:
        """Listen on one more address. The addresses that it came to, as in `addrs`.

        :raises LocalProtocolError: no transport here listens on such an address
        :raises ListenError: the address is taken, or is not of this machine
        """
        return tuple(with_peer(addr, self.peer_id) for addr in await self._swarm.listen(parse_listen_addr(addr)))

    async def connect(self, target: Target) -> SwarmConnection:
        peer, addrs = parse_target(target)
        return await self._swarm.connect(peer, addrs)

    async def open_stream(self, target: Target, *protocols: str) -> SwarmStream:
        if isinstance(target, SwarmConnection):
            return await target.open_stream(*protocols)
        peer, addrs = parse_target(target)
        return await self._swarm.open_stream(peer, addrs, protocols)

    async def disconnect(self, peer: PeerId | str) -> None:
        connections = self._swarm.table.to(parse_peer(peer))
        async with create_task_group() as closing:
            for connection in connections:
                closing.start_soon(connection.aclose)

    def __repr__(self) -> str:
        return f"<Host {self.peer_id}>"
