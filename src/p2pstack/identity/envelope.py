"""Signed envelopes: a payload that says who signed it.

Source: libp2p specs, RFC 0002.
"""

from dataclasses import dataclass

from p2pstack.errors import SecurityError
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb import envelope_pb2
from p2pstack.wire.protobuf import parse

__all__ = ["SignedEnvelope"]


@dataclass(frozen=True, slots=True)
class SignedEnvelope:
    """A payload and a signature over it that has been verified: made by `seal` or `from_bytes` only."""

    #: who signed
    public_key: PublicKey
    #: what the payload is: the bytes of a multicodec
    payload_type: bytes
    #: what was signed
    payload: bytes
    #: the signer's, over the domain, the type and the payload
    signature: bytes

    @property
    def signer(self) -> PeerId:
        """The peer that signed."""
        return self.public_key.peer_id

    @classmethod
    def seal(cls, key: PrivateKey, *, domain: str, payload_type: bytes, payload: bytes) -> "SignedEnvelope":
        """Sign `payload`.

        :param domain: what the signature is for: it is worth nothing in another
        """
        signature = key.sign(_signed_bytes(domain, payload_type, payload))
        return cls(key.public_key, payload_type, payload, signature)

    @classmethod
    def from_bytes(cls, data: bytes, *, domain: str) -> "SignedEnvelope":
        """The envelope in `data`, its signature verified.

        :raises RemoteProtocolError: not an envelope, or with no acceptable key
        :raises SecurityError: the signature is not the key's, or is of another domain
        """
        message = parse(envelope_pb2.Envelope, data, what="signed envelope")
        key = PublicKey.from_protobuf(message.public_key)
        if not key.verify(_signed_bytes(domain, message.payload_type, message.payload), message.signature):
            raise SecurityError(f"signed envelope: the signature in domain {domain!r} is not that of {key.peer_id}")
        return cls(key, message.payload_type, message.payload, message.signature)

    open = from_bytes

    def to_bytes(self) -> bytes:
        """The envelope for the wire."""
        return envelope_pb2.Envelope(
            public_key=self.public_key.to_protobuf(),
            payload_type=self.payload_type,
            payload=self.payload,
            signature=self.signature,
        ).SerializeToString()


def _signed_bytes(domain: str, payload_type: bytes, payload: bytes) -> bytes:
    return encode_frame(domain.encode()) + encode_frame(payload_type) + encode_frame(payload)
