"""A veto at each stage of a connection's life."""

from multiaddr import Multiaddr

from p2pstack.abc.connection import Direction
from p2pstack.abc.transport import Endpoints
from p2pstack.identity.peer_id import PeerId

__all__ = ["ConnectionGater"]


class ConnectionGater:
    """Allows everything; override what you want to refuse. Every method is synchronous and returns whether to go on.

    ==================  ================================================================================
    stage               what is known
    ==================  ================================================================================
    `allow_dial_peer`   outbound, before anything happened
    `allow_dial_addr`   outbound, for each address, after names were resolved
    `allow_accept`      inbound, after the transport accepted, before a byte is spent
    `allow_upgraded`    both, after the handshake proved who the peer is, before anybody here may use it
    ==================  ================================================================================
    """

    def allow_dial_peer(self, peer: PeerId) -> bool:
        """Whether `peer` may be dialled at all."""
        return True

    def allow_dial_addr(self, peer: PeerId | None, addr: Multiaddr) -> bool:
        """Whether `peer` may be dialled at `addr`."""
        return True

    def allow_accept(self, endpoints: Endpoints) -> bool:
        """Whether a connection from there may be upgraded."""
        return True

    def allow_upgraded(self, direction: Direction, peer: PeerId, endpoints: Endpoints) -> bool:
        """Whether this connection may be used."""
        return True
