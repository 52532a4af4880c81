"""Private keys in PEM: what OpenSSL and most other software reads and writes."""

from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from p2pstack.errors import LocalProtocolError
from p2pstack.identity.keys import KeyType

__all__ = ["dump", "load"]

_SupportedKey = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey


def dump(key_type: KeyType, raw: bytes, password: bytes | None) -> bytes:
    """A key, given as its type encodes it, as PKCS#8; encrypted where there is a password."""
    key: _SupportedKey
    match key_type:
        case KeyType.ED25519:
            key = Ed25519PrivateKey.from_private_bytes(raw[:32])
        case KeyType.SECP256K1:
            key = derive_private_key(int.from_bytes(raw, "big"), SECP256K1())
        case KeyType.ECDSA | KeyType.RSA:
            key = cast("_SupportedKey", load_der_private_key(raw, None))
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def load(pem: bytes, password: bytes | None) -> tuple[KeyType, bytes]:
    """The type of the key in `pem`, and the key as that type encodes it.

    :raises LocalProtocolError: not a key of a kind that peers have, or another password
    """
    try:
        key = load_pem_private_key(pem, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LocalProtocolError(f"expected a private key in PEM: {error}") from error
    match key:
        case Ed25519PrivateKey():
            return KeyType.ED25519, key.private_bytes_raw() + key.public_key().public_bytes_raw()
        case EllipticCurvePrivateKey(curve=SECP256K1()):
            return KeyType.SECP256K1, key.private_numbers().private_value.to_bytes(32, "big")
        case EllipticCurvePrivateKey():
            key_type = KeyType.ECDSA
        case RSAPrivateKey():
            key_type = KeyType.RSA
        case _:
            raise LocalProtocolError(f"expected an Ed25519, secp256k1, ECDSA or RSA key, got a {type(key).__name__}")
    return key_type, key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
