"""Signed envelopes."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalProtocolError, RemoteProtocolError, SecurityError
from p2pstack.identity.ed25519 import Ed25519PrivateKey
from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.keys import PrivateKey
from p2pstack.wire.pb.envelope_pb2 import Envelope

KEY = Ed25519PrivateKey.from_seed(bytes(32))
OTHER = Ed25519PrivateKey.from_seed(b"\x01" * 32)


def seal(domain: str = "domain", payload_type: bytes = b"/type", payload: bytes = b"payload") -> SignedEnvelope:
    return SignedEnvelope.seal(KEY, domain=domain, payload_type=payload_type, payload=payload)


@given(st.text(min_size=1), st.binary(), st.binary())
def test_an_envelope_survives_the_wire(domain: str, payload_type: bytes, payload: bytes) -> None:
    sealed = seal(domain, payload_type, payload)
    opened = SignedEnvelope.from_bytes(sealed.to_bytes(), domain=domain)
    assert opened == sealed
    assert opened.signer == KEY.peer_id
    assert (opened.payload_type, opened.payload) == (payload_type, payload)


def test_keys_of_every_type_seal(key: PrivateKey) -> None:
    sealed = SignedEnvelope.seal(key, domain="domain", payload_type=b"", payload=b"")
    assert SignedEnvelope.from_bytes(sealed.to_bytes(), domain="domain").public_key == key.public_key


def test_the_fields_and_the_signed_bytes_are_those_of_the_rfc() -> None:
    sealed = seal("domain", b"\x03\x01", bytes(200))
    signed = b"\x06domain" + b"\x02\x03\x01" + b"\xc8\x01" + bytes(200)
    assert KEY.public_key.verify(signed, sealed.signature)
    key = KEY.public_key.to_protobuf()
    assert sealed.to_bytes() == (
        b"\x0a\x24" + key + b"\x12\x02\x03\x01" + b"\x1a\xc8\x01" + bytes(200) + b"\x2a\x40" + sealed.signature
    )


def test_a_signature_for_one_domain_is_none_in_another() -> None:
    with pytest.raises(SecurityError, match=f"expected a signature by {KEY.peer_id} for 'other'"):
        SignedEnvelope.from_bytes(seal("domain").to_bytes(), domain="other")


def test_bytes_do_not_move_between_fields() -> None:
    sealed = seal("domain", b"type", b"payload")
    moved = dataclasses.replace(sealed, payload_type=b"typep", payload=b"ayload")
    with pytest.raises(SecurityError):
        SignedEnvelope.from_bytes(moved.to_bytes(), domain="domain")


@pytest.mark.parametrize(
    "change",
    [
        {"payload": b"other"},
        {"payload_type": b"other"},
        {"signature": bytes(64)},
        {"signature": b""},
        {"public_key": OTHER.public_key},
    ],
)
def test_nothing_of_it_can_be_changed(change: dict[str, bytes]) -> None:
    forged = dataclasses.replace(seal(), **change)
    with pytest.raises(SecurityError):
        SignedEnvelope.from_bytes(forged.to_bytes(), domain="domain")


def test_an_envelope_without_a_key_is_refused() -> None:
    data = Envelope(payload=b"payload", signature=bytes(64)).SerializeToString()
    with pytest.raises(RemoteProtocolError, match="public key"):
        SignedEnvelope.from_bytes(data, domain="domain")


def test_a_signature_for_anything_is_not_made() -> None:
    with pytest.raises(LocalProtocolError, match="domain"):
        seal(domain="")


@given(st.binary(max_size=64))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises((RemoteProtocolError, SecurityError)):
        SignedEnvelope.from_bytes(data, domain="domain")


@given(st.integers(0), st.integers(0, 255))
def test_a_damaged_envelope_is_refused_or_the_same(place: int, byte: int) -> None:
    sealed = seal()
    damaged = bytearray(sealed.to_bytes())
    damaged[place % len(damaged)] = byte
    try:
        opened = SignedEnvelope.from_bytes(bytes(damaged), domain="domain")
    except (RemoteProtocolError, SecurityError):
        return
    assert opened == sealed
