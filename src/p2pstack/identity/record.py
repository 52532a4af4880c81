"""Peer records: the addresses of a peer, certified by its signature.

Source: libp2p specs, RFC 0003; domain and payload type as the implementations have them, which differ from the text.
"""

from dataclasses import dataclass

from multiaddr import Multiaddr

from p2pstack.errors import LocalProtocolError, RemoteProtocolError, SecurityError
from p2pstack.identity.address import parse_address
from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire.pb.peer_record_pb2 import PeerRecord as PeerRecordMessage
from p2pstack.wire.protobuf import parse

__all__ = ["DOMAIN", "MAX_ADDRS", "MAX_SIZE", "PAYLOAD_TYPE", "PeerRecord"]

#: what the signature of a peer record is for
DOMAIN = "libp2p-peer-record"
#: the multicodec libp2p-peer-record
PAYLOAD_TYPE = b"\x03\x01"
#: addresses in a record at most; more are skipped
MAX_ADDRS = 500
#: bytes in a record at most; a larger one is refused unparsed
MAX_SIZE = 64 * 1024


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """Where a peer says it can be reached."""

    #: whose addresses they are
    peer_id: PeerId
    #: higher in each new record of a peer; from 0 to 2**64 - 1
    seq: int
    #: none is fine
    addrs: tuple[Multiaddr, ...] = ()
    #: how many more addresses the message had: malformed, of unknown protocols, or beyond `MAX_ADDRS`
    skipped: int = 0

    def seal(self, key: PrivateKey) -> SignedEnvelope:
        """The record, signed.

        :param key: of the peer that the record is about
        :raises LocalProtocolError: the key is another peer's, or a figure is out of bounds
        """
        if key.peer_id != self.peer_id:
            raise LocalProtocolError(f"a record about {self.peer_id} must be signed by its key, not by {key.peer_id}'s")
        if not 0 <= self.seq < 1 << 64 or len(self.addrs) > MAX_ADDRS:
            raise LocalProtocolError(
                f"a peer record has a seq from 0 to 2**64 - 1 and at most {MAX_ADDRS} addresses, "
                f"not {self.seq} and {len(self.addrs)}"
            )
        message = PeerRecordMessage(peer_id=self.peer_id.to_bytes(), seq=self.seq)
        for addr in self.addrs:
            message.addresses.add(multiaddr=addr.to_bytes())
        return SignedEnvelope.seal(key, domain=DOMAIN, payload_type=PAYLOAD_TYPE, payload=message.SerializeToString())

    @classmethod
    def from_envelope(cls, envelope: SignedEnvelope) -> "PeerRecord":
        """The record in an envelope.

        :raises RemoteProtocolError: the payload is not a peer record, or one above `MAX_SIZE`
        :raises SecurityError: it is about another peer than the signer, or was not signed as a peer record
        """
        signer, payload = envelope.signer, envelope.payload
        if envelope.domain != DOMAIN:
            raise SecurityError(
                f"peer record of {signer}: expected to be signed for {DOMAIN!r}, not {envelope.domain!r}"
            )
        if envelope.payload_type != PAYLOAD_TYPE:
            got = envelope.payload_type[:16].hex()
            raise RemoteProtocolError(f"peer record of {signer}: expected payload type {PAYLOAD_TYPE.hex()}, got {got}")
        if len(payload) > MAX_SIZE:
            raise RemoteProtocolError(f"peer record of {signer}: expected at most {MAX_SIZE} bytes, got {len(payload)}")
        message = parse(PeerRecordMessage, payload, what="peer record", peer=signer)
        peer = PeerId.from_bytes(message.peer_id)
        if peer != signer:
            raise SecurityError(f"peer record: it is about {peer}, but was signed by {signer}")
        addrs: list[Multiaddr] = []
        for info in message.addresses[:MAX_ADDRS]:
            try:
                addrs.append(parse_address(info.multiaddr))
            except RemoteProtocolError:
                continue  # counted by what is missing
        return cls(peer, message.seq, tuple(addrs), skipped=len(message.addresses) - len(addrs))
