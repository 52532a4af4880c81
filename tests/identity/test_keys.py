"""What holds for keys of every type."""

import copy
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.ed25519 import Ed25519PublicKey
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey
from p2pstack.wire import varint

TYPES = st.sampled_from(list(KeyType))


def message(key_type: int, data: bytes) -> bytes:
    return b"\x08" + varint.encode(key_type) + b"\x12" + varint.encode(len(data)) + data


def test_the_specification_s_keys_are_read_and_written(key_type: KeyType, key_vector) -> None:
    key = PrivateKey.from_protobuf(key_vector.private)
    assert key.type == key.public_key.type == key_type
    assert key.to_protobuf() == key_vector.private
    assert key.public_key.to_protobuf() == key_vector.public
    assert PublicKey.from_protobuf(key_vector.public) == key.public_key


def test_signatures_of_go_libp2p_verify(signature_vector) -> None:
    key = PublicKey.from_protobuf(signature_vector.public)
    assert key.verify(signature_vector.message, signature_vector.signature)
    assert not key.verify(signature_vector.message + b"?", signature_vector.signature)
    assert PrivateKey.from_protobuf(signature_vector.private).public_key == key


def test_a_signature_holds_for_its_data_and_key_only(key: PrivateKey, key_type: KeyType) -> None:
    signature = key.sign(b"data")
    assert key.public_key.verify(b"data", signature)
    assert not key.public_key.verify(b"other", signature)
    assert not PrivateKey.generate(key_type).public_key.verify(b"data", signature)
    for place in range(len(signature)):
        forged = bytearray(signature)
        forged[place] ^= 0x01
        assert not key.public_key.verify(b"data", bytes(forged))


@pytest.mark.parametrize(
    "signature", [b"", b"\x00", bytes(64), bytes(63), bytes(65), bytes(512), b"\xff" * 64], ids=len
)
def test_what_is_no_signature_does_not_verify(key: PrivateKey, signature: bytes) -> None:
    assert not key.public_key.verify(b"data", signature)


def test_nothing_can_be_signed(key: PrivateKey) -> None:
    assert key.public_key.verify(b"", key.sign(b""))


def test_generated_keys_differ_and_survive_both_encodings(key_type: KeyType) -> None:
    key, other = PrivateKey.generate(key_type), PrivateKey.generate(key_type.name.lower())
    assert key != other
    assert key.public_key != other.public_key
    assert PrivateKey.from_protobuf(key.to_protobuf()) == key
    assert PublicKey.from_protobuf(key.public_key.to_protobuf()) == key.public_key
    assert PrivateKey.from_protobuf(key.to_protobuf()).public_key.verify(b"data", key.sign(b"data"))


def test_keys_are_ed25519_unless_another_type_is_asked_for() -> None:
    assert PrivateKey.generate().type == KeyType.ED25519


@pytest.mark.parametrize("key_type", ["dsa", "", 4, -1])
def test_a_type_that_is_none_is_answered_with_those_there_are(key_type: str) -> None:
    with pytest.raises(LocalProtocolError, match="rsa, ed25519, secp256k1, ecdsa"):
        PrivateKey.generate(key_type)


def test_keys_compare_and_hash_by_value(key: PrivateKey) -> None:
    same = PrivateKey.from_protobuf(key.to_protobuf())
    assert same is not key
    assert (same, same.public_key) == (key, key.public_key)
    assert len({key, same}) == len({key.public_key, same.public_key}) == 1
    assert key != key.public_key
    assert key.public_key != key
    assert key.public_key != key.public_key.raw


def test_keys_of_two_types_differ_even_with_the_same_bytes() -> None:
    point = PrivateKey.generate(KeyType.SECP256K1).public_key
    assert Ed25519PublicKey(point.raw) != point


def test_public_keys_can_be_copied_and_pickled(key: PrivateKey) -> None:
    public = key.public_key
    assert copy.deepcopy(public) == public
    assert pickle.loads(pickle.dumps(public)) == public


def test_secrets_do_not_show(key: PrivateKey) -> None:
    assert str(key.peer_id) in repr(key) == str(key)
    assert key.raw.hex() not in repr(key)
    assert str(key.raw)[2:-1] not in repr(key)
    assert str(key.peer_id) in repr(key.public_key)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "expected a type and data"),
        (b"\x08\x01", "expected a type and data"),
        (b"\x12\x00", "expected a type and data"),
        (message(4, bytes(32)), "expected a type from 0 to 3, got 4"),
        (message(2**31 - 1, b""), "expected a type from 0 to 3"),
        (message(1, bytes(32))[:-1], "expected a protobuf message"),
        (b"\xff" * 40, "expected a protobuf message"),
    ],
)
def test_a_message_that_is_no_key_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"public key: {reason}"):
        PublicKey.from_protobuf(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "private key: expected a type and data"),
        (b"\xff", "private key: expected a protobuf message"),
        (message(4, b""), "got 4"),
        (message(0, b""), "RSA private key"),
        (message(1, b""), "Ed25519 private key"),
        (message(2, b""), "secp256k1 private key"),
        (message(3, b""), "ECDSA private key"),
    ],
)
def test_a_file_that_is_no_key_is_the_user_s_to_mend(data: bytes, reason: str) -> None:
    with pytest.raises(LocalProtocolError, match=reason):
        PrivateKey.from_protobuf(data)


def test_another_encoding_of_a_key_is_the_same_key(key: PrivateKey, key_type: KeyType) -> None:
    raw = key.public_key.raw
    data = b"\x12" + varint.encode(len(raw)) + raw
    type_first, type_last, type_long = b"\x08%c" % key_type, b"\x08%c" % key_type, b"\x08%c\x00" % (key_type | 0x80)
    for encoded in (type_first + data, data + type_last, type_long + data, type_first + data + b"\x18\x01"):
        assert PublicKey.from_protobuf(encoded).to_protobuf() == key.public_key.to_protobuf()


@given(st.one_of(st.binary(max_size=80), st.builds(message, TYPES, st.binary(max_size=120))))
@example(message(0, bytes.fromhex("30847fffffff")))
@example(message(3, bytes.fromhex("30847fffffff")))
@example(message(2, b"\x06" + bytes(64)))
@example(message(2, b"\x00"))
def test_any_bytes_are_a_public_key_or_a_protocol_error(data: bytes) -> None:
    try:
        key = PublicKey.from_protobuf(data)
    except RemoteProtocolError:
        return
    assert PublicKey.from_protobuf(key.to_protobuf()) == key
    assert not key.verify(b"data", bytes(64))


@given(key_type=TYPES, place=st.integers(0), byte=st.integers(0, 255), size=st.integers(0))
def test_a_damaged_key_is_a_key_or_a_protocol_error(
    vectors_public: dict[KeyType, bytes], key_type: KeyType, place: int, byte: int, size: int
) -> None:
    damaged = bytearray(vectors_public[key_type])
    damaged[place % len(damaged)] = byte
    del damaged[1 + size % len(damaged) :]
    test_any_bytes_are_a_public_key_or_a_protocol_error.hypothesis.inner_test(bytes(damaged))


@given(st.one_of(st.binary(max_size=80), st.builds(message, TYPES, st.binary(max_size=120))))
def test_any_file_is_a_private_key_or_the_user_s_to_mend(data: bytes) -> None:
    try:
        key = PrivateKey.from_protobuf(data)
    except LocalProtocolError:
        return
    assert key.public_key.verify(b"data", key.sign(b"data"))
