"""From a raw stream to a connection."""

from abc import ABC, abstractmethod

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.muxer import MuxedConnection
from p2pstack.identity.peer_id import PeerId

__all__ = ["Upgrader"]


class Upgrader(ABC):
    """Secures and multiplexes a raw stream. A transport that brings both of its own (QUIC) never calls it.

    The deadline is that of whoever dials or accepts: one for the whole, from the first packet on. An upgrade that is
    cancelled closes its stream."""

    @abstractmethod
    async def upgrade_outbound(self, stream: RawStream, *, peer: PeerId | None) -> MuxedConnection:
        """Upgrade a stream that this side dialled. Closes it on failure.

        :raises NegotiationError: no security protocol or muxer in common
        :raises SecurityError: the handshake failed
        :raises PeerIdMismatch: somebody other than `peer` answered
        """

    @abstractmethod
    async def upgrade_inbound(self, stream: RawStream) -> MuxedConnection:
        """Upgrade a stream that the other side dialled; as `upgrade_outbound`."""
