"""`Noise`: the handshake over a stream."""

from collections.abc import Sequence

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.exchange import Exchange
from p2pstack.abc.security import SecureTransport
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.negotiation.optimistic import Optimistic
from p2pstack.negotiation.select import conduct
from p2pstack.security.noise.backend import Backend, KeySource, X25519KeyPair, random_key
from p2pstack.security.noise.channel import NoiseChannel
from p2pstack.security.noise.handshake import Handshake
from p2pstack.security.noise.payload import Credentials

__all__ = ["Noise"]


class Noise(SecureTransport):
    """Makes Noise channels for one identity. Its static key is made here, signed once, and never stored.

    :param identity: who this side proves to be
    :param key_source: gives 32 bytes for each X25519 key, at first the static one: for runs that shall be the same each
        time; the system's randomness unless given
    """

    def __init__(self, identity: PrivateKey, *, key_source: KeySource = random_key) -> None:
        self._backend = Backend(key_source)
        self._credentials = Credentials(identity, X25519KeyPair.from_private_bytes(key_source()))

    @property
    def protocol(self) -> str:
        return "/noise"

    async def secure_outbound(
        self,
        stream: RawStream,
        *,
        peer: PeerId | None,
        muxers: Sequence[str] = (),
        proposal: Exchange[object] | None = None,
    ) -> NoiseChannel:
        handshake = Handshake(self._credentials, backend=self._backend, initiator=True, expected=peer, muxers=muxers)
        session = await conduct(stream, handshake if proposal is None else Optimistic(proposal, handshake))
        return NoiseChannel(stream, session)

    async def secure_inbound(self, stream: RawStream, *, muxers: Sequence[str] = ()) -> NoiseChannel:
        handshake = Handshake(self._credentials, backend=self._backend, initiator=False, muxers=muxers)
        return NoiseChannel(stream, await conduct(stream, handshake))
