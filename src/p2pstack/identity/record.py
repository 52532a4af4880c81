"""Peer records: the addresses of a peer, certified by its signature.

Source: libp2p specs, RFC 0003; domain and payload type as all implementations have them.
"""

from dataclasses import dataclass

from multiaddr import Multiaddr

from p2pstack.errors import RemoteProtocolError, SecurityError
from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire.pb import peer_record_pb2
from p2pstack.wire.protobuf import parse

__all__ = ["DOMAIN", "MAX_ADDRS", "PAYLOAD_TYPE", "PeerRecord"]

#: what the signature of a peer record is for
DOMAIN = "libp2p-peer-record"
#: the multicodec libp2p-peer-record
PAYLOAD_TYPE = b"\x03\x01"
#: addresses read from a record at most
MAX_ADDRS = 500


@dataclass(frozen=True, slots=True)
class PeerRecord:
    """Where a peer says it can be reached."""

    peer_id: PeerId
    #: grows with each record that a peer signs: of two, the higher is the newer
    seq: int
    #: may be empty
    addrs: tuple[Multiaddr, ...] = ()
    #: addresses that were in the record and are not here: not parsable, or beyond `MAX_ADDRS`
    skipped: int = 0

    def seal(self, key: PrivateKey) -> SignedEnvelope:
        """The record, signed."""
        message = peer_record_pb2.PeerRecord(peer_id=self.peer_id.to_bytes(), seq=self.seq)
        for addr in self.addrs:
            message.addresses.add(multiaddr=addr.to_bytes())
        return SignedEnvelope.seal(key, domain=DOMAIN, payload_type=PAYLOAD_TYPE, payload=message.SerializeToString())

    @classmethod
    def from_envelope(cls, envelope: SignedEnvelope) -> "PeerRecord":
        """The record in an envelope.

        :raises RemoteProtocolError: the payload is no peer record
        :raises SecurityError: it is about another peer than the signer
        """
        message = parse(peer_record_pb2.PeerRecord, envelope.payload, what="peer record", peer=envelope.signer)
        peer = PeerId.from_bytes(message.peer_id)
        if peer != envelope.signer:
            raise SecurityError(f"peer record: it is about {peer}, but was signed by {envelope.signer}")
        addrs: list[Multiaddr] = []
        for info in message.addresses[:MAX_ADDRS]:
            try:
                addrs.append(Multiaddr(info.multiaddr))
            except ValueError:
                continue
        return cls(peer, message.seq, tuple(addrs), len(message.addresses) - len(addrs))
