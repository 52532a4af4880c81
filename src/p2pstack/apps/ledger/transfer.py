"""Transfers: what moves money from one account to another. Pure.

An account is an Ed25519 public key, 32 bytes; people see it as the peer id of that key. A transfer has one encoding, of
152 bytes with big-endian integers, so that nobody can change an id without breaking the signature or being its signer:

    sender 32 | recipient 32 | amount 8 | fee 8 | number 8 | signature 64

Each account numbers its transfers 0, 1, 2, ...: of two with the same number only one can ever be in a chain, which is
all there is to double spending. The signature covers the name of the network too: what is spent in one is
not in another.
"""

from collections.abc import Iterable
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

from p2pstack import KeyType, LocalProtocolError, P2PError, PeerId, PrivateKey, PublicKey
from p2pstack.apps.ledger.faults import Invalid

__all__ = ["MAX_AMOUNT", "NOBODY", "TRANSFER_SIZE", "Transfer", "account_of", "address_of", "decode_all", "encode_all"]

_LAYOUT = Struct(">32s32sQQQ64s")
_SIGNED = Struct(">32s32sQQQ")
#: what the protobuf message of an Ed25519 public key begins with
_KEY_HEAD = b"\x08\x01\x12\x20"
#: bytes of a transfer
TRANSFER_SIZE = _LAYOUT.size
#: what amounts, fees and numbers stay below, as a column of a database does
MAX_AMOUNT = 1 << 63
#: the account that the first block, which nobody mined, names as its miner's
NOBODY = bytes(32)


class Transfer(NamedTuple):
    """`amount` goes from `sender` to `recipient`, and `fee` to whoever mines it; `number` counts the sender's."""

    sender: bytes
    recipient: bytes
    amount: int
    fee: int
    number: int
    signature: bytes = b""

    @classmethod
    def signed(
        cls, key: PrivateKey, recipient: bytes, amount: int, *, fee: int, number: int, network: str
    ) -> "Transfer":
        """A transfer from the account of `key`.

        :raises LocalProtocolError: the key is not Ed25519, or a figure is out of its bounds
        """
        if key.type is not KeyType.ED25519:
            raise LocalProtocolError(f"expected an Ed25519 key to pay with, got one of type {key.type.name}")
        plain = cls(key.public_key.raw, recipient, amount, fee, number)
        if len(recipient) != 32 or not _in_bounds(plain):
            raise LocalProtocolError(
                f"expected an amount from 1, and a fee from 0, below 2**63, got {amount} and {fee}"
            )
        return plain._replace(signature=key.sign(plain._to_sign(network)))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Transfer":
        """The transfer that is encoded so.

        :raises Invalid: it is none
        """
        if len(data) != TRANSFER_SIZE:
            raise Invalid(f"transfer: expected {TRANSFER_SIZE} bytes, got {len(data)}")
        (transfer,) = decode_all(data)
        return transfer

    def to_bytes(self) -> bytes:
        """Its one encoding."""
        return _LAYOUT.pack(*self)

    @property
    def id(self) -> bytes:
        """What it is known by, 32 bytes."""
        return sha256(_LAYOUT.pack(*self)).digest()

    @property
    def cost(self) -> int:
        """What the sender has less afterwards."""
        return self.amount + self.fee

    def verify(self, network: str) -> bool:
        """Whether the sender has signed it, for this network."""
        return PublicKey.from_protobuf(_KEY_HEAD + self.sender).verify(self._to_sign(network), self.signature)

    def _to_sign(self, network: str) -> bytes:
        return b"p2pstack ledger transfer\0%b\0%b" % (network.encode(), _SIGNED.pack(*self[:5]))


def encode_all(transfers: Iterable[Transfer]) -> bytes:
    """Transfers, one behind the other."""
    pack = _LAYOUT.pack
    return b"".join([pack(*transfer) for transfer in transfers])


def decode_all(data: bytes) -> tuple[Transfer, ...]:
    """What `encode_all` encoded.

    :raises Invalid: no whole number of them, or a figure out of its bounds
    """
    if len(data) % TRANSFER_SIZE:
        raise Invalid(f"transfers: expected a multiple of {TRANSFER_SIZE} bytes, got {len(data)}")
    transfers = tuple(map(Transfer._make, _LAYOUT.iter_unpack(data)))
    if not all(map(_in_bounds, transfers)):
        raise Invalid("transfer: expected an amount from 1, and figures below 2**63")
    return transfers


def _in_bounds(transfer: Transfer) -> bool:
    _, _, amount, fee, number, _ = transfer
    return 0 < amount < MAX_AMOUNT and 0 <= fee < MAX_AMOUNT and 0 <= number < MAX_AMOUNT


def address_of(account: bytes) -> str:
    """An account as people see it."""
    return str(PublicKey.from_protobuf(_KEY_HEAD + account).peer_id)


def account_of(address: str) -> bytes:
    """The account that an address stands for.

    :raises LocalProtocolError: for none
    """
    try:
        key = PeerId.parse(address).public_key
    except P2PError as error:
        raise LocalProtocolError(f"expected an address such as `p2pstack ledger wallet` shows: {error}") from None
    if key is None or key.type is not KeyType.ED25519:
        raise LocalProtocolError(f"expected the address of an Ed25519 key, which begins with 12D3KooW, got {address}")
    return key.raw
