"""secp256k1 keys: those of Bitcoin and Ethereum.

Source: libp2p specs, peer-ids, "Secp256k1"; BIP 62 and BIP 66 for signatures.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey

__all__ = ["Secp256k1PrivateKey", "Secp256k1PublicKey"]

_SECRET_SIZE = 32
_CURVE = ec.SECP256K1()
_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
_ALGORITHM = ec.ECDSA(SHA256())


class Secp256k1PublicKey(PublicKey):
    """A secp256k1 public key. `raw` is its compressed point, 33 bytes."""

    __slots__ = ("_key",)

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        super().__init__(key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
        self._key = key

    @property
    def type(self) -> KeyType:
        return KeyType.SECP256K1

    @classmethod
    def from_raw(cls, raw: bytes) -> "Secp256k1PublicKey":
        """The key of a point, compressed (33 bytes) or, as other implementations take it too, not (65 bytes).

        :raises RemoteProtocolError: not a point of the curve
        """
        try:
            return cls(ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, raw))
        except ValueError as error:
            raise RemoteProtocolError(f"secp256k1 public key: expected a point, got {len(raw)} other bytes") from error

    def verify(self, data: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, data, _ALGORITHM)
        except InvalidSignature:
            return False
        return True


class Secp256k1PrivateKey(PrivateKey):
    """A secp256k1 private key. `raw` is its number, 32 bytes, most significant first."""

    __slots__ = ("_key", "_public_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._public_key = Secp256k1PublicKey(key.public_key())

    @property
    def type(self) -> KeyType:
        return KeyType.SECP256K1

    @classmethod
    def new(cls) -> "Secp256k1PrivateKey":
        return cls(ec.generate_private_key(_CURVE))

    @classmethod
    def from_raw(cls, raw: bytes) -> "Secp256k1PrivateKey":
        number = int.from_bytes(raw, "big")
        if len(raw) != _SECRET_SIZE or not 0 < number < _ORDER:
            raise LocalProtocolError(
                "secp256k1 private key: expected 32 bytes, a number from 1 to below the curve's order"
            )
        return cls(ec.derive_private_key(number, _CURVE))

    @property
    def public_key(self) -> Secp256k1PublicKey:
        return self._public_key

    @property
    def raw(self) -> bytes:
        return self._key.private_numbers().private_value.to_bytes(_SECRET_SIZE, "big")

    def sign(self, data: bytes) -> bytes:
        # Two values of s are valid, and some peers, js-libp2p for one, take the lower only (BIP 62).
        r, s = decode_dss_signature(self._key.sign(data, _ALGORITHM))
        return encode_dss_signature(r, min(s, _ORDER - s))
