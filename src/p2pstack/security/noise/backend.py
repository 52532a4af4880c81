"""What `noiseprotocol` builds Noise_XX_25519_ChaChaPoly_SHA256 on, at less cost than its own.

The package goes through the tokens of the pattern. What these mix, encrypt and hash is done here, with libsodium
(X25519: half the time of OpenSSL for a new key, the same for an exchange) and OpenSSL (ChaCha20-Poly1305, SHA-256,
HKDF), on plain bytes. The package has an object for each key, hash and cipher: a tenth of a handshake, and a quarter of
the time that importing this library took. Ephemeral keys can be made from given bytes, which makes a handshake
replayable.

Source: the Noise Protocol Framework, revision 34.
"""

from collections.abc import Callable
from hashlib import sha256
from struct import Struct
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base, randombytes
from nacl.exceptions import CryptoError
from noise.constants import Empty
from noise.patterns import PatternXX
from noise.state import HandshakeState

from p2pstack.errors import SecurityError

__all__ = ["KEY_SIZE", "NONCE", "Backend", "KeySource", "X25519KeyPair", "random_key"]

#: as long as a hash: it is the first one (Noise, 5.2)
_NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"
_XX = PatternXX()
_SHA256 = SHA256()

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


class SymmetricState:
    """The chaining key, the hash of all that was said, and the key of the moment (Noise, 5.1 and 5.2)."""

    __slots__ = ("_chaining_key", "_key", "_nonce", "handshake_hash")

    def __init__(self, prologue: bytes) -> None:
        self._chaining_key = _NAME
        self._key: bytes | None = None
        self._nonce = 0
        self.handshake_hash = sha256(_NAME + prologue).digest()

    def has_key(self) -> bool:
        """Whether what is said now is encrypted."""
        return self._key is not None

    def mix_key(self, input_key_material: bytes) -> None:
        """A new key, that only those have who know `input_key_material` beside all that was mixed before."""
        self._chaining_key, self._key = _hkdf(self._chaining_key, input_key_material)
        self._nonce = 0

    def mix_hash(self, data: bytes) -> None:
        """Both sides have seen `data`."""
        self.handshake_hash = sha256(self.handshake_hash + data).digest()

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        """What to send for `plaintext`."""
        ciphertext = self._crypt(ChaCha20Poly1305.encrypt, plaintext)
        self.mix_hash(ciphertext)
        return ciphertext

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        """:raises InvalidTag: it is not authentic"""
        plaintext = self._crypt(ChaCha20Poly1305.decrypt, ciphertext)
        self.mix_hash(ciphertext)
        return plaintext

    def _crypt(self, way: Callable[[ChaCha20Poly1305, bytes, bytes, bytes], bytes], data: bytes) -> bytes:
        """`data` under the key of the moment; as it is where there is none yet. The nonce moves on success only."""
        if self._key is None:
            return data
        result = way(ChaCha20Poly1305(self._key), NONCE.pack(self._nonce), data, self.handshake_hash)
        self._nonce += 1
        return result

    def split(self) -> tuple[bytes, bytes]:
        """The keys of the records: those of the initiator's and those of the responder's."""
        return _hkdf(self._chaining_key, b"")


class _Suite:
    """What the package's handshake state asks for by these names."""

    __slots__ = ("cipher_state_handshake", "dh_fn")

    is_psk_handshake = False
    keypair_class = X25519KeyPair

    def __init__(self, dh: X25519, symmetric: SymmetricState) -> None:
        self.dh_fn = dh
        self.cipher_state_handshake = symmetric


class Backend:
    """Makes the state of handshakes.

    :param source: makes the ephemeral keys; the system's randomness unless given
    """

    __slots__ = ("_dh",)

    def __init__(self, source: KeySource = random_key) -> None:
        self._dh = X25519(source)

    def handshake_state(self, static: X25519KeyPair, *, initiator: bool, prologue: bytes = b"") -> Any:
        """One side of a handshake with a static key, before its first message: an object of the package, which is
        without types. `write_message` and `read_message` give the keys of `split` with the last message."""
        state: Any = HandshakeState()
        state.symmetric_state = SymmetricState(prologue)
        state.noise_protocol = _Suite(self._dh, state.symmetric_state)
        state.initiator = initiator
        state.s = static
        state.e = state.re = state.rs = Empty()
        state.message_patterns = _XX.tokens.copy()
        return state


def _hkdf(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """Noise, 4.3, with the two outputs that XX asks for each time: it is that of RFC 5869 without any info."""
    both = HKDF(_SHA256, 2 * KEY_SIZE, chaining_key, None).derive(material)
    return both[:KEY_SIZE], both[KEY_SIZE:]


def _check_size(key: bytes) -> None:
    # libsodium reads 32 bytes from wherever it is pointed at.
    if len(key) != KEY_SIZE:
        raise ValueError(f"expected an X25519 key of {KEY_SIZE} bytes, got {len(key)}")
