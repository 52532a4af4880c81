"""Blocks: transfers in an order that took work to say. Pure.

A block is a header of 125 bytes with big-endian integers, and its transfers behind it. Its id is the SHA-256 of the
header, which holds that of the transfers: nothing in a block can be changed without another id, and another proof of
work.

    version 1 | height 4 | parent 32 | body 32 | miner 32 | time 8 | difficulty 8 | nonce 8
"""

from hashlib import sha256
from struct import Struct, error
from typing import NamedTuple

from p2pstack.apps.ledger.faults import Invalid
from p2pstack.apps.ledger.rules import Rules
from p2pstack.apps.ledger.transfer import NOBODY, Transfer, decode_all, encode_all

__all__ = ["HEADER_SIZE", "Block", "Entry", "Header", "genesis", "has_work", "search"]

_LAYOUT = Struct(">BI32s32s32sQQQ")
_NONCE = Struct(">Q")
_VERSION = 1
_LARGEST = (1 << 256) - 1
#: bytes of a header
HEADER_SIZE = _LAYOUT.size


class Header(NamedTuple):
    """What a block says of itself."""

    height: int
    #: the id of the block before
    parent: bytes
    #: the SHA-256 of the transfers
    body: bytes
    #: the account that gets the reward and the fees
    miner: bytes
    #: milliseconds since 1970, by the miner's clock
    time: int
    #: how many hashes a block takes on average
    difficulty: int
    #: what the miner has searched
    nonce: int = 0

    @classmethod
    def from_bytes(cls, data: bytes) -> "Header":
        """The header that is encoded so.

        :raises Invalid: it is none
        """
        try:
            version, *rest = _LAYOUT.unpack(data)
        except error:
            raise Invalid(f"header: expected {HEADER_SIZE} bytes, got {len(data)}") from None
        if version != _VERSION:
            raise Invalid(f"header: expected version {_VERSION}, got {version}")
        return cls._make(rest)

    def to_bytes(self) -> bytes:
        """Its one encoding."""
        return _LAYOUT.pack(_VERSION, *self)

    @property
    def id(self) -> bytes:
        """What the block is known by, 32 bytes."""
        return sha256(self.to_bytes()).digest()


class Entry(NamedTuple):
    """A header, with its id and all the work that is in it and its ancestors."""

    id: bytes
    header: Header
    work: int


class Block(NamedTuple):
    """A header and the transfers that it stands for."""

    id: bytes
    header: Header
    transfers: tuple[Transfer, ...]

    @classmethod
    def of(cls, header: Header, body: bytes, *, max_transfers: int) -> "Block":
        """A header and its transfers, encoded.

        :raises Invalid: they are not those that the header stands for, or too many
        """
        if sha256(body).digest() != header.body:
            raise Invalid(f"block {header.height}: its transfers are not those that the header stands for")
        transfers = decode_all(body)
        if len(transfers) > max_transfers:
            raise Invalid(f"block {header.height}: expected at most {max_transfers} transfers, got {len(transfers)}")
        return cls(header.id, header, transfers)

    @classmethod
    def from_bytes(cls, data: bytes, *, max_transfers: int) -> "Block":
        """The block that is encoded so.

        :raises Invalid: it is none
        """
        return cls.of(Header.from_bytes(data[:HEADER_SIZE]), data[HEADER_SIZE:], max_transfers=max_transfers)

    @classmethod
    def draft(
        cls, parent: Entry, transfers: tuple[Transfer, ...], *, miner: bytes, time: int, difficulty: int
    ) -> "Block":
        """A block that still lacks its proof of work: see `search` and `with_nonce`."""
        body = sha256(encode_all(transfers)).digest()
        header = Header(parent.header.height + 1, parent.id, body, miner, time, difficulty)
        return cls(header.id, header, transfers)

    def with_nonce(self, nonce: int) -> "Block":
        """The same with another nonce."""
        header = self.header._replace(nonce=nonce)
        return Block(header.id, header, self.transfers)

    @property
    def body(self) -> bytes:
        """Its transfers, encoded."""
        return encode_all(self.transfers)

    def to_bytes(self) -> bytes:
        """Its one encoding."""
        return self.header.to_bytes() + self.body


def genesis(rules: Rules) -> Block:
    """The first block of a network, that nobody mined."""
    header = Header(0, bytes(32), rules.digest, NOBODY, rules.genesis_time, rules.difficulty)
    return Block(header.id, header, ())


def has_work(header: Header, block_id: bytes) -> bool:
    """Whether the id of a header is one of those that only one in `difficulty` is."""
    return block_id <= _target(header)


def search(header: Header, start: int, count: int) -> int | None:
    """The first nonce of `count` from `start` on that makes a proof of work; None where there is none."""
    before, target, pack, sha = header.to_bytes()[: -_NONCE.size], _target(header), _NONCE.pack, sha256
    for nonce in range(start, start + count):
        if sha(before + pack(nonce)).digest() <= target:
            return nonce
    return None


def _target(header: Header) -> bytes:
    return (_LARGEST // header.difficulty).to_bytes(32, "big")
