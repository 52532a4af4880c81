"""Keys: what peers are known by, and what they sign with.

A key is made from bytes, or generated, through `PublicKey` and `PrivateKey`. Which class it then is depends on its
type: each has its module here, loaded when the first key of that type is met.

Source: libp2p specs, peer-ids, "Keys".
"""

from abc import ABC, abstractmethod
from enum import IntEnum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.wire import varint
from p2pstack.wire.pb.crypto_pb2 import PrivateKey as PrivateKeyMessage
from p2pstack.wire.pb.crypto_pb2 import PublicKey as PublicKeyMessage
from p2pstack.wire.protobuf import parse

if TYPE_CHECKING:
    from p2pstack.identity.peer_id import PeerId

__all__ = ["KeyType", "PrivateKey", "PublicKey"]


class KeyType(IntEnum):
    """The kinds of key, numbered as on the wire."""

    RSA = 0
    ED25519 = 1
    SECP256K1 = 2
    ECDSA = 3


class PublicKey(ABC):
    """The public half of an identity. Immutable; compares and hashes by value."""

    __slots__ = ("_hash", "_peer_id", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._hash = hash(raw)
        self._peer_id: PeerId | None = None

    @property
    @abstractmethod
    def type(self) -> KeyType:
        """Which kind of key it is."""

    @property
    def raw(self) -> bytes:
        """The key as its type encodes it, without the protobuf message around it."""
        return self._raw

    @property
    def peer_id(self) -> "PeerId":
        """The id of the peer whose key this is."""
        if self._peer_id is None:
            self._peer_id = cast("PeerId", _identity("peer_id", "PeerId").from_public_key(self))
        return self._peer_id

    @abstractmethod
    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's over `data`. False too where it is not even the shape of a signature."""

    @classmethod
    @abstractmethod
    def from_raw(cls, raw: bytes) -> "PublicKey":
        """The key that its type encodes as `raw`.

        :raises RemoteProtocolError: not such a key
        """

    @staticmethod
    def from_protobuf(data: bytes) -> "PublicKey":
        """The key in a protobuf message, as peers send it.

        :raises RemoteProtocolError: not a key, or not an acceptable one (RSA: 2,048 to 8,192 bits)
        """
        if len(data) == 36 and data.startswith(_ED25519_HEAD):
            return _public_class(KeyType.ED25519).from_raw(data[4:])
        message = parse(PublicKeyMessage, data, what="public key")
        if not (message.HasField("type") and message.HasField("data")):
            raise RemoteProtocolError("public key: expected a type and data, got a message without")
        try:
            key_type = KeyType(message.type)
        except ValueError:
            raise RemoteProtocolError(f"public key: expected a type from 0 to 3, got {message.type}") from None
        return _public_class(key_type).from_raw(message.data)

    def to_protobuf(self) -> bytes:
        """The protobuf message, in the one encoding that peer ids are made of."""
        return _encode(self.type, self._raw)

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
    """An identity. Immutable; compares and hashes by value. Neither `str` nor `repr` shows the secret."""

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
        """The secret as its type encodes it, without the protobuf message around it."""

    @abstractmethod
    def sign(self, data: bytes) -> bytes:
        """A signature over `data`."""

    @classmethod
    @abstractmethod
    def from_raw(cls, raw: bytes) -> "PrivateKey":
        """The key that its type encodes as `raw`.

        :raises LocalProtocolError: not such a key
        """

    @classmethod
    @abstractmethod
    def new(cls) -> "PrivateKey":
        """A fresh random key of this type."""

    @staticmethod
    def generate(key_type: KeyType | str = KeyType.ED25519) -> "PrivateKey":
        """A fresh random key. Those of RSA have 2,048 bits, those of ECDSA are on P-256.

        :param key_type: also by name: `"ed25519"`, `"secp256k1"`, `"ecdsa"`, `"rsa"`
        :raises LocalProtocolError: no such type
        """
        return _private_class(key_type).new()

    @staticmethod
    def from_protobuf(data: bytes) -> "PrivateKey":
        """The key in a protobuf message, as libp2p stores it.

        :raises LocalProtocolError: not a key, or not an acceptable one
        """
        try:
            message = parse(PrivateKeyMessage, data, what="private key")
        except RemoteProtocolError as error:
            raise LocalProtocolError(str(error)) from error
        if not (message.HasField("type") and message.HasField("data")):
            raise LocalProtocolError("private key: expected a type and data, got a message without")
        return _private_class(message.type).from_raw(message.data)

    def to_protobuf(self) -> bytes:
        """The protobuf message: the secret, as libp2p stores it."""
        return _encode(self.type, self.raw)

    @staticmethod
    def from_pem(pem: bytes, *, password: bytes | None = None) -> "PrivateKey":
        """The key in PEM, as OpenSSL and others write it (PKCS#8, or the older form of its type).

        :raises LocalProtocolError: not a key of a kind that peers have, or another password
        """
        key_type, raw = _identity("pem", "load")(pem, password)
        return _private_class(key_type).from_raw(raw)

    def to_pem(self, *, password: bytes | None = None) -> bytes:
        """The key as PKCS#8 in PEM, encrypted where there is a password."""
        return cast("bytes", _identity("pem", "dump")(self.type, self.raw, password))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PrivateKey):
            return NotImplemented
        return self.public_key == other.public_key

    def __hash__(self) -> int:
        return hash((PrivateKey, self.public_key))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.peer_id}>"


#: what the message of an Ed25519 public key begins with: its type, and the length of its data
_ED25519_HEAD = b"\x08\x01\x12\x20"


def _encode(key_type: KeyType, raw: bytes) -> bytes:
    return b"\x08%c\x12%b%b" % (key_type, varint.encode(len(raw)), raw)


_CLASSES = {
    KeyType.RSA: ("rsa", "Rsa"),
    KeyType.ED25519: ("ed25519", "Ed25519"),
    KeyType.SECP256K1: ("secp256k1", "Secp256k1"),
    KeyType.ECDSA: ("ecdsa", "Ecdsa"),
}


@cache
def _identity(module: str, name: str) -> Any:
    """`name` from a module of this package that itself needs this one."""
    return getattr(import_module(f"p2pstack.identity.{module}"), name)


def _public_class(key_type: KeyType) -> type[PublicKey]:
    module, prefix = _CLASSES[key_type]
    return cast("type[PublicKey]", _identity(module, prefix + "PublicKey"))


def _private_class(key_type: KeyType | int | str) -> type[PrivateKey]:
    try:
        module, prefix = _CLASSES[KeyType[key_type.upper()] if isinstance(key_type, str) else KeyType(key_type)]
    except (KeyError, ValueError):
        names = ", ".join(kind.name.lower() for kind in KeyType)
        raise LocalProtocolError(f"expected a type of key ({names}), got {key_type!r}") from None
    return cast("type[PrivateKey]", _identity(module, prefix + "PrivateKey"))
