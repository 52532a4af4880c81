"""What the handshake's messages carry."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import RemoteProtocolError, SecurityError
from p2pstack.identity.keys import PrivateKey
from p2pstack.security.noise.backend import X25519KeyPair
from p2pstack.security.noise.payload import MAX_MUXERS, Credentials, verify

STATIC = X25519KeyPair.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="module")
def field() -> Callable[[int, bytes], bytes]:
    def field(number: int, value: bytes) -> bytes:
        assert len(value) < 0x4000
        size = bytes([len(value)]) if len(value) < 0x80 else bytes([len(value) & 0x7F | 0x80, len(value) >> 7])
        return bytes([number << 3 | 2]) + size + value

    return field


@pytest.mark.parametrize("kind", ["ed25519", "secp256k1", "ecdsa", "rsa"])
def test_every_type_of_key_can_show_itself(kind: str) -> None:
    identity = PrivateKey.generate(kind)
    shown = verify(Credentials(identity, STATIC).payload(["/yamux/1.0.0", "/mplex/6.7.0"]), STATIC.public_bytes)
    assert shown.public_key == identity.public_key
    assert shown.muxers == ("/yamux/1.0.0", "/mplex/6.7.0")


def test_the_bytes_are_those_of_the_specification(alice: PrivateKey, field: Callable[[int, bytes], bytes]) -> None:
    signature = alice.sign(b"noise-libp2p-static-key:" + STATIC.public_bytes)
    expected = field(1, alice.public_key.to_protobuf()) + field(2, signature)
    credentials = Credentials(alice, STATIC)
    assert credentials.payload([]) == expected
    assert credentials.payload(["/yamux/1.0.0"]) == expected + field(4, field(2, b"/yamux/1.0.0"))


def test_a_replayed_key_and_signature_are_refused(alice: PrivateKey) -> None:
    """CVE-2022-24759: they are true, but of another static key."""
    replayed = Credentials(alice, STATIC).payload([])
    with pytest.raises(SecurityError, match="does not hold that peer's key"):
        verify(replayed, X25519KeyPair.from_private_bytes(bytes(32)).public_bytes)


@given(signature=st.binary(min_size=64, max_size=64))
def test_random_signatures_are_refused(
    alice: PrivateKey, field: Callable[[int, bytes], bytes], signature: bytes
) -> None:
    """RUSTSEC-2019-0004."""
    payload = field(1, alice.public_key.to_protobuf()) + field(2, signature)
    with pytest.raises(SecurityError):
        verify(payload, STATIC.public_bytes)


def test_a_missing_signature_or_key_is_refused(alice: PrivateKey, field: Callable[[int, bytes], bytes]) -> None:
    with pytest.raises(SecurityError, match="got 0 bytes"):
        verify(field(1, alice.public_key.to_protobuf()), STATIC.public_bytes)
    with pytest.raises(RemoteProtocolError):
        verify(field(2, alice.sign(b"noise-libp2p-static-key:" + STATIC.public_bytes)), STATIC.public_bytes)
    with pytest.raises(RemoteProtocolError):
        verify(b"", STATIC.public_bytes)


def test_a_huge_rsa_key_is_refused_before_it_is_used(field: Callable[[int, bytes], bytes]) -> None:
    """CVE-2023-39533: 8,200 bits, in the DER of a public key."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = RSAPublicNumbers(65_537, (1 << 8199) + 1).public_key()
    message = b"\x08\x00" + field(2, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(RemoteProtocolError, match=r"8,?192"):
        verify(field(1, message) + field(2, bytes(1025)), STATIC.public_bytes)


def test_a_length_in_a_key_that_points_beyond_it_is_refused(field: Callable[[int, bytes], bytes]) -> None:
    """CVE-2026-110789."""
    message = b"\x08\x00" + field(2, bytes.fromhex("30847fffffff"))
    with pytest.raises(RemoteProtocolError):
        verify(field(1, message) + field(2, bytes(256)), STATIC.public_bytes)


def test_extensions_of_other_stacks_are_passed_over(alice: PrivateKey, field: Callable[[int, bytes], bytes]) -> None:
    extensions = field(1, b"\x12\x20" + bytes(32)) + field(9, b"unheard of") + field(2, b"/yamux/1.0.0")
    payload = Credentials(alice, STATIC).payload([]) + field(4, extensions) + field(7, b"unheard of too")
    assert verify(payload, STATIC.public_bytes).muxers == ("/yamux/1.0.0",)


@pytest.mark.parametrize(("count", "kept"), [(MAX_MUXERS, MAX_MUXERS), (MAX_MUXERS + 1, 0)])
def test_of_too_many_muxers_none_is_believed(alice: PrivateKey, count: int, kept: int) -> None:
    """As in go-libp2p, so that both sides come to the same end."""
    payload = Credentials(alice, STATIC).payload([f"/muxer/{number}" for number in range(count)])
    assert len(verify(payload, STATIC.public_bytes).muxers) == kept


@given(payload=st.binary(max_size=300))
def test_any_bytes_are_refused_with_an_error_of_their_kind(payload: bytes) -> None:
    with pytest.raises((RemoteProtocolError, SecurityError)):
        verify(payload, STATIC.public_bytes)


@given(data=st.data())
def test_no_changed_byte_goes_unseen(alice: PrivateKey, data) -> None:
    payload = bytearray(Credentials(alice, STATIC).payload([]))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] ^= data.draw(st.integers(1, 255))
    try:
        shown = verify(bytes(payload), STATIC.public_bytes)
    except (RemoteProtocolError, SecurityError):
        return
    assert shown.public_key == alice.public_key
