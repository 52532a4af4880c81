"""RSA keys: those of old peers.

From 2,048 to 8,192 bits, and public exponents of at most 31 bits: a peer chooses its key, and with it what verifying
its signatures costs (CVE-2023-39533). The bounds are go-libp2p's.

Source: libp2p specs, peer-ids, "RSA".
"""

from typing import cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
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

__all__ = ["RsaPrivateKey", "RsaPublicKey"]

_MIN_BITS = 2_048
_MAX_BITS = 8_192
_MAX_EXPONENT = (1 << 31) - 1
#: PKIX of a key at both upper bounds: what is longer is refused unparsed
_MAX_PUBLIC_SIZE = 1_063
#: the AlgorithmIdentifier of RSA, and where it stands in the PKIX of a key of such a size
_ALGORITHM = bytes.fromhex("300d06092a864886f70d0101010500")
_ALGORITHM_PLACE = slice(4, 19)
#: PKCS#1 of a private key of 8,192 bits, generously
_MAX_PRIVATE_SIZE = 5_000
_PADDING = PKCS1v15()
_HASH = SHA256()


class RsaPublicKey(PublicKey):
    """An RSA public key. `raw` is its PKIX structure (SubjectPublicKeyInfo) in DER."""

    __slots__ = ("_key",)

    def __init__(self, key: rsa.RSAPublicKey) -> None:
        super().__init__(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        self._key = key

    @property
    def type(self) -> KeyType:
        return KeyType.RSA

    @classmethod
    def from_raw(cls, raw: bytes) -> "RsaPublicKey":
        """The key in a PKIX structure.

        :raises RemoteProtocolError: not one, or of a size or an exponent out of bounds
        """
        if len(raw) > _MAX_PUBLIC_SIZE:
            raise RemoteProtocolError(f"RSA public key: expected at most {_MAX_BITS} bits, got {len(raw)} bytes")
        try:
            if raw[_ALGORITHM_PLACE] != _ALGORITHM:
                raise ValueError("another algorithm")
            key = cast("rsa.RSAPublicKey", load_der_public_key(raw))
        except (ValueError, UnsupportedAlgorithm) as error:
            raise RemoteProtocolError(f"RSA public key: expected PKIX in DER, got {len(raw)} other bytes") from error
        if not _MIN_BITS <= key.key_size <= _MAX_BITS:
            raise RemoteProtocolError(f"RSA public key: expected {_MIN_BITS} to {_MAX_BITS} bits, got {key.key_size}")
        if key.public_numbers().e > _MAX_EXPONENT:
            raise RemoteProtocolError("RSA public key: expected an exponent of at most 31 bits, got a larger one")
        return cls(key)

    def verify(self, data: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, data, _PADDING, _HASH)
        except InvalidSignature:
            return False
        return True


class RsaPrivateKey(PrivateKey):
    """An RSA private key. `raw` is its PKCS#1 structure (RSAPrivateKey) in DER."""

    __slots__ = ("_key", "_public_key")

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        self._public_key = RsaPublicKey(key.public_key())

    @property
    def type(self) -> KeyType:
        return KeyType.RSA

    @classmethod
    def new(cls) -> "RsaPrivateKey":
        """A fresh random key of 2,048 bits."""
        return cls(rsa.generate_private_key(65_537, _MIN_BITS))

    @classmethod
    def from_raw(cls, raw: bytes) -> "RsaPrivateKey":
        """The key in a PKCS#1 structure.

        :raises LocalProtocolError: not one, or of fewer than 2,048 or more than 8,192 bits
        """
        if len(raw) > _MAX_PRIVATE_SIZE:
            raise LocalProtocolError(f"RSA private key: expected at most {_MAX_BITS} bits, got {len(raw)} bytes")
        try:
            key = load_der_private_key(raw, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise LocalProtocolError(f"RSA private key: expected PKCS#1 in DER, got {len(raw)} other bytes") from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise LocalProtocolError("RSA private key: expected one, got a key of another type")
        if not _MIN_BITS <= key.key_size <= _MAX_BITS:
            raise LocalProtocolError(f"RSA private key: expected {_MIN_BITS} to {_MAX_BITS} bits, got {key.key_size}")
        return cls(key)

    @property
    def public_key(self) -> RsaPublicKey:
        return self._public_key

    @property
    def raw(self) -> bytes:
        return self._key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, _PADDING, _HASH)
