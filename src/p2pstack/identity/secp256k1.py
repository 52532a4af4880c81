"""secp256k1 keys: those of Bitcoin and Ethereum.

Source: libp2p specs, peer-ids, "Secp256k1".
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity import pem
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey

__all__ = ["Secp256k1PrivateKey", "Secp256k1PublicKey"]

_SECRET_SIZE = 32
_CURVE = ec.SECP256K1()
_ALGORITHM = ec.ECDSA(SHA256())


class Secp256k1PublicKey(PublicKey):
    """A secp256k1 public key. `raw` is the compressed point, 33 bytes."""

    __slots__ = ("_key",)

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        super().__init__(key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
        self._key = key

    @property
    def type(self) -> KeyType:
        return KeyType.SECP256K1

    @classmethod
    def from_raw(cls, raw: bytes) -> "Secp256k1PublicKey":
        """The key of a point: compressed (33 bytes), or not (65 bytes), as some peers send it.

        :raises RemoteProtocolError: not a point of the curve
        """
        try:
            return cls(ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, raw))
        except ValueError:
            raise RemoteProtocolError(f"secp256k1 public key: expected a point, got {len(raw)} other bytes") from None

    def verify(self, data: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, data, _ALGORITHM)
        except InvalidSignature:
            return False
        return True


class Secp256k1PrivateKey(PrivateKey):
    """A secp256k1 private key. `raw` is its 32-byte number."""

    __slots__ = ("_key", "_public_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._public_key = Secp256k1PublicKey(key.public_key())

    @property
    def type(self) -> KeyType:
        return KeyType.SECP256K1

    @classmethod
    def new(cls) -> "Secp256k1PrivateKey":
        """A key of a fresh random number."""
        return cls(ec.generate_private_key(_CURVE))

    @classmethod
    def from_raw(cls, raw: bytes) -> "Secp256k1PrivateKey":
        """The key of a 32-byte number, most significant byte first.

        :raises LocalProtocolError: another length, zero, or not below the order of the curve
        """
        if len(raw) != _SECRET_SIZE:
            raise LocalProtocolError(f"secp256k1 private key: expected {_SECRET_SIZE} bytes, got {len(raw)}")
        try:
            return cls(ec.derive_private_key(int.from_bytes(raw, "big"), _CURVE))
        except ValueError:
            raise LocalProtocolError("secp256k1 private key: expected a number from 1 to the curve's order") from None

    @property
    def public_key(self) -> Secp256k1PublicKey:
        return self._public_key

    @property
    def raw(self) -> bytes:
        return self._key.private_numbers().private_value.to_bytes(_SECRET_SIZE, "big")

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data, _ALGORITHM)

    def to_pem(self, *, password: bytes | None = None) -> bytes:
        return pem.dump(self._key, password)
