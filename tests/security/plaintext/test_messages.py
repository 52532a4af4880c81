"""The exchange's one message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import RemoteProtocolError, SecurityError
from p2pstack.identity.keys import PrivateKey
from p2pstack.security.plaintext.messages import MAX_MESSAGE, encode, parse_key
from p2pstack.wire import varint


def message_of(key) -> bytes:
    framed = encode(key)
    head = varint.decode(framed)
    assert head is not None
    assert head[0] == len(framed) - head[1]
    return framed[head[1] :]


@pytest.mark.parametrize("kind", ["ed25519", "secp256k1", "ecdsa", "rsa"])
def test_a_key_of_every_type_is_read_back(kind: str) -> None:
    key = PrivateKey.generate(kind).public_key
    assert parse_key(message_of(key)) == key
    assert len(encode(key)) < MAX_MESSAGE


def test_the_bytes_are_those_of_the_specification(alice) -> None:
    """Length, field 1: the multihash, field 2: the message of the key."""
    peer, key = alice.peer_id.to_bytes(), alice.public_key.to_protobuf()
    assert encode(alice.public_key) == b"\x4e" + b"\x0a\x26" + peer + b"\x12\x24" + key


def test_another_peers_id_is_refused(alice, bob) -> None:
    peer, key = alice.peer_id.to_bytes(), bob.public_key.to_protobuf()
    with pytest.raises(SecurityError, match=str(alice.peer_id)):
        parse_key(b"\x0a\x26" + peer + b"\x12\x24" + key)


def test_a_missing_id_or_key_is_refused(alice) -> None:
    for part in (b"\x0a\x26" + alice.peer_id.to_bytes(), b"\x12\x24" + alice.public_key.to_protobuf(), b""):
        with pytest.raises(RemoteProtocolError, match="peer id and a key"):
            parse_key(part)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused_with_an_error_of_their_kind(message: bytes) -> None:
    with pytest.raises((RemoteProtocolError, SecurityError)):
        parse_key(message)
