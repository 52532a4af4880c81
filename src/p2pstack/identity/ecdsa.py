"""ECDSA keys on the NIST curves.

Source: libp2p specs, peer-ids, "ECDSA". Curves as in go-libp2p: P-224, P-256, P-384 and P-521.
"""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity import pem
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey

__all__ = ["EcdsaPrivateKey", "EcdsaPublicKey"]

_ALGORITHM = ec.ECDSA(SHA256())
_CURVES = (ec.SECP224R1, ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
#: a P-521 key has 158 bytes
_MAX_PUBLIC_SIZE = 256


class EcdsaPublicKey(PublicKey):
    """An ECDSA public key. `raw` is its PKIX structure (SubjectPublicKeyInfo) in DER."""

    __slots__ = ("_key",)

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        super().__init__(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        self._key = key

    @property
    def type(self) -> KeyType:
        return KeyType.ECDSA

    @classmethod
    def from_raw(cls, raw: bytes) -> "EcdsaPublicKey":
        """The key in a PKIX structure.

        :raises RemoteProtocolError: not one, or of a curve other than P-224, P-256, P-384 and P-521
        """
        try:
            if len(raw) > _MAX_PUBLIC_SIZE:
                raise ValueError(f"longer than {_MAX_PUBLIC_SIZE} bytes")
            key = load_der_public_key(raw)
            if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
                raise ValueError("not of a NIST curve")
        except (ValueError, UnsupportedAlgorithm) as error:
            raise RemoteProtocolError(
                f"ECDSA public key: expected PKIX in DER, got {len(raw)} bytes: {error}"
            ) from None
        return cls(key)

    def verify(self, data: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, data, _ALGORITHM)
        except InvalidSignature:
            return False
        return True


class EcdsaPrivateKey(PrivateKey):
    """An ECDSA private key. `raw` is its SEC 1 structure (ECPrivateKey) in DER."""

    __slots__ = ("_key", "_public_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._public_key = EcdsaPublicKey(key.public_key())

    @property
    def type(self) -> KeyType:
        return KeyType.ECDSA

    @classmethod
    def new(cls) -> "EcdsaPrivateKey":
        """A fresh random key on P-256."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_raw(cls, raw: bytes) -> "EcdsaPrivateKey":
        """The key in a SEC 1 structure.

        :raises LocalProtocolError: not one, or of a curve other than P-224, P-256, P-384 and P-521
        """
        try:
            key = load_der_private_key(raw, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise LocalProtocolError(f"ECDSA private key: expected SEC 1 in DER: {error}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, _CURVES):
            raise LocalProtocolError("ECDSA private key: expected one of a NIST curve")
        return cls(key)

    @property
    def public_key(self) -> EcdsaPublicKey:
        return self._public_key

    @property
    def raw(self) -> bytes:
        return self._key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, _ALGORITHM)

    def to_pem(self, *, password: bytes | None = None) -> bytes:
        return pem.dump(self._key, password)
