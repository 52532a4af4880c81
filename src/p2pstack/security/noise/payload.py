"""What the second and third message of the handshake carry: the identity key, its signature over the Noise static key,
and the muxers, best first.

Source: libp2p specs, noise, "The libp2p Handshake Payload" and "Noise Extensions".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from p2pstack.errors import SecurityError
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.security.noise.backend import X25519KeyPair
from p2pstack.wire.pb.noise_pb2 import NoiseExtensions, NoiseHandshakePayload
from p2pstack.wire.protobuf import parse

__all__ = ["MAX_MUXERS", "Credentials", "Payload", "verify"]

#: how many muxers a peer may offer; of a longer list nothing is believed
MAX_MUXERS = 100

_SIGNED_PREFIX = b"noise-libp2p-static-key:"


class Credentials:
    """What this side shows in each handshake: a static key, signed once by the identity."""

    __slots__ = ("_identity_key", "_signature", "static")

    def __init__(self, identity: PrivateKey, static: X25519KeyPair) -> None:
        self.static = static
        self._identity_key = identity.public_key.to_protobuf()
        self._signature = identity.sign(_SIGNED_PREFIX + static.public_bytes)

    def payload(self, muxers: Sequence[str]) -> bytes:
        """The payload that offers `muxers`."""
        return NoiseHandshakePayload(
            identity_key=self._identity_key,
            identity_sig=self._signature,
            extensions=NoiseExtensions(stream_muxers=muxers) if muxers else None,
        ).SerializeToString()


@dataclass(frozen=True, slots=True)
class Payload:
    """What the peer showed, and proved."""

    public_key: PublicKey
    muxers: tuple[str, ...]


def verify(data: bytes, static_key: bytes) -> Payload:
    """The payload of a peer whose Noise static key is `static_key`. Extensions that are not of this stack are passed
    over.

    :raises RemoteProtocolError: not such a payload, or not an acceptable key in it
    :raises SecurityError: the signature does not join the two keys
    """
    message = parse(NoiseHandshakePayload, data, what="payload of the Noise handshake")
    public_key = PublicKey.from_protobuf(message.identity_key)
    if not public_key.verify(_SIGNED_PREFIX + static_key, message.identity_sig):
        raise SecurityError(
            f"expected the signature of peer {public_key.peer_id} over the static key of this Noise handshake, "
            f"got {len(message.identity_sig)} bytes that are not: whoever sent them does not hold that peer's key"
        )
    muxers = message.extensions.stream_muxers
    return Payload(public_key, tuple(muxers) if len(muxers) <= MAX_MUXERS else ())
