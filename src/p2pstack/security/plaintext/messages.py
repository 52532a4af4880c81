"""The message that both sides send: their peer id and their key.

Source: libp2p specs, plaintext, "Messages".
"""

from p2pstack.errors import RemoteProtocolError, SecurityError
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb.plaintext_pb2 import Exchange
from p2pstack.wire.protobuf import parse

__all__ = ["MAX_MESSAGE", "encode", "parse_key"]

#: bytes of the longest message: an RSA key of 8,192 bits takes a quarter
MAX_MESSAGE = 4096


def encode(key: PublicKey) -> bytes:
    """The message of the peer whose key this is, behind its length."""
    return encode_frame(Exchange(id=key.peer_id.to_bytes(), pubkey=key.to_protobuf()).SerializeToString())


def parse_key(message: bytes) -> PublicKey:
    """The key in a message, given without its length.

    :raises RemoteProtocolError: no such message, or not an acceptable key in it
    :raises SecurityError: the peer id is not the key's
    """
    exchange = parse(Exchange, message, what="plaintext exchange")
    if not (exchange.HasField("id") and exchange.HasField("pubkey")):
        raise RemoteProtocolError("expected a peer id and a key in the plaintext exchange, got a message without")
    key = PublicKey.from_protobuf(exchange.pubkey)
    claimed = PeerId.from_bytes(exchange.id)
    if key.peer_id != claimed:
        raise SecurityError(f"expected the key of peer {claimed} in the plaintext exchange, got that of {key.peer_id}")
    return key
