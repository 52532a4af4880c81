"""Private keys as PKCS#8 PEM: what OpenSSL and most other software reads and writes."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from p2pstack.errors import LocalProtocolError

__all__ = ["SigningKey", "dump", "load"]

SigningKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey


def dump(key: SigningKey, password: bytes | None) -> bytes:
    """`key` as PEM, encrypted where there is a password."""
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def load(pem: bytes, password: bytes | None) -> SigningKey:
    """The key in PEM.

    :raises LocalProtocolError: no key of a kind that peers have, or not with this password
    """
    try:
        key = load_pem_private_key(pem, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LocalProtocolError(f"expected a private key in PEM: {error}") from None
    if not isinstance(key, SigningKey):
        raise LocalProtocolError(f"expected an Ed25519, secp256k1, ECDSA or RSA key, got a {type(key).__name__}")
    return key
