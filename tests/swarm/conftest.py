"""Parts that stand in for the layers below: a muxed connection in memory, and transports that do as a test says."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
from anyio import Event
from multiaddr import Multiaddr

from p2pstack.abc.gater import ConnectionGater
from p2pstack.abc.muxer import MuxedConnection, MuxedStream
from p2pstack.abc.transport import Endpoints, Listener, Transport
from p2pstack.abc.upgrader import Upgrader
from p2pstack.errors import ConnectionClosed
from p2pstack.identity.address import parse_text
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.dialer import Dialer
from p2pstack.swarm.resolver import NameLookup, Resolver

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
