"""What a block does to accounts, and how that is undone. Pure.

A block needs no record of what was before it: each transfer is undone by its opposite, in the opposite order.
"""

from collections.abc import MutableMapping
from typing import NamedTuple, TypeAlias

from p2pstack.apps.ledger.block import Block
from p2pstack.apps.ledger.faults import Invalid

__all__ = ["Account", "Accounts", "connect", "disconnect", "touched"]


class Account(NamedTuple):
    """What an account has, and the number of its next transfer."""

    balance: int = 0
    number: int = 0


#: Accounts by their keys: all that a block touches have to be there.
Accounts: TypeAlias = MutableMapping[bytes, Account]


def touched(block: Block) -> set[bytes]:
    """The accounts that a block changes."""
    accounts = {block.header.miner}
    for transfer in block.transfers:
        accounts.add(transfer.sender)
        accounts.add(transfer.recipient)
    return accounts


def connect(block: Block, accounts: Accounts, *, reward: int) -> None:
    """Do what a block says. What it has changed before it raises is the caller's to forget.

    :raises Invalid: somebody spends what it does not have, or spends it twice
    """
    for transfer in block.transfers:
        balance, number = accounts[transfer.sender]
        if transfer.number != number:
            raise Invalid(
                f"block {block.header.height}: expected transfer {number} of its sender, got {transfer.number}"
            )
        if balance < transfer.cost:
            raise Invalid(f"block {block.header.height}: a sender has {balance} and spends {transfer.cost}")
        accounts[transfer.sender] = Account(balance - transfer.cost, number + 1)
        _add(accounts, transfer.recipient, transfer.amount)
        reward += transfer.fee
    _add(accounts, block.header.miner, reward)


def disconnect(block: Block, accounts: Accounts, *, reward: int) -> None:
    """Undo `connect`."""
    _add(accounts, block.header.miner, -reward - sum(transfer.fee for transfer in block.transfers))
    for transfer in reversed(block.transfers):
        _add(accounts, transfer.recipient, -transfer.amount)
        balance, number = accounts[transfer.sender]
        accounts[transfer.sender] = Account(balance + transfer.cost, number - 1)


def _add(accounts: Accounts, account: bytes, amount: int) -> None:
    balance, number = accounts[account]
    accounts[account] = Account(balance + amount, number)
