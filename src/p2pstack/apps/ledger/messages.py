"""What nodes and wallets say to each other: MessagePack arrays, each beginning with its name. Pure.

===============================  ======================================================================================
between nodes                    `/p2pstack/ledger/NETWORK-RULES/sync/1.0.0`
`GetHeaders`                     `Headers`: at most `MAX_HEADERS`, from behind the first id that the answerer has
`GetBodies`                      a `Body` for each id, in their order
from wallets                     `/p2pstack/ledger/NETWORK/wallet/1.0.0`
`GetAccount`                     `AccountState`
`Submit`                         `TransferState`
`GetTransfer`                    `TransferState`
`GetHistory`                     `History`: the newest first
whatever cannot be answered      `Failure`, with the reason
===============================  ======================================================================================

Topics: `/p2pstack/ledger/NETWORK-RULES/blocks` and `.../transfers`: their data is a block, or a transfer. RULES is what
the id of the first block begins with, 8 digits.
"""

from typing import Annotated, TypeAlias, TypeVar

from msgspec import Meta, Struct, msgpack

from p2pstack import RemoteProtocolError
from p2pstack.apps.malformed import MALFORMED

__all__ = [
    "MAX_BODIES",
    "MAX_HEADERS",
    "MAX_HISTORY",
    "MAX_REQUEST",
    "AccountState",
    "Body",
    "Failure",
    "GetAccount",
    "GetBodies",
    "GetHeaders",
    "GetHistory",
    "GetTransfer",
    "Headers",
    "History",
    "HistoryItem",
    "NodeRequest",
    "Submit",
    "TransferState",
    "WalletAnswer",
    "WalletRequest",
    "decode",
    "encode",
    "protocol",
]

#: headers in one answer, 64 KB of them
MAX_HEADERS = 500
#: blocks asked for at once
MAX_BODIES = 32
#: what happened to an account, in one answer
MAX_HISTORY = 500
#: bytes of one question
MAX_REQUEST = 4_096

Id: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Text: TypeAlias = Annotated[str, Meta(max_length=1_000)]


class _Message(Struct, frozen=True, array_like=True, tag=True, forbid_unknown_fields=True):
    """One thing said."""


class GetHeaders(_Message, frozen=True):
    """Which headers follow on those that I have? From the tip back, ever further apart."""

    locator: Annotated[tuple[Id, ...], Meta(max_length=64)]


class Headers(_Message, frozen=True):
    """These; fewer than `MAX_HEADERS` where there are no more."""

    headers: Annotated[tuple[Annotated[bytes, Meta(max_length=256)], ...], Meta(max_length=MAX_HEADERS)]


class GetBodies(_Message, frozen=True):
    """Which transfers are in these blocks?"""

    ids: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=MAX_BODIES)]


class Body(_Message, frozen=True):
    """These, encoded; None: the block is not known here."""

    transfers: bytes | None


class GetAccount(_Message, frozen=True):
    """What has this account?"""

    account: Id


class AccountState(_Message, frozen=True):
    """This, by a chain of this height; `next_number` counts those that wait for a block too."""

    balance: int
    number: int
    next_number: int
    height: int


class Submit(_Message, frozen=True):
    """Have this transfer wait for a block, and tell the others."""

    transfer: Annotated[bytes, Meta(max_length=256)]


class GetTransfer(_Message, frozen=True):
    """What became of this transfer?"""

    transfer: Annotated[bytes, Meta(max_length=256)]


class TransferState(_Message, frozen=True):
    """It is in the block of this height, with so many confirmations: blocks from this one to the tip. Or in none, and
    `waits` for one, or not."""

    id: Id
    height: int | None = None
    confirmations: int = 0
    waits: bool = False


class GetHistory(_Message, frozen=True):
    """What happened to this account last?"""

    account: Id
    count: Annotated[int, Meta(ge=1, le=MAX_HISTORY)]


class HistoryItem(_Message, frozen=True):
    """A transfer, encoded; None: a block that it mined. `time` is the block's."""

    height: int
    time: int
    transfer: bytes | None


class History(_Message, frozen=True):
    """This, the newest first; and the height of the chain, that confirmations count from."""

    height: int
    items: Annotated[tuple[HistoryItem, ...], Meta(max_length=MAX_HISTORY)]


class Failure(_Message, frozen=True):
    """It cannot be answered, and why."""

    reason: _Text


NodeRequest: TypeAlias = GetHeaders | GetBodies
WalletRequest: TypeAlias = GetAccount | Submit | GetTransfer | GetHistory
WalletAnswer: TypeAlias = AccountState | TransferState | History | Failure

M = TypeVar("M")


def protocol(network: str, what: str) -> str:
    """The name of a protocol or topic of a network."""
    return f"/p2pstack/ledger/{network}/{what}"


def encode(message: Struct) -> bytes:
    """A message as it travels."""
    return msgpack.encode(message)


def decode(data: bytes, decoder: msgpack.Decoder[M]) -> M:
    """What travelled so.

    :raises RemoteProtocolError: it is no message that the decoder expects
    """
    try:
        return decoder.decode(data)
    except (*MALFORMED, ValueError) as error:
        raise RemoteProtocolError(f"ledger: {error}") from None
