"""Private keys in PEM."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from p2pstack.errors import LocalProtocolError
from p2pstack.identity.keys import PrivateKey


def test_a_key_survives_pem(key: PrivateKey) -> None:
    pem = key.to_pem()
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert PrivateKey.from_pem(pem) == key
    assert PrivateKey.from_pem(pem).type == key.type


def test_a_key_survives_encryption_with_its_password_only(key: PrivateKey) -> None:
    pem = key.to_pem(password=b"secret")
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    assert PrivateKey.from_pem(pem, password=b"secret") == key
    for password in (None, b"other"):
        with pytest.raises(LocalProtocolError, match="expected a private key in PEM"):
            PrivateKey.from_pem(pem, password=password)


def test_openssl_reads_what_is_written(key: PrivateKey, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    file = tmp_path / "key.pem"
    file.write_bytes(key.to_pem())
    subprocess.run([openssl, "pkey", "-in", file, "-noout", "-check"], check=True, capture_output=True)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP256K1()])
def test_the_older_form_of_a_type_is_read(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert pem.startswith(b"-----BEGIN EC PRIVATE KEY-----")
    assert PrivateKey.from_pem(pem).to_pem() == key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("pem", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(pem: bytes) -> None:
    with pytest.raises(LocalProtocolError, match="expected a private key in PEM"):
        PrivateKey.from_pem(pem)


def test_a_key_of_a_kind_that_no_peer_has_is_refused() -> None:
    pem = ed448.Ed448PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(LocalProtocolError, match="expected an Ed25519, secp256k1, ECDSA or RSA key"):
        PrivateKey.from_pem(pem)
