"""Peer ids: the multihash of a public key.

Source: libp2p specs, peer-ids, "Peer Ids".
"""

from base64 import b32decode, b32encode
from functools import total_ordering
from hashlib import sha256
from typing import Any

from base58 import b58decode, b58encode

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.keys import PublicKey

__all__ = ["PeerId"]

#: a key whose message is at most this long is its own hash
_INLINE_LIMIT = 42
#: what a multihash begins with: the function, then the length of the digest
_IDENTITY = 0x00
_SHA2_256 = b"\x12\x20"
#: what a CID begins with: version 1, libp2p-key
_CID_HEAD = b"\x01\x72"
#: a CID of the longest peer id in base16, and so longer than any text there is
_TEXT_LIMIT = 93


@total_ordering
class PeerId:
    """The name of a peer: the multihash of its public key's protobuf message. A message of up to 42 bytes is kept whole
    (identity), a longer one hashed (sha2-256). Immutable; compares, hashes and sorts by its bytes.

    `PeerId(data)` is `PeerId.from_bytes(data)`.
    """

    __slots__ = ("_bytes", "_hash", "_public_key", "_text")

    def __init__(self, multihash: bytes) -> None:
        size = len(multihash)
        inline = 2 < size <= 2 + _INLINE_LIMIT and multihash[0] == _IDENTITY and multihash[1] == size - 2
        if not (inline or (size == 34 and multihash[:2] == _SHA2_256)):
            raise RemoteProtocolError(
                f"peer id: expected a sha2-256 multihash, or an identity multihash of at most {_INLINE_LIMIT} bytes, "
                f"got {size} other bytes ({multihash[:_INLINE_LIMIT].hex()})"
            )
        self._bytes = bytes(multihash)
        self._hash = hash(self._bytes)
        self._public_key: PublicKey | None = None
        self._text: str | None = None

    @classmethod
    def from_public_key(cls, key: PublicKey) -> "PeerId":
        """The id of the peer whose key this is."""
        message = key.to_protobuf()
        if len(message) > _INLINE_LIMIT:
            return cls(_SHA2_256 + sha256(message).digest())
        # The key keeps its id. If the id kept the key as well, neither would be freed without a search.
        return cls(b"%c%c%b" % (_IDENTITY, len(message), message))

    @classmethod
    def from_bytes(cls, multihash: bytes) -> "PeerId":
        """The id with these bytes, as peers send it.

        :raises RemoteProtocolError: not a peer id
        """
        return cls(multihash)

    @classmethod
    def parse(cls, text: str) -> "PeerId":
        """The id with this text: base58 (`12D3KooW...`, `Qm...`), or a CID in base32, base36 or base58 (`bafz...`,
        `k51...`, `z5A...`).

        :raises LocalProtocolError: not a peer id
        """
        try:
            if len(text) > _TEXT_LIMIT or not (text.isascii() and text.isalnum()):
                raise ValueError("too long, or with other signs than letters and digits")
            return cls(b58decode(text) if text.startswith(("1", "Qm")) else _decode_cid(text))
        except (ValueError, RemoteProtocolError) as error:
            raise LocalProtocolError(
                f"expected a peer id such as 12D3KooW..., got {text[:_TEXT_LIMIT]!r}: {error}"
            ) from error

    def to_bytes(self) -> bytes:
        """The multihash."""
        return self._bytes

    def to_cid(self) -> str:
        """The id as a CIDv1 in base32, `bafz...`: letters of one case only, for names that do not tell case."""
        return "b" + b32encode(_CID_HEAD + self._bytes).decode().rstrip("=").lower()

    @property
    def public_key(self) -> PublicKey | None:
        """The key itself where the id holds it, as it does Ed25519 and secp256k1 keys; None where it holds a hash."""
        if self._public_key is None and self._bytes[0] == _IDENTITY:
            try:
                key = PublicKey.from_protobuf(self._bytes[2:])
            except RemoteProtocolError:
                return None
            # Another encoding of the same key would give one peer two ids.
            if key.to_protobuf() == self._bytes[2:]:
                self._public_key = key
        return self._public_key

    def __str__(self) -> str:
        if self._text is None:
            self._text = b58encode(self._bytes).decode()
        return self._text

    def __repr__(self) -> str:
        return f"<PeerId {self}>"

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PeerId):
            return NotImplemented
        return self._bytes == other._bytes

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, PeerId):
            return NotImplemented
        return self._bytes < other._bytes

    def __reduce__(self) -> tuple[Any, ...]:
        return PeerId, (self._bytes,)


def _decode_cid(text: str) -> bytes:
    """The multihash in a CIDv1 of a libp2p key."""
    base, digits = text[0], text[1:]
    match base:
        case "b":
            cid = b32decode(digits.upper() + "=" * (-len(digits) % 8))
        case "k":
            number = int(digits, 36)
            cid = number.to_bytes((number.bit_length() + 7) // 8, "big")
        case "z":
            cid = b58decode(digits)
        case _:
            raise ValueError("neither base58 nor a CID in base32, base36 or base58")
    if not cid.startswith(_CID_HEAD):
        raise ValueError("not a CIDv1 of a libp2p key")
    return cid[len(_CID_HEAD) :]
