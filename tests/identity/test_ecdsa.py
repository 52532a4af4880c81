"""ECDSA keys: which curves, and which structures."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.ecdsa import EcdsaPrivateKey, EcdsaPublicKey
from p2pstack.identity.keys import KeyType, PrivateKey


def pkix(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def sec1(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


@pytest.mark.parametrize("curve", [ec.SECP224R1(), ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_keys_of_the_nist_curves_are_read_and_sign(curve: ec.EllipticCurve) -> None:
    key = EcdsaPrivateKey.from_raw(sec1(ec.generate_private_key(curve)))
    public = EcdsaPublicKey.from_raw(key.public_key.raw)
    assert public.verify(b"data", key.sign(b"data"))
    assert PrivateKey.from_protobuf(key.to_protobuf()) == key


def test_a_fresh_key_is_on_p_256() -> None:
    key = PrivateKey.generate(KeyType.ECDSA)
    assert len(key.public_key.raw) == 91
    assert bytes.fromhex("06082a8648ce3d030107") in key.public_key.raw


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.BrainpoolP256R1()])
def test_keys_of_other_curves_are_refused(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    with pytest.raises(RemoteProtocolError, match=f"expected P-224, P-256, P-384 or P-521, got {curve.name}"):
        EcdsaPublicKey.from_raw(pkix(key.public_key()))
    with pytest.raises(LocalProtocolError, match="expected one on P-224, P-256, P-384 or P-521"):
        EcdsaPrivateKey.from_raw(sec1(key))


def test_keys_of_other_kinds_are_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(RemoteProtocolError, match="ECDSA public key: expected PKIX in DER"):
        EcdsaPublicKey.from_raw(public)
    with pytest.raises(LocalProtocolError, match="expected one on P-224"):
        EcdsaPrivateKey.from_raw(private)


def test_structures_are_bounded_before_they_are_parsed() -> None:
    with pytest.raises(RemoteProtocolError, match="at most 158 bytes, got 159"):
        EcdsaPublicKey.from_raw(bytes(159))


def test_a_structure_with_more_behind_it_is_refused() -> None:
    key = EcdsaPrivateKey.new()
    with pytest.raises(RemoteProtocolError):
        EcdsaPublicKey.from_raw(key.public_key.raw + b"\x00")
    with pytest.raises(LocalProtocolError):
        EcdsaPrivateKey.from_raw(b"\x30\x03\x02\x01\x01")
