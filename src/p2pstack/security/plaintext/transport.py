"""`Plaintext`: the exchange over a stream."""

from collections.abc import Sequence

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.exchange import Exchange
from p2pstack.abc.security import SecureTransport
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.negotiation.optimistic import Optimistic
from p2pstack.negotiation.select import conduct
from p2pstack.security.plaintext.channel import PlaintextChannel
from p2pstack.security.plaintext.handshake import Handshake

__all__ = ["Plaintext"]


class Plaintext(SecureTransport):
    """Makes channels that are open to everybody, for tests. The muxer is always negotiated on the channel.

    :param identity: who this side says it is
    """

    def __init__(self, identity: PrivateKey) -> None:
        self._key = identity.public_key

    @property
    def protocol(self) -> str:
        return "/plaintext/2.0.0"

    async def secure_outbound(
        self,
        stream: RawStream,
        *,
        peer: PeerId | None,
        muxers: Sequence[str] = (),
        proposal: Exchange[object] | None = None,
    ) -> PlaintextChannel:
        handshake = Handshake(self._key, expected=peer)
        key = await conduct(stream, handshake if proposal is None else Optimistic(proposal, handshake))
        return PlaintextChannel(stream, key)

    async def secure_inbound(self, stream: RawStream, *, muxers: Sequence[str] = ()) -> PlaintextChannel:
        return PlaintextChannel(stream, await conduct(stream, Handshake(self._key)))
