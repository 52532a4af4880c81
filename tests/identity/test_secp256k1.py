"""secp256k1 keys: points, numbers, and which signatures are made and taken."""

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.secp256k1 import Secp256k1PrivateKey, Secp256k1PublicKey

FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
#: the base point, the public key of the number 1. Source: SEC 2, section 2.4.1
BASE_X = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798
BASE_Y = 0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8

ONE = (1).to_bytes(32, "big")
COMPRESSED = b"\x02" + BASE_X.to_bytes(32, "big")
UNCOMPRESSED = b"\x04" + BASE_X.to_bytes(32, "big") + BASE_Y.to_bytes(32, "big")


def test_the_public_key_is_a_compressed_point() -> None:
    key = Secp256k1PrivateKey.from_raw(ONE)
    assert key.raw == ONE
    assert key.public_key.raw == COMPRESSED


def test_an_uncompressed_point_is_the_same_key() -> None:
    key = Secp256k1PublicKey.from_raw(UNCOMPRESSED)
    assert key.raw == COMPRESSED
    assert PublicKey.from_protobuf(b"\x08\x02\x12\x41" + UNCOMPRESSED).to_protobuf() == b"\x08\x02\x12\x21" + COMPRESSED


@pytest.mark.parametrize(
    "point",
    [
        b"",
        b"\x00",
        COMPRESSED[:-1],
        COMPRESSED + b"\x00",
        UNCOMPRESSED[:-1],
        b"\x06" + UNCOMPRESSED[1:],
        b"\x05" + COMPRESSED[1:],
        UNCOMPRESSED[:-1] + b"\x00",
        b"\x02" + FIELD.to_bytes(32, "big"),
        b"\x02" + (5).to_bytes(32, "big"),
    ],
)
def test_what_is_no_point_of_the_curve_is_refused(point: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=f"expected a point, got {len(point)} other bytes"):
        Secp256k1PublicKey.from_raw(point)


@pytest.mark.parametrize("number", [0, ORDER, ORDER + 1, 2**256 - 1])
def test_a_number_outside_the_group_is_refused(number: int) -> None:
    with pytest.raises(LocalProtocolError, match="from 1 to below the curve's order"):
        Secp256k1PrivateKey.from_raw(number.to_bytes(32, "big"))


def test_the_largest_number_is_a_key() -> None:
    assert Secp256k1PrivateKey.from_raw((ORDER - 1).to_bytes(32, "big")).public_key.raw == b"\x03" + COMPRESSED[1:]


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_number_has_32_bytes(size: int) -> None:
    with pytest.raises(LocalProtocolError, match="expected 32 bytes"):
        Secp256k1PrivateKey.from_raw(b"\x01" * size)


def test_signatures_have_the_lower_s_and_the_higher_verifies_too() -> None:
    key = Secp256k1PrivateKey.from_raw(ONE)
    for n in range(16):  # of which the library below would have made half with the higher
        signature = key.sign(bytes([n]))
        r, s = decode_dss_signature(signature)
        assert s <= ORDER // 2
        assert key.public_key.verify(bytes([n]), signature)
        assert key.public_key.verify(bytes([n]), encode_dss_signature(r, ORDER - s))


@pytest.mark.parametrize(("r", "s"), [(0, 1), (1, 0), (0, 0), (ORDER, 1), (1, ORDER)])
def test_a_signature_of_numbers_outside_the_group_does_not_verify(r: int, s: int) -> None:
    assert not Secp256k1PublicKey.from_raw(COMPRESSED).verify(b"data", encode_dss_signature(r, s))
