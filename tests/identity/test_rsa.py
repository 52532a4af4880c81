"""RSA keys: how large they may be, and that a bad one costs nothing."""

import random
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey
from p2pstack.identity.rsa import RsaPrivateKey, RsaPublicKey


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(number: int) -> bytes:
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def pkix(modulus: int, exponent: int = 65_537) -> bytes:
    algorithm = der(0x30, der(0x06, bytes.fromhex("2a864886f70d010101")) + der(0x05, b""))
    return der(0x30, algorithm + der(0x03, b"\x00" + der(0x30, integer(modulus) + integer(exponent))))


def modulus(bits: int) -> int:
    """An odd number of so many bits: nobody can tell that it is no product of two primes."""
    return random.Random(bits).getrandbits(bits) | 1 << (bits - 1) | 1


@pytest.mark.parametrize("bits", [2_048, 3_072, 4_096, 8_192])
def test_keys_from_2048_to_8192_bits_are_read(bits: int) -> None:
    raw = pkix(modulus(bits))
    assert RsaPublicKey.from_raw(raw).raw == raw


def test_the_largest_key_with_the_largest_exponent_is_read() -> None:
    raw = pkix(modulus(8_192), 2**31 - 1)
    assert RsaPublicKey.from_raw(raw).raw == raw


@pytest.mark.parametrize("bits", [1_024, 2_047])
def test_smaller_keys_are_refused(bits: int) -> None:
    with pytest.raises(RemoteProtocolError, match=r"RSA public key: expected .*"):
        RsaPublicKey.from_raw(pkix(modulus(bits)))


@pytest.mark.parametrize("bits", [8_193, 8_200, 16_384, 1_000_000])
def test_larger_keys_are_refused(bits: int) -> None:  # CVE-2023-39533: verifying with them kept a node busy
    with pytest.raises(RemoteProtocolError, match=r"RSA public key: expected .* 8192 bits"):
        RsaPublicKey.from_raw(pkix(modulus(bits)))


@pytest.mark.parametrize("exponent", [2**31 + 1, 2**64 + 1, modulus(2_047)])
def test_large_exponents_are_refused(exponent: int) -> None:
    with pytest.raises(RemoteProtocolError, match="exponent of at most 31 bits"):
        RsaPublicKey.from_raw(pkix(modulus(2_048), exponent))


@pytest.mark.parametrize("exponent", [0, 1, 2])
def test_exponents_that_make_no_key_are_refused(exponent: int) -> None:
    with pytest.raises(RemoteProtocolError, match="RSA public key"):
        RsaPublicKey.from_raw(pkix(modulus(2_048), exponent))


@pytest.mark.parametrize(
    "raw",
    [
        bytes.fromhex("30847fffffff"),  # CVE-2026-110789: a length beyond the end was walked byte by byte
        bytes.fromhex("3084ffffffff"),
        bytes.fromhex("30847fffffff300d06092a864886f70d0101010500"),
        pkix(modulus(2_048))[:19] + bytes.fromhex("03847fffffff"),
        pkix(modulus(2_048))[:-1],
        pkix(modulus(2_048)) + b"\x00",
        b"\x30\x80" * 500,
    ],
)
def test_malformed_structures_are_refused_at_once(raw: bytes) -> None:
    message = b"\x08\x00\x12" + bytes([len(raw) & 0x7F | 0x80, len(raw) >> 7]) + raw
    PublicKey.from_protobuf(b"\x08\x00\x12\xa6\x02" + pkix(modulus(2_048)))  # what is loaded once is loaded
    fastest = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        with pytest.raises(RemoteProtocolError, match="RSA public key"):
            PublicKey.from_protobuf(message)
        fastest = min(fastest, time.perf_counter() - start)
    assert fastest < 1


def test_keys_of_other_kinds_are_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    with pytest.raises(RemoteProtocolError, match="expected PKIX in DER"):
        RsaPublicKey.from_raw(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(LocalProtocolError, match="got a key of another type"):
        RsaPrivateKey.from_raw(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


@pytest.mark.parametrize("bits", [1_024, 2_040])
def test_private_keys_that_are_too_small_are_refused(bits: int) -> None:
    key = rsa.generate_private_key(65_537, bits)
    with pytest.raises(LocalProtocolError, match=f"2048 to 8192 bits, got {bits}"):
        RsaPrivateKey.from_raw(key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()))


def test_private_keys_that_are_too_large_are_refused_unparsed() -> None:
    with pytest.raises(LocalProtocolError, match="at most 8192 bits, got 5001 bytes"):
        RsaPrivateKey.from_raw(bytes(5_001))


def test_a_fresh_key_has_2048_bits() -> None:
    assert len(PrivateKey.generate(KeyType.RSA).sign(b"data")) * 8 == 2_048
