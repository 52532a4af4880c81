"""The connections there are, by peer, and how many there may be."""

from collections.abc import Iterator, Sequence

from p2pstack.abc.connection import Direction
from p2pstack.abc.events import ConnectionEnded, ConnectionStarted, EventBus, LimitHit, PeerConnected, PeerDisconnected
from p2pstack.abc.peerstore import Peerstore
from p2pstack.errors import LimitExceeded
from p2pstack.identity.peer_id import PeerId
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.connection import SwarmConnection

__all__ = ["ConnectionTable"]


class ConnectionTable:
    """Knows every connection from when it may be used until it is gone, and tells the bus and the peerstore."""

    __slots__ = ("_bus", "_by_peer", "_config", "_peerstore", "_size")

    def __init__(self, config: SwarmConfig, bus: EventBus, peerstore: Peerstore) -> None:
        self._config = config
        self._bus = bus
        self._peerstore = peerstore
        self._by_peer: dict[PeerId, list[SwarmConnection]] = {}
        self._size = 0

    def add(self, connection: SwarmConnection) -> None:
        """Enter a connection.

        :raises LimitExceeded: there are as many as there may be, in all or to its peer
        """
        peer = connection.remote_peer
        self.check_room(peer)
        existing = self._by_peer.get(peer)
        if existing is not None and len(existing) >= self._config.max_connections_per_peer:
            raise self._refusal("connections to one peer", self._config.max_connections_per_peer, len(existing), peer)
        if existing is None:
            self._by_peer[peer] = [connection]
            self._peerstore.keep(peer)
        else:
            existing.append(connection)
        self._size += 1
        self._bus.emit(ConnectionStarted(connection))
        if existing is None:
            self._bus.emit(PeerConnected(peer))

    def check_room(self, peer: PeerId | None = None) -> None:
        """Nothing, where one more connection fits.

        :raises LimitExceeded: there are as many as there may be
        """
        if self._size >= self._config.max_connections:
            raise self._refusal("connections", self._config.max_connections, self._size, peer)

    def remove(self, connection: SwarmConnection, error: BaseException | None) -> None:
        """Take out a connection that was entered."""
        peer = connection.remote_peer
        remaining = self._by_peer[peer]
        remaining.remove(connection)
        self._size -= 1
        self._bus.emit(ConnectionEnded(connection, error))
        if not remaining:
            del self._by_peer[peer]
            self._peerstore.release(peer)
            self._bus.emit(PeerDisconnected(peer))

    def to(self, peer: PeerId) -> Sequence[SwarmConnection]:
        """The connections to a peer, best first: open before closing, outbound before inbound, old before new."""
        return sorted(self._by_peer.get(peer, ()), key=_rank)

    def best(self, peer: PeerId) -> SwarmConnection | None:
        """The connection to use, if there is one."""
        connections = self._by_peer.get(peer)
        if connections is None:
            return None
        best = connections[0] if len(connections) == 1 else min(connections, key=_rank)
        return None if best.closed else best

    @property
    def peers(self) -> Sequence[PeerId]:
        """The peers connected."""
        return tuple(self._by_peer)

    def __iter__(self) -> Iterator[SwarmConnection]:
        for connections in tuple(self._by_peer.values()):
            yield from tuple(connections)

    def __len__(self) -> int:
        return self._size

    def _refusal(self, scope: str, limit: int, used: int, peer: PeerId | None) -> LimitExceeded:
        self._bus.emit(LimitHit(scope, limit, used, peer))
        return LimitExceeded(scope, limit=limit, used=used, hint="close some, or raise the limit in SwarmConfig")


def _rank(connection: SwarmConnection) -> tuple[bool, bool, float]:
    return connection.closed, connection.direction is Direction.INBOUND, connection.opened_at
