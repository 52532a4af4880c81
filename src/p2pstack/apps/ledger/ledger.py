"""One node's view: the chain, and the transfers that wait for it. Synchronous, and without a clock."""

from collections.abc import Iterator

from p2pstack.apps.ledger.accounts import Account
from p2pstack.apps.ledger.block import Block, Entry
from p2pstack.apps.ledger.chain import Chain, Change
from p2pstack.apps.ledger.pool import Pool
from p2pstack.apps.ledger.rules import Rules
from p2pstack.apps.ledger.store import Store
from p2pstack.apps.ledger.transfer import Transfer

__all__ = ["Ledger"]

#: signatures that are verified before others get their turn: 5 ms
_STEP = 64


class Ledger:
    """What a node does with blocks and transfers, wherever they come from.

    :param store: where it is kept; in memory unless given
    :param pool: where transfers wait
    """

    def __init__(self, rules: Rules, store: Store | None = None, pool: Pool | None = None) -> None:
        self.rules = rules
        self.store = store or Store(rules)
        self.pool = pool or Pool()
        self.chain = Chain(rules, self.store)

    @property
    def tip(self) -> Entry:
        """The last block that counts."""
        return self.store.tip

    @property
    def height(self) -> int:
        """How many blocks count, beside the first."""
        return self.tip.header.height

    def account(self, key: bytes) -> Account:
        """What an account has by the chain."""
        return self.store.accounts([key])[key]

    def verify_in_steps(self, block: Block) -> Iterator[None]:
        """Verify the signatures of a block a few at a time: the event loop has its turn between them.

        :raises Invalid: one does not hold
        """
        for start in range(0, len(block.transfers), _STEP):
            self.chain.verify(block.transfers[start : start + _STEP])
            yield

    def add_block(self, block: Block, now: int) -> Change | None:
        """Take a block, as `Chain.add`. Transfers that it includes wait no longer; those of undone blocks do again."""
        change = self.chain.add(block, now)
        if change is not None:
            self.pool.settle(change.accounts, change.returned)
        return change

    def add_transfer(self, transfer: Transfer) -> None:
        """Have a transfer wait for a block.

        :raises Invalid: its signature does not hold
        :raises Refused: as `Pool.check`
        """
        account = self.account(transfer.sender)
        self.pool.check(transfer, account)  # what is refused costs no verification
        self.chain.verify([transfer])
        self.pool.add(transfer, account)

    def draft(self, miner: bytes, now: int) -> Block:
        """The block to mine next: it lacks its proof of work.

        :param now: milliseconds since 1970
        """
        tip = self.tip
        difficulty, earliest = self.chain.demands(tip, self.store.entry)
        transfers = self.pool.choose(self.rules.max_transfers)
        return Block.draft(tip, transfers, miner=miner, time=max(now, earliest), difficulty=difficulty)
