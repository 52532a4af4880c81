"""Parts that stand in for the layers below (a muxed connection that carries nothing, transports that do as a test
says), and swarms made of real ones that reach each other in memory, with a raw peer that says what it likes."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import Event, create_task_group
from multiaddr import Multiaddr

from p2pstack.abc.gater import ConnectionGater
from p2pstack.abc.muxer import MuxedConnection, MuxedStream
from p2pstack.abc.transport import Endpoints, Listener, Transport
from p2pstack.abc.upgrader import Upgrader
from p2pstack.errors import ConnectionClosed
from p2pstack.identity.address import parse_text
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.muxers.yamux import Yamux
from p2pstack.peerstore import MemoryPeerstore
from p2pstack.security.noise import Noise
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.dialer import Dialer
from p2pstack.swarm.resolver import NameLookup, Resolver
from p2pstack.swarm.swarm import Swarm
from p2pstack.swarm.upgrader import ConnectionUpgrader
from p2pstack.transports.memory import Memory, MemoryNetwork

US, PEER, OTHER = (PrivateKey.generate() for _ in range(3))


class FakeMuxed(MuxedConnection):
    """A connection that carries nothing and lasts until it is closed or broken."""

    def __init__(self, key: PublicKey = PEER.public_key) -> None:
        self._key = key
        self._closed = False
        self._error: Exception | None = None
        self._over = Event()
        self.on_stream: Callable[[MuxedStream], None] | None = None

    @property
    def remote_peer(self) -> PeerId:
        return self._key.peer_id

    @property
    def remote_public_key(self) -> PublicKey:
        return self._key

    @property
    def security(self) -> str:
        return "/fake"

    @property
    def muxer(self) -> str:
        return "/fakemux"

    rtt = None
    bytes_sent = 0
    bytes_received = 0

    @property
    def closed(self) -> bool:
        return self._closed

    async def run(self, on_stream: Callable[[MuxedStream], None]) -> None:
        self.on_stream = on_stream
        await self._over.wait()
        if self._error is not None:
            raise self._error

    async def open_stream(self) -> MuxedStream:
        raise ConnectionClosed("a fake has no streams")

    def break_down(self, error: Exception) -> None:
        self._closed = True
        self._error = error
        self._over.set()

    async def aclose(self) -> None:
        self._closed = True
        self._over.set()


Outcome = Callable[[], Awaitable[MuxedConnection]]


class FakeTransport(Transport):
    """Dials what it has an outcome for, and notes the order."""

    def __init__(self) -> None:
        self.outcomes: dict[Multiaddr, Outcome] = {}
        self.dialled: list[Multiaddr] = []
        self.peers: list[PeerId | None] = []

    def on(self, addr: Multiaddr, outcome: Outcome) -> Multiaddr:
        self.outcomes[addr] = outcome
        return addr

    def can_dial(self, addr: Multiaddr) -> bool:
        return addr in self.outcomes

    def can_listen(self, addr: Multiaddr) -> bool:
        return False

    async def dial(
        self, addr: Multiaddr, *, upgrader: Upgrader, peer: PeerId | None = None
    ) -> tuple[MuxedConnection, Endpoints]:
        self.dialled.append(addr)
        self.peers.append(peer)
        return await self.outcomes[addr](), Endpoints(addr, addr)

    async def listen(self, addr: Multiaddr, *, upgrader: Upgrader) -> Listener:
        raise NotImplementedError


class FakeLookup(NameLookup):
    """A name service that knows what it is told, and counts the questions."""

    def __init__(self) -> None:
        self.hosts: dict[str, Sequence[str]] = {}
        self.records: dict[str, Sequence[str]] = {}
        self.questions = 0

    async def addresses(self, name: str, family: object) -> Sequence[str]:
        self.questions += 1
        if name not in self.hosts:
            raise OSError(f"{name} is unknown")
        return self.hosts[name]

    async def texts(self, name: str) -> Sequence[str]:
        self.questions += 1
        if name not in self.records:
            raise OSError(f"{name} is unknown")
        return self.records[name]


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def lookup() -> FakeLookup:
    return FakeLookup()


@pytest.fixture
def us() -> PrivateKey:
    return US


@pytest.fixture
def peer() -> PeerId:
    return PEER.peer_id


@pytest.fixture
def other() -> PeerId:
    return OTHER.peer_id


@pytest.fixture
def fake_muxed() -> Callable[..., FakeMuxed]:
    """Makes a connection with `peer`, `other` or us."""

    def make(whom: PeerId = PEER.peer_id) -> FakeMuxed:
        return FakeMuxed(next(key.public_key for key in (US, PEER, OTHER) if key.peer_id == whom))

    return make


@pytest.fixture
def make_dialer(transport: FakeTransport, lookup: FakeLookup) -> Callable[..., Dialer]:
    def make(*, gater: ConnectionGater | None = None, **limits: float) -> Dialer:
        return Dialer(
            US.peer_id,
            transports=[transport],
            upgrader=None,  # type: ignore[arg-type]
            resolver=Resolver(lookup),
            gater=gater or ConnectionGater(),
            config=SwarmConfig(**limits),  # type: ignore[arg-type]
        )

    return make


@pytest.fixture
def addrs() -> list[Multiaddr]:
    """Some addresses, in the order in which they are dialled."""
    return [parse_text(f"/ip4/10.0.0.{n}/tcp/1") for n in range(1, 5)]


@pytest.fixture
def network() -> MemoryNetwork:
    return MemoryNetwork()


@pytest.fixture
def new_swarm(network: MemoryNetwork) -> Callable[..., Swarm]:
    """Makes a swarm with Noise and yamux in the network of the test."""

    def make(key: PrivateKey | None = None, *, gater: ConnectionGater | None = None, **limits: Any) -> Swarm:
        key = key or PrivateKey.generate()
        return Swarm(
            key.peer_id,
            transports=[Memory(network=network)],
            security=[Noise(key)],
            muxers=[Yamux()],
            peerstore=MemoryPeerstore(),
            gater=gater,
            config=SwarmConfig(**limits),
        )

    return make


@pytest.fixture
def raw_peer(network: MemoryNetwork) -> Callable[..., Any]:
    """`async with raw_peer(number) as muxed`: a secure, multiplexed connection to whoever listens on `number`, by a
    peer that speaks for itself from there on. The streams it is opened come to `opened`."""

    @asynccontextmanager
    async def connect(
        number: int, *, key: PrivateKey = PEER, opened: Callable[[MuxedStream], None] = MuxedStream.reset
    ) -> AsyncGenerator[MuxedConnection]:
        upgrader = ConnectionUpgrader(security=[Noise(key)], muxers=[Yamux()])
        stream, _ = network.connect(number)
        muxed = await upgrader.upgrade_outbound(stream, peer=None)
        async with create_task_group() as tasks:
            tasks.start_soon(muxed.run, opened)
            yield muxed
            await muxed.aclose()

    return connect
