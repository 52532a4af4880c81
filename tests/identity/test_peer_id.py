"""Peer ids: their bytes, their texts, and the keys inside."""

import copy
import pickle
import random

import pytest
from base58 import b58encode
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.ed25519 import Ed25519PrivateKey
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.identity.peer_id import PeerId

#: one id in two texts, and another. Source: libp2p specs, peer-ids, examples
SHA256 = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
SHA256_CID = "bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe"
ED25519 = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"
#: an id and its base36 CID. Source: IPFS documentation, IPNS names
IPNS = "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8"

ids = st.one_of(
    st.binary(min_size=32, max_size=32).map(lambda digest: PeerId(b"\x12\x20" + digest)),
    st.binary(min_size=1, max_size=42).map(lambda message: PeerId(bytes((0, len(message))) + message)),
)


def base36(data: bytes) -> str:
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return "k" + digits


def test_the_specification_s_texts_are_one_id() -> None:
    peer = PeerId.parse(SHA256)
    assert PeerId.parse(SHA256_CID) == peer
    assert str(peer) == SHA256
    assert peer.to_cid() == SHA256_CID
    assert peer.public_key is None


def test_the_specification_s_ed25519_id_holds_its_key() -> None:
    peer = PeerId.parse(ED25519)
    assert str(peer) == ED25519
    assert peer.public_key is not None
    assert peer.public_key.type == KeyType.ED25519
    assert PeerId.from_public_key(peer.public_key) == peer


def test_a_name_of_ipns_is_an_id() -> None:
    peer = PeerId.parse(IPNS)
    assert peer.public_key is not None
    assert base36(b"\x01\x72" + peer.to_bytes()) == IPNS


def test_short_keys_are_their_own_id_and_long_ones_are_hashed(key: PrivateKey) -> None:
    peer = key.peer_id
    inline = key.type in (KeyType.ED25519, KeyType.SECP256K1)
    assert peer.to_bytes()[:2] == (bytes((0, len(key.public_key.to_protobuf()))) if inline else b"\x12\x20")
    assert peer.public_key == (key.public_key if inline else None)
    assert PeerId.from_bytes(peer.to_bytes()).public_key == (key.public_key if inline else None)
    assert str(peer).startswith({KeyType.ED25519: "12D3KooW", KeyType.SECP256K1: "16Uiu2HA"}.get(key.type, "Qm"))


def test_the_id_of_a_key_is_the_one_object() -> None:
    key = Ed25519PrivateKey.from_seed(bytes(32))
    assert key.peer_id is key.public_key.peer_id
    assert key.peer_id.public_key is key.peer_id.public_key


@given(ids)
def test_an_id_survives_all_its_texts(peer: PeerId) -> None:
    cid = b"\x01\x72" + peer.to_bytes()
    for text in (str(peer), peer.to_cid(), base36(cid), "z" + b58encode(cid).decode()):
        assert PeerId.parse(text) == peer
    assert PeerId.from_bytes(peer.to_bytes()) == peer
    assert PeerId.from_bytes(bytearray(peer.to_bytes())) == peer


@given(st.lists(ids))
def test_ids_sort_by_their_bytes(peers: list[PeerId]) -> None:
    assert [peer.to_bytes() for peer in sorted(peers)] == sorted(peer.to_bytes() for peer in peers)


def test_ids_compare_with_ids_only() -> None:
    one, two = PeerId.parse(ED25519), PeerId.parse(SHA256)
    assert one < two
    assert two >= one
    assert one != ED25519
    assert one != one.to_bytes()
    with pytest.raises(TypeError):
        assert one < "two"


def test_equal_ids_find_each_other() -> None:
    assert {PeerId.parse(SHA256): 1}[PeerId.parse(SHA256_CID)] == 1


def test_ids_can_be_copied_and_pickled() -> None:
    peer = PeerId.parse(ED25519)
    assert copy.deepcopy(peer) == peer
    assert pickle.loads(pickle.dumps(peer)) == peer
    assert hash(pickle.loads(pickle.dumps(peer))) == hash(peer)


def test_an_id_shows_its_text() -> None:
    assert repr(PeerId.parse(ED25519)) == f"<PeerId {ED25519}>"


@pytest.mark.parametrize(
    "multihash",
    [
        b"",
        b"\x00",
        b"\x00\x00",
        b"\x00\x02\x08",
        b"\x00\x02\x08\x01\x12",
        b"\x00\x2b" + bytes(43),
        b"\x12\x20" + bytes(31),
        b"\x12\x20" + bytes(33),
        b"\x12\x1f" + bytes(31),
        b"\x12\xa0\x00" + bytes(32),
        b"\x11\x14" + bytes(20),
        b"\x13\x20" + bytes(32),
        b"\x12\x20" + bytes(1_000_000),
    ],
    ids=lambda multihash: multihash[:4].hex() or "empty",
)
def test_other_bytes_are_no_id(multihash: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=f"got {len(multihash)} other bytes") as error:
        PeerId.from_bytes(multihash)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "Qm",
        "hello",
        SHA256[:-1],
        SHA256 + "1",
        SHA256 + "\n",
        " " + SHA256,
        SHA256.replace("S", "0"),
        "Qm" + "é" * 44,
        SHA256_CID[:-1],
        SHA256_CID + "=",
        "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
        "b",
        "k",
        "k!",
        "z",
        "z0",
        "f01720020",
        "/p2p/" + SHA256,
        "k\u0661\u0662",
        "1" * 94,
        "Q" * 1_000_000,
    ],
    ids=lambda text: text[:12] or "empty",
)
def test_other_texts_are_no_id(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="expected a peer id such as 12D3KooW") as error:
        PeerId.parse(text)
    assert len(str(error.value)) < 600


@given(st.text(max_size=100))
def test_any_text_is_an_id_or_the_caller_s_fault(text: str) -> None:
    try:
        peer = PeerId.parse(text)
    except LocalProtocolError:
        return
    assert PeerId.parse(str(peer)) == peer


@given(st.binary(max_size=50))
def test_any_bytes_are_an_id_or_the_peer_s_fault(data: bytes) -> None:
    try:
        peer = PeerId.from_bytes(data)
    except RemoteProtocolError:
        return
    assert peer.to_bytes() == data
    assert peer.public_key is None or peer.public_key.peer_id == peer


def test_an_id_that_holds_something_else_than_a_key_has_none() -> None:
    assert PeerId(b"\x00\x03abc").public_key is None


def test_an_id_that_holds_a_key_in_another_encoding_has_none() -> None:
    key = Ed25519PrivateKey.from_seed(bytes(32)).public_key
    twisted = b"\x12\x20" + key.raw + b"\x08\x01"
    peer = PeerId(bytes((0, len(twisted))) + twisted)
    assert peer != key.peer_id
    assert peer.public_key is None


def test_an_id_that_holds_a_point_uncompressed_is_too_long() -> None:
    message = b"\x08\x02\x12\x41\x04" + random.Random(1).randbytes(64)
    with pytest.raises(RemoteProtocolError):
        PeerId(bytes((0, len(message))) + message)
