"""The table knows every connection, tells who comes and goes, and holds its limits."""

from collections.abc import Callable
from typing import Any

import pytest

from p2pstack.abc.connection import Direction
from p2pstack.abc.events import ConnectionEnded, ConnectionStarted, Event, LimitHit, PeerConnected, PeerDisconnected
from p2pstack.abc.transport import Endpoints
from p2pstack.errors import LimitExceeded
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.peerstore import MemoryPeerstore
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.connection import ConnectionContext, SwarmConnection
from p2pstack.swarm.events import Bus
from p2pstack.swarm.handlers import Handlers
from p2pstack.swarm.inbound import InboundStreams
from p2pstack.swarm.overdue import OverdueStreams
from p2pstack.swarm.table import ConnectionTable

Make = Callable[..., SwarmConnection]


class Parts:
    def __init__(self, **limits: int) -> None:
        self.bus = Bus()
        self.peerstore = MemoryPeerstore()
        self.table = ConnectionTable(SwarmConfig(**limits), self.bus, self.peerstore)


@pytest.fixture
def make(fake_muxed: Any, addrs: Any, peer: PeerId) -> Make:
    def make(parts: Parts, whom: PeerId = peer, direction: Direction = Direction.OUTBOUND) -> SwarmConnection:
        context = ConnectionContext(
            config=SwarmConfig(),
            handlers=Handlers(parts.bus),
            peerstore=parts.peerstore,
            bus=parts.bus,
            inbound=InboundStreams(1),
            overdue=OverdueStreams(1),
            on_end=parts.table.remove,
        )
        return SwarmConnection(fake_muxed(whom), Endpoints(addrs[0], addrs[1]), direction, context)

    return make


async def test_connections_and_peers_come_and_go_in_order(make: Make, peer: PeerId) -> None:
    parts = Parts()
    with parts.bus.subscribe(Event) as events:
        first, second = make(parts), make(parts)
        parts.table.add(first)
        parts.table.add(second)
        assert (len(parts.table), parts.table.peers, set(parts.table)) == (2, (peer,), {first, second})
        error = ConnectionResetError()
        parts.table.remove(first, error)
        parts.table.remove(second, None)
        assert [await anext(events) for _ in range(6)] == [
            ConnectionStarted(first),
            PeerConnected(peer),
            ConnectionStarted(second),
            ConnectionEnded(first, error),
            ConnectionEnded(second, None),
            PeerDisconnected(peer),
        ]
    assert (len(parts.table), parts.table.peers, list(parts.table), parts.table.to(peer)) == (0, (), [], [])


async def test_the_peerstore_holds_on_to_connected_peers(make: Make, peer: PeerId) -> None:
    parts = Parts()
    parts.peerstore = MemoryPeerstore(max_peers=1)
    parts.table = ConnectionTable(SwarmConfig(), parts.bus, parts.peerstore)
    connection = make(parts)
    parts.table.add(connection)
    stranger = PrivateKey.generate().peer_id
    parts.peerstore.set_agent_version(stranger, "other")
    assert peer in parts.peerstore.peers
    parts.table.remove(connection, None)
    parts.peerstore.set_agent_version(PrivateKey.generate().peer_id, "third")
    assert peer not in parts.peerstore.peers


async def test_a_peer_has_so_many_connections_and_no_more(make: Make, peer: PeerId, other: PeerId) -> None:
    parts = Parts()
    with parts.bus.subscribe(LimitHit) as events:
        for _ in range(8):
            parts.table.add(make(parts))
        with pytest.raises(
            LimitExceeded, match="connections to one peer: limit 8, used 8; close some, or raise the limit"
        ):
            parts.table.add(make(parts))
        assert await anext(events) == LimitHit("connections to one peer", 8, 8, peer)
    parts.table.add(make(parts, other))
    assert len(parts.table) == 9


async def test_there_are_so_many_connections_and_no_more(make: Make, peer: PeerId, other: PeerId) -> None:
    parts = Parts(max_connections=2)
    first = make(parts)
    parts.table.add(first)
    parts.table.check_room()
    parts.table.add(make(parts, other))
    with parts.bus.subscribe(LimitHit) as events:
        with pytest.raises(LimitExceeded, match="connections: limit 2, used 2"):
            parts.table.check_room()
        with pytest.raises(LimitExceeded):
            parts.table.add(make(parts))
        assert [await anext(events), await anext(events)] == [
            LimitHit("connections", 2, 2, None),
            LimitHit("connections", 2, 2, peer),
        ]
    parts.table.remove(first, None)
    parts.table.add(make(parts))


async def test_the_best_connection_is_open_ours_and_old(make: Make, peer: PeerId) -> None:
    parts = Parts()
    theirs, old, new = make(parts, direction=Direction.INBOUND), make(parts), make(parts)
    for age, connection in enumerate((theirs, old, new)):
        connection._opened_at = float(age)
        parts.table.add(connection)
    assert parts.table.to(peer) == [old, new, theirs]
    assert parts.table.best(peer) is old
    await old._muxed.aclose()
    assert parts.table.to(peer) == [new, theirs, old]
    assert parts.table.best(peer) is new


async def test_a_peer_whose_connections_are_all_closing_has_none_to_use(
    make: Make, peer: PeerId, other: PeerId
) -> None:
    parts = Parts()
    connection = make(parts)
    parts.table.add(connection)
    await connection._muxed.aclose()
    assert parts.table.best(peer) is None
    assert parts.table.best(other) is None
