"""Peer ids: the multihash of a public key.

Source: libp2p specs, peer-ids, "Peer Ids".
"""

from base64 import b32decode, b32encode
from hashlib import sha256
from typing import Any

from base58 import b58decode, b58encode

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.keys import PublicKey

__all__ = ["PeerId"]

#: a key whose protobuf is at most this long is its own hash
_INLINE_LIMIT = 42
_IDENTITY = 0x00
_SHA2_256 = 0x12
#: CIDv1, libp2p-key
_CID_PREFIX = b"\x01\x72"
#: no text of a peer id is longer: bounds what decoding costs
_TEXT_LIMIT = 128


class PeerId:
    """The name of a peer. Immutable; compares, hashes and sorts by its bytes.

    :param multihash: sha2-256 of a public key's protobuf, or that protobuf itself if it has at most 42 bytes
    :raises RemoteProtocolError: any other bytes
    """

    __slots__ = ("_bytes", "_hash", "_public_key", "_text")

    def __init__(self, multihash: bytes) -> None:
        size = len(multihash)
        if not (
            size == 34 and multihash[0] == _SHA2_256 and multihash[1] == 32
            or 2 < size <= 2 + _INLINE_LIMIT and multihash[0] == _IDENTITY and multihash[1] == size - 2
        ):  # fmt: skip
            raise RemoteProtocolError(
                "peer id: expected the sha2-256 multihash of a key, or an identity multihash of at most "
                f"{_INLINE_LIMIT} bytes, got {size} bytes: {multihash[:48].hex()}"
            )
        self._bytes = bytes(multihash)
        self._hash = hash(self._bytes)
        self._text: str | None = None
        self._public_key: PublicKey | None = None

    @classmethod
    def from_public_key(cls, key: PublicKey) -> "PeerId":
        """The id of the peer that holds `key`."""
        encoded = key.to_protobuf()
        if len(encoded) > _INLINE_LIMIT:
            return cls(b"\x12\x20" + sha256(encoded).digest())
        peer = cls(bytes((_IDENTITY, len(encoded))) + encoded)
        peer._public_key = key
        return peer

    @classmethod
    def from_bytes(cls, multihash: bytes) -> "PeerId":
        """The id of these bytes, as they come from peers.

        :raises RemoteProtocolError: not a peer id
        """
        return cls(multihash)

    @classmethod
    def parse(cls, text: str) -> "PeerId":
        """The id in its text: base58 (`12D3KooW...`, `Qm...`) or a CID (`bafz...`, `k...`, `z...`).

        :raises LocalProtocolError: not a peer id
        """
        try:
            if len(text) > _TEXT_LIMIT:
                raise ValueError(f"longer than {_TEXT_LIMIT} characters")
            if text.startswith(("1", "Qm")):
                return cls(b58decode(text))
            return cls(_decode_cid(text))
        except (ValueError, RemoteProtocolError) as error:
            raise LocalProtocolError(
                f"expected a peer id such as 12D3KooW..., got {text[:_TEXT_LIMIT]!r}: {error}"
            ) from None

    def to_bytes(self) -> bytes:
        """The multihash."""
        return self._bytes

    def to_cid(self) -> str:
        """The id as a CIDv1 in base32 (`bafz...`)."""
        return "b" + b32encode(_CID_PREFIX + self._bytes).decode().rstrip("=").lower()

    @property
    def public_key(self) -> PublicKey | None:
        """The key itself, where the id holds it: Ed25519 and secp256k1 keys are short enough, others are hashed."""
        if self._public_key is None and self._bytes[0] == _IDENTITY:
            try:
                key = PublicKey.from_protobuf(self._bytes[2:])
            except RemoteProtocolError:
                return None
            if key.peer_id == self:
                self._public_key = key
        return self._public_key

    def __str__(self) -> str:
        if self._text is None:
            self._text = b58encode(self._bytes).decode()
        return self._text

    def __repr__(self) -> str:
        return f"<PeerId {self}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PeerId):
            return NotImplemented
        return self._bytes == other._bytes

    def __hash__(self) -> int:
        return self._hash

    def __lt__(self, other: "PeerId") -> bool:
        if not isinstance(other, PeerId):
            return NotImplemented
        return self._bytes < other._bytes

    def __reduce__(self) -> tuple[Any, ...]:
        return PeerId, (self._bytes,)


_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def _decode_cid(text: str) -> bytes:
    """The multihash in the text of a CIDv1 of a libp2p key."""
    base, digits = text[:1], text[1:]
    match base:
        case "b":
            cid = b32decode(digits.upper() + "=" * (-len(digits) % 8))
        case "k":
            if set(digits) - set(_BASE36):
                raise ValueError("not base36")
            size = len(digits) - len(digits.lstrip("0"))
            number = int(digits, 36)
            cid = bytes(size) + number.to_bytes((number.bit_length() + 7) // 8, "big")
        case "z":
            cid = b58decode(digits)
        case _:
            raise ValueError("neither base58 nor a CID in base32, base36 or base58")
    if not cid.startswith(_CID_PREFIX):
        raise ValueError("not a CIDv1 of a libp2p key")
    return cid[len(_CID_PREFIX) :]
