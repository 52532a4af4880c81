"""Keys: what peers are known by, and what they sign with.

A key is made from bytes, or generated, through `PublicKey` and `PrivateKey`; which class it then is depends on its type,
each in its own module, loaded when first met.

Source: libp2p specs, peer-ids, "Keys".
"""

from abc import ABC, abstractmethod
from enum import IntEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.wire import varint
from p2pstack.wire.pb import crypto_pb2
from p2pstack.wire.protobuf import parse

if TYPE_CHECKING:
    from p2pstack.identity.peer_id import PeerId

__all__ = ["KeyType", "PrivateKey", "PublicKey"]


class KeyType(IntEnum):
    """The kinds of key, as numbered on the wire."""

    RSA = 0
    ED25519 = 1
    SECP256K1 = 2
    ECDSA = 3


class PublicKey(ABC):
    """The public half of an identity. Compares and hashes by value."""

    __slots__ = ("_hash", "_peer_id", "_raw")

    _raw: bytes
    _hash: int
    _peer_id: "PeerId | None"

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._hash = hash((self.type, raw))
        self._peer_id = None

    @property
    @abstractmethod
    def type(self) -> KeyType:
        """Which kind of key it is."""

    @property
    def raw(self) -> bytes:
        """The key in the encoding of its type, without the protobuf message around it."""
        return self._raw

    @property
    def peer_id(self) -> "PeerId":
        """The id of the peer whose key this is."""
        if self._peer_id is None:
            self._peer_id = import_module("p2pstack.identity.peer_id").PeerId.from_public_key(self)
        return self._peer_id

    @abstractmethod
    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `data`; False too where it is not even the shape of a signature."""

    def to_protobuf(self) -> bytes:
        """The protobuf message, in the one encoding that peer ids are made of."""
        return _encode(self.type, self._raw)

    @staticmethod
    def from_protobuf(data: bytes) -> "PublicKey":
        """The key in a protobuf message, as it comes from peers.

        :raises RemoteProtocolError: not a key, or not an acceptable one (RSA: 2,048 to 8,192 bits)
        """
        if len(data) == 36 and data.startswith(b"\x08\x01\x12\x20"):
            return _load(KeyType.ED25519, "PublicKey").from_raw(bytes(data[4:]))
        message = parse(crypto_pb2.PublicKey, data, what="public key")
        if not (message.HasField("type") and message.HasField("data")):
            raise RemoteProtocolError("public key: expected a type and data, got a message without")
        try:
            key_type = KeyType(message.type)
        except ValueError:
            raise RemoteProtocolError(f"public key: expected a type from 0 to 3, got {message.type}") from None
        return _load(key_type, "PublicKey").from_raw(message.data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PublicKey):
            return NotImplemented
        return self._raw == other._raw and self.type == other.type

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return PublicKey.from_protobuf, (self.to_protobuf(),)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.peer_id}>"


class PrivateKey(ABC):
    """An identity. Compares and hashes by value."""

    __slots__ = ()

    @property
    @abstractmethod
    def type(self) -> KeyType:
        """Which kind of key it is."""

    @property
    @abstractmethod
    def public_key(self) -> PublicKey:
        """The half to show to others."""

    @property
    def peer_id(self) -> "PeerId":
        """The id of the peer whose key this is."""
        return self.public_key.peer_id

    @property
    @abstractmethod
    def raw(self) -> bytes:
        """The secret, in the encoding of its type, without the protobuf message around it."""

    @abstractmethod
    def sign(self, data: bytes) -> bytes:
        """A signature over `data`."""

    @abstractmethod
    def to_pem(self, *, password: bytes | None = None) -> bytes:
        """The key as PKCS#8 PEM, encrypted where a password is given."""

    def to_protobuf(self) -> bytes:
        """The protobuf message, as libp2p stores keys in files."""
        return _encode(self.type, self.raw)

    @staticmethod
    def generate(type: KeyType | str = KeyType.ED25519) -> "PrivateKey":
        """A new key; RSA keys have 2,048 bits.

        :param type: a `KeyType`, or its name in whatever case
        """
        return _load(_key_type(type), "PrivateKey").new()

    @staticmethod
    def from_protobuf(data: bytes) -> "PrivateKey":
        """The key in a protobuf message.

        :raises LocalProtocolError: not a key, or not an acceptable one
        """
        try:
            message = parse(crypto_pb2.PrivateKey, data, what="private key")
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error)) from error
        if not (message.HasField("type") and message.HasField("data")):
            raise LocalProtocolError("private key: expected a type and data, got a message without")
        return _load(_key_type(message.type), "PrivateKey").from_raw(message.data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrivateKey):
            return NotImplemented
        return self.public_key == other.public_key

    def __hash__(self) -> int:
        return hash((PrivateKey, self.public_key))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.peer_id}>"


def _key_type(value: KeyType | int | str) -> KeyType:
    try:
        return KeyType[value.upper()] if isinstance(value, str) else KeyType(value)
    except (KeyError, ValueError):
        names = ", ".join(kind.name.lower() for kind in KeyType)
        raise LocalProtocolError(f"expected a key type ({names}), got {value!r}") from None


def _encode(key_type: KeyType, raw: bytes) -> bytes:
    return b"\x08%c\x12%b%b" % (key_type, varint.encode(len(raw)), raw)


_CLASSES = {
    KeyType.RSA: ("p2pstack.identity.rsa", "Rsa"),
    KeyType.ED25519: ("p2pstack.identity.ed25519", "Ed25519"),
    KeyType.SECP256K1: ("p2pstack.identity.secp256k1", "Secp256k1"),
    KeyType.ECDSA: ("p2pstack.identity.ecdsa", "Ecdsa"),
}


def _load(key_type: KeyType, half: str) -> Any:
    module, prefix = _CLASSES[key_type]
    return getattr(import_module(module), prefix + half)
