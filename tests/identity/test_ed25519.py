"""Ed25519 keys: RFC 8032, and what libp2p's files add to it."""

import random

import pytest

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

#: seed, public key, message, signature. Source: RFC 8032, section 7.1, tests 1 to 3
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]

#: the order of the group that signatures live in
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032, ids=["test 1", "test 2", "test 3"])
def test_the_rfc_s_signatures(seed: str, public: str, message: str, signature: str) -> None:
    key = Ed25519PrivateKey.from_seed(bytes.fromhex(seed))
    assert key.seed.hex() == seed
    assert key.public_key.raw.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    assert key.public_key.verify(bytes.fromhex(message), bytes.fromhex(signature))


def test_the_same_seed_gives_the_same_key() -> None:
    assert Ed25519PrivateKey.from_seed(bytes(32)) == Ed25519PrivateKey.from_seed(bytearray(32))
    assert Ed25519PrivateKey.from_seed(bytes(32)) != Ed25519PrivateKey.from_seed(b"\x01" + bytes(31))


def test_random_signatures_do_not_verify() -> None:  # RUSTSEC-2019-0004: any 64 bytes were taken for a signature
    key = Ed25519PrivateKey.from_seed(bytes(32)).public_key
    bits = random.Random(1)
    assert not any(key.verify(b"data", bits.randbytes(64)) for _ in range(100))


def test_bytes_do_not_move_between_data_and_signature() -> None:
    key = Ed25519PrivateKey.from_seed(bytes(32))
    signature = key.sign(b"data")
    assert not key.public_key.verify(b"ata", signature + b"d")
    assert not key.public_key.verify(signature[-1:] + b"data", signature[:-1])


def test_of_the_scalars_that_fit_only_the_reduced_one_verifies() -> None:
    key = Ed25519PrivateKey.from_seed(bytes(32))
    signature = key.sign(b"data")
    scalar = int.from_bytes(signature[32:], "little")
    other = signature[:32] + (scalar + ORDER).to_bytes(32, "little")
    assert key.public_key.verify(b"data", signature)
    assert not key.public_key.verify(b"data", other)


@pytest.mark.parametrize(
    "point",
    [
        bytes(32),
        b"\x01" + bytes(31),
        b"\xec" + b"\xff" * 30 + b"\x7f",
        b"\xed" + b"\xff" * 30 + b"\x7f",
        b"\xff" * 32,
        b"\x02" + bytes(31),
    ],
    ids=["order 4", "neutral", "order 2", "p: not canonical", "beyond p", "not on the curve"],
)
def test_a_key_that_is_no_good_point_has_no_signatures(point: bytes) -> None:
    # With a point of small order as key, R = [s]B and any s would make a signature of everything.
    key = Ed25519PublicKey.from_raw(point)
    for signature in (bytes(64), b"\x01" + bytes(63), point + bytes(32)):
        assert not key.verify(b"data", signature)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_public_key_has_32_bytes(size: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"expected 32 bytes, got {size}"):
        Ed25519PublicKey.from_raw(bytes(size))


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(size: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"expected 32 bytes, got {size}"):
        Ed25519PrivateKey.from_seed(bytes(size))


def test_old_files_with_the_public_key_twice_are_read() -> None:
    key = Ed25519PrivateKey.from_seed(bytes(32))
    assert Ed25519PrivateKey.from_raw(key.raw + key.public_key.raw) == key
    assert Ed25519PrivateKey.from_raw(key.raw + key.public_key.raw).raw == key.raw


@pytest.mark.parametrize("place", [32, 63, 64, 95])
def test_a_file_whose_public_half_is_another_s_is_refused(place: int) -> None:
    key = Ed25519PrivateKey.from_seed(bytes(32))
    raw = bytearray(key.raw + key.public_key.raw)
    raw[place] ^= 1
    with pytest.raises(LocalProtocolError, match="public half"):
        Ed25519PrivateKey.from_raw(bytes(raw))
    if place < 64:
        with pytest.raises(LocalProtocolError, match="public half"):
            Ed25519PrivateKey.from_raw(bytes(raw[:64]))


@pytest.mark.parametrize("size", [0, 32, 63, 65, 95, 97])
def test_a_file_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(LocalProtocolError, match=f"expected 64 bytes, or 96 in old files, got {size}"):
        Ed25519PrivateKey.from_raw(bytes(size))
