"""Signed envelopes: a payload that proves who wrote it, through whatever hands it came.

Source: libp2p specs, RFC 0002.
"""

from dataclasses import dataclass

from p2pstack.errors import LocalProtocolError, SecurityError
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb.envelope_pb2 import Envelope
from p2pstack.wire.protobuf import parse

__all__ = ["SignedEnvelope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedEnvelope:
    """A payload with a signature that holds: made by `seal` or `from_bytes`, never by hand."""

    #: whose signature it is
    public_key: PublicKey
    #: what the signature is for: it holds in no other domain
    domain: str
    #: what the payload is: a multicodec, or a path that begins with `/`
    payload_type: bytes
    #: what was signed
    payload: bytes
    #: over the domain, the payload's type and the payload
    signature: bytes

    @property
    def signer(self) -> PeerId:
        """The peer that signed."""
        return self.public_key.peer_id

    @classmethod
    def seal(cls, key: PrivateKey, *, domain: str, payload_type: bytes, payload: bytes) -> "SignedEnvelope":
        """Sign `payload`.

        :param domain: what the signature is for, such as `"libp2p-peer-record"`
        :param payload_type: a multicodec, or a path that begins with `/`
        :raises LocalProtocolError: the domain is empty
        """
        if not domain:
            raise LocalProtocolError("a signed envelope needs a domain, or its signature could be used for anything")
        return cls(
            public_key=key.public_key,
            domain=domain,
            payload_type=payload_type,
            payload=payload,
            signature=key.sign(_signed_bytes(domain, payload_type, payload)),
        )

    @classmethod
    def from_bytes(cls, data: bytes, *, domain: str) -> "SignedEnvelope":
        """The envelope in `data`, once its signature has been verified. Its payload may still be anything.

        :param domain: what the signature must be for
        :raises RemoteProtocolError: not an envelope, or with a key that is not acceptable
        :raises SecurityError: the signature is not the key's, or is for another domain
        """
        message = parse(Envelope, data, what="signed envelope")
        key = PublicKey.from_protobuf(message.public_key)
        payload_type, payload, signature = message.payload_type, message.payload, message.signature
        if not key.verify(_signed_bytes(domain, payload_type, payload), signature):
            raise SecurityError(f"signed envelope: expected a signature by {key.peer_id} for {domain!r}, got another")
        return cls(public_key=key, domain=domain, payload_type=payload_type, payload=payload, signature=signature)

    def to_bytes(self) -> bytes:
        """The envelope as it travels."""
        message = Envelope(
            public_key=self.public_key.to_protobuf(),
            payload_type=self.payload_type,
            payload=self.payload,
            signature=self.signature,
        )
        return message.SerializeToString()


def _signed_bytes(domain: str, payload_type: bytes, payload: bytes) -> bytes:
    return encode_frame(domain.encode()) + encode_frame(payload_type) + encode_frame(payload)
