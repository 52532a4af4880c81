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
    """An Ed25519 public key. `raw` is its 32 bytes."""

    __slots__ = ()

    @property
    def type(self) -> KeyType:
        return KeyType.ED25519

    @classmethod
    def from_raw(cls, raw: bytes) -> "Ed25519PublicKey":
        """The key of these 32 bytes.

        :raises RemoteProtocolError: another length
        """
        if len(raw) != _PUBLIC_SIZE:
            raise RemoteProtocolError(f"Ed25519 public key: expected {_PUBLIC_SIZE} bytes, got {len(raw)}")
        return cls(raw)

    def verify(self, data: bytes, signature: bytes) -> bool:
        if len(signature) != _SIGNATURE_SIZE:
            return False
        try:
            crypto_sign_open(signature + data, self._raw)
        except BadSignatureError:
            return False
        return True


class Ed25519PrivateKey(PrivateKey):
    """An Ed25519 private key. `raw` is its 32-byte seed and the 32 bytes of the public key behind it."""

    __slots__ = ("_public_key", "_secret")

    def __init__(self, secret: bytes, public_key: Ed25519PublicKey) -> None:
        self._secret = secret
        self._public_key = public_key

    @property
    def type(self) -> KeyType:
        return KeyType.ED25519

    @classmethod
    def new(cls) -> "Ed25519PrivateKey":
        """A key of fresh random bytes."""
        public, secret = crypto_sign_keypair()
        return cls(secret, Ed25519PublicKey(public))

    @classmethod
    def from_seed(cls, seed: bytes) -> "Ed25519PrivateKey":
        """The key of a 32-byte secret: the same each time.

        :raises LocalProtocolError: another length
        """
        if len(seed) != _SEED_SIZE:
            raise LocalProtocolError(f"Ed25519 seed: expected {_SEED_SIZE} bytes, got {len(seed)}")
        public, secret = crypto_sign_seed_keypair(seed)
        return cls(secret, Ed25519PublicKey(public))

    @classmethod
    def from_raw(cls, raw: bytes) -> "Ed25519PrivateKey":
        """The key of its seed and public key, as libp2p stores it; old files have the public key twice.

        :raises LocalProtocolError: neither 64 nor 96 bytes, or a public key that is not the seed's
        """
        if len(raw) not in (64, 96):
            raise LocalProtocolError(f"Ed25519 private key: expected 64 bytes (or 96 in old files), got {len(raw)}")
        key = cls.from_seed(raw[:_SEED_SIZE])
        if raw[_SEED_SIZE:] not in (key.public_key.raw, key.public_key.raw * 2):
            raise LocalProtocolError("Ed25519 private key: its public key is another's; make a new key")
        return key

    @property
    def public_key(self) -> Ed25519PublicKey:
        return self._public_key

    @property
    def raw(self) -> bytes:
        return self._secret

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes."""
        return self._secret[:_SEED_SIZE]

    def sign(self, data: bytes) -> bytes:
        return crypto_sign(data, self._secret)[:_SIGNATURE_SIZE]

    def to_pem(self, *, password: bytes | None = None) -> bytes:
        raise NotImplementedError
