"""A backend for `noiseprotocol`: what it needs for Noise_XX_25519_ChaChaPoly_SHA256, at less cost than its own.

The package keeps the state of the handshake; the cryptography is done here, by libsodium (X25519: half the time of
OpenSSL for a new key, the same for an exchange) and by OpenSSL (ChaCha20-Poly1305, SHA-256, HMAC). Keys are plain
bytes, where the package's own backend has objects for keys, hashes and HMACs. Ephemeral keys can be made from given
bytes, which makes a handshake replayable.
"""

from collections.abc import Callable
from hashlib import sha256
from hmac import digest as hmac_digest
from struct import Struct

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base, randombytes
from nacl.exceptions import CryptoError
from noise.patterns import PatternXX

from p2pstack.errors import SecurityError

__all__ = ["KEY_SIZE", "NONCE", "Backend", "KeySource", "X25519KeyPair", "random_key"]

#: gives 32 bytes for each new X25519 key
KeySource = Callable[[], bytes]

#: bytes of an X25519 key, private or public
KEY_SIZE = 32
#: the nonce of ChaChaPoly: 4 zero bytes, then the counter, least significant byte first (Noise, 12.3)
NONCE = Struct("<4xQ")


def random_key() -> bytes:
    """A private key from the system's randomness."""
    return randombytes(KEY_SIZE)


class X25519KeyPair:
    """A key pair, or the public half of the peer's, in bytes: the objects of the package's own backend have the same
    fields."""

    __slots__ = ("private", "public", "public_bytes")

    def __init__(self, private: bytes | None, public: bytes) -> None:
        self.private = private
        self.public = self.public_bytes = public

    @classmethod
    def from_private_bytes(cls, private: bytes) -> "X25519KeyPair":
        """:raises ValueError: not 32 bytes"""
        _check_size(private)
        return cls(private, crypto_scalarmult_base(private))

    @classmethod
    def from_public_bytes(cls, public: bytes) -> "X25519KeyPair":
        """:raises ValueError: not 32 bytes"""
        _check_size(public)
        return cls(None, public)


class X25519:
    """Diffie-Hellman over Curve25519."""

    __slots__ = ("_source",)

    dhlen = KEY_SIZE

    def __init__(self, source: KeySource) -> None:
        self._source = source

    def generate_keypair(self) -> X25519KeyPair:
        """A new ephemeral key."""
        return X25519KeyPair.from_private_bytes(self._source())

    def dh(self, private_key: bytes, public_key: bytes) -> bytes:
        """:raises SecurityError: the secret would be zero"""
        try:
            return crypto_scalarmult(private_key, public_key)
        except CryptoError as error:
            raise SecurityError(
                f"expected an X25519 key from the peer that leads to a secret, got {public_key.hex()}, of small order"
            ) from error


class ChaChaPoly:
    """ChaCha20-Poly1305 with the nonces of Noise. Holds no key: each is used for one or two messages."""

    __slots__ = ()

    def initialize(self, key: bytes) -> None:
        """Nothing: the key comes with each call."""

    def encrypt(self, k: bytes, n: int, ad: bytes, plaintext: bytes) -> bytes:
        """Message `n` under key `k`."""
        return ChaCha20Poly1305(k).encrypt(NONCE.pack(n), plaintext, ad)

    def decrypt(self, k: bytes, n: int, ad: bytes, ciphertext: bytes) -> bytes:
        """:raises InvalidTag: it is not authentic"""
        return ChaCha20Poly1305(k).decrypt(NONCE.pack(n), ciphertext, ad)


class Sha256:
    """SHA-256."""

    __slots__ = ()

    fn = "sha256"
    hashlen = 32

    def hash(self, data: bytes) -> bytes:
        """The digest."""
        return sha256(data).digest()


class Backend:
    """The one suite of libp2p's Noise, in the shape that `noiseprotocol` asks for.

    :param source: makes the ephemeral keys; the system's randomness unless given
    """

    __slots__ = ("_suite", "hkdf", "hmac")

    def __init__(self, source: KeySource = random_key) -> None:
        self._suite: dict[str, object] = {
            "pattern": PatternXX,
            "dh": lambda: X25519(source),
            "cipher": ChaChaPoly,
            "hash": Sha256,
            "keypair": X25519KeyPair,
        }
        self.hmac = hmac_digest
        self.hkdf = _hkdf

    def map_protocol_name_to_crypto(self, unpacked_name: object) -> dict[str, object]:
        """The parts of the suite, whatever it is called: there is one."""
        return self._suite


def _hkdf(chaining_key: bytes, material: bytes, outputs: int, hmac_hash_fn: object) -> tuple[bytes, bytes]:
    """Noise, 4.3; XX asks for two outputs each time."""
    key = hmac_digest(chaining_key, material, "sha256")
    first = hmac_digest(key, b"\x01", "sha256")
    return first, hmac_digest(key, first + b"\x02", "sha256")


def _check_size(key: bytes) -> None:
    # libsodium reads 32 bytes from wherever it is pointed at.
    if len(key) != KEY_SIZE:
        raise ValueError(f"expected an X25519 key of {KEY_SIZE} bytes, got {len(key)}")
