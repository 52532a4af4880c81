"""ECDSA keys on the NIST curves.

Source: libp2p specs, peer-ids, "ECDSA". The curves are those of go-libp2p; rust-libp2p knows P-256 alone.
"""

from typing import cast

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
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey

__all__ = ["EcdsaPrivateKey", "EcdsaPublicKey"]

_ALGORITHM = ec.ECDSA(SHA256())
_CURVES = (ec.SECP224R1, ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
#: PKIX of a P-521 key, the largest: what is longer is refused unparsed
_MAX_PUBLIC_SIZE = 158
#: the object identifier id-ecPublicKey, which begins within the first few bytes of PKIX
_ALGORITHM_ID = bytes.fromhex("06072a8648ce3d0201")
_ALGORITHM_PLACE = slice(4, 15)


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
        if len(raw) > _MAX_PUBLIC_SIZE:
            raise RemoteProtocolError(f"ECDSA public key: expected at most {_MAX_PUBLIC_SIZE} bytes, got {len(raw)}")
        try:
            if _ALGORITHM_ID not in raw[_ALGORITHM_PLACE]:
                raise ValueError("another algorithm")
            key = cast("ec.EllipticCurvePublicKey", load_der_public_key(raw))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise RemoteProtocolError(f"ECDSA public key: expected PKIX in DER, got {len(raw)} other bytes") from error
        if not isinstance(key.curve, _CURVES):
            raise RemoteProtocolError(f"ECDSA public key: expected P-224, P-256, P-384 or P-521, got {key.curve.name}")
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
            raise LocalProtocolError(f"ECDSA private key: expected SEC 1 in DER, got {len(raw)} other bytes") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, _CURVES):
            raise LocalProtocolError("ECDSA private key: expected one on P-224, P-256, P-384 or P-521, got another")
        return cls(key)

    @property
    def public_key(self) -> EcdsaPublicKey:
        return self._public_key

    @property
    def raw(self) -> bytes:
        return self._key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, _ALGORITHM)
