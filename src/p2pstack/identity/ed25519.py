"""Ed25519 keys: the default, and the one type that every implementation has.

Source: libp2p specs, peer-ids, "Ed25519"; RFC 8032.
"""

from nacl.bindings import crypto_sign, crypto_sign_keypair, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey

__all__ = ["Ed25519PrivateKey", "Ed25519PublicKey"]

_SEED_SIZE = 32
_PUBLIC_SIZE = 32
_SIGNATURE_SIZE = 64


class Ed25519PublicKey(PublicKey):
    """An Ed25519 public key. `raw` is its 32 bytes.

    Any 32 bytes are taken; where they are no point of the curve, or one of small order, no signature is theirs.
    """

    __slots__ = ()

    @property
    def type(self) -> KeyType:
        return KeyType.ED25519

    @classmethod
    def from_raw(cls, raw: bytes) -> "Ed25519PublicKey":
        if len(raw) != _PUBLIC_SIZE:
            raise RemoteProtocolError(f"Ed25519 public key: expected {_PUBLIC_SIZE} bytes, got {len(raw)}")
        return cls(bytes(raw))

    def verify(self, data: bytes, signature: bytes) -> bool:
        if len(signature) != _SIGNATURE_SIZE:
            return False
        try:
            crypto_sign_open(signature + data, self._raw)
        except BadSignatureError:
            return False
        return True


class Ed25519PrivateKey(PrivateKey):
    """An Ed25519 private key. `raw` is its 32-byte seed with the public key behind it."""

    __slots__ = ("_public_key", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._public_key = Ed25519PublicKey(raw[_SEED_SIZE:])

    @property
    def type(self) -> KeyType:
        return KeyType.ED25519

    @classmethod
    def new(cls) -> "Ed25519PrivateKey":
        _, raw = crypto_sign_keypair()
        return cls(raw)

    @classmethod
    def from_seed(cls, seed: bytes) -> "Ed25519PrivateKey":
        """The key of 32 secret bytes: the same one each time.

        :raises LocalProtocolError: another length
        """
        if len(seed) != _SEED_SIZE:
            raise LocalProtocolError(f"Ed25519 seed: expected {_SEED_SIZE} bytes, got {len(seed)}")
        _, raw = crypto_sign_seed_keypair(bytes(seed))
        return cls(raw)

    @classmethod
    def from_raw(cls, raw: bytes) -> "Ed25519PrivateKey":
        """The key of a seed with its public key behind it, which old files have twice.

        :raises LocalProtocolError: neither 64 nor 96 bytes, or a public key that is not the seed's
        """
        if len(raw) not in (_SEED_SIZE + _PUBLIC_SIZE, _SEED_SIZE + 2 * _PUBLIC_SIZE):
            raise LocalProtocolError(f"Ed25519 private key: expected 64 bytes, or 96 in old files, got {len(raw)}")
        key = cls.from_seed(raw[:_SEED_SIZE])
        if raw[_SEED_SIZE:] not in (key.public_key.raw, 2 * key.public_key.raw):
            raise LocalProtocolError("Ed25519 private key: its public half is that of another key; make a new one")
        return key

    @property
    def public_key(self) -> Ed25519PublicKey:
        return self._public_key

    @property
    def raw(self) -> bytes:
        return self._raw

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes that the key is made of."""
        return self._raw[:_SEED_SIZE]

    def sign(self, data: bytes) -> bytes:
        return crypto_sign(data, self._raw)[:_SIGNATURE_SIZE]
