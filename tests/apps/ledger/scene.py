"""A small ledger to try things on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio

from p2pstack import PrivateKey
from p2pstack.apps.ledger.block import Block, search
from p2pstack.apps.ledger.chain import Change
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.rules import Rules
from p2pstack.apps.ledger.transfer import Transfer
from p2pstack.identity.ed25519 import Ed25519PrivateKey

FUNDS = 1_000
#: seconds that a test waits for what has to come
PATIENCE = 120


@dataclass
class Scene:
    """Some people with money, and the time."""

    keys: Sequence[PrivateKey] = tuple(Ed25519PrivateKey.from_seed(bytes([number]) * 32) for number in range(4))
    rules: Rules = field(init=False)
    now: int = field(init=False)

    def __post_init__(self) -> None:
        self.rules = self.make_rules()
        self.now = self.rules.genesis_time + 1_000_000

    def make_rules(self, **others: object) -> Rules:
        allocation = tuple((key.public_key.raw, FUNDS) for key in self.keys[:-1])
        given = {"network": "test", "difficulty": 2, "retarget": 0, "block_time": 1_000, "allocation": allocation}
        return Rules(**{**given, **others})  # type: ignore[arg-type]

    @property
    def accounts(self) -> list[bytes]:
        return [key.public_key.raw for key in self.keys]

    def pay(self, payer: int, payee: int, amount: int, *, number: int = 0, fee: int = 1) -> Transfer:
        return Transfer.signed(
            self.keys[payer], self.accounts[payee], amount, fee=fee, number=number, network=self.rules.network
        )

    def make(self, ledger: Ledger, *transfers: Transfer, miner: int = -1, later: int = 1_000) -> Block:
        """A block on top of a ledger's tip, with proof of work, and whatever transfers are given."""
        self.now += later
        tip = ledger.tip
        difficulty, _ = ledger.chain.demands(tip, ledger.store.entry)
        return mined(Block.draft(tip, transfers, miner=self.accounts[miner], time=self.now, difficulty=difficulty))

    def extend(self, ledger: Ledger, *transfers: Transfer, miner: int = -1, later: int = 1_000) -> Block:
        block = self.make(ledger, *transfers, miner=miner, later=later)
        ledger.add_block(block, self.now)
        return block

    def chain_of(self, ledger: Ledger) -> list[Block]:
        """All blocks that count, but for the first."""
        ids = [ledger.store.id_at(height) for height in range(1, ledger.height + 1)]
        return [ledger.store.block(block_id) for block_id in ids if block_id is not None]

    def copy(self, ledger: Ledger) -> Ledger:
        """Another node that has the same chain."""
        other = Ledger(ledger.rules)
        for block in self.chain_of(ledger):
            assert isinstance(other.add_block(block, self.now), Change)
        return other


def mined(block: Block) -> Block:
    """With its proof of work."""
    nonce = search(block.header, 0, 1 << 20)
    assert nonce is not None
    return block.with_nonce(nonce)


def audit(ledger: Ledger) -> None:
    """Do again by hand what the chain says, and compare."""
    balances: dict[bytes, int] = dict(ledger.rules.allocation)
    numbers: dict[bytes, int] = {}
    for height in range(1, ledger.height + 1):
        block_id = ledger.store.id_at(height)
        assert block_id is not None
        block = ledger.store.block(block_id)
        assert block.header.id == block_id
        for transfer in block.transfers:
            assert transfer.number == numbers.get(transfer.sender, 0)
            assert balances[transfer.sender] >= transfer.cost
            numbers[transfer.sender] = transfer.number + 1
            balances[transfer.sender] -= transfer.cost
            balances[transfer.recipient] = balances.get(transfer.recipient, 0) + transfer.amount
            assert ledger.store.height_of(transfer.id) == height
        earned = ledger.rules.reward + sum(transfer.fee for transfer in block.transfers)
        balances[block.header.miner] = balances.get(block.header.miner, 0) + earned
    kept = ledger.store.accounts(balances)
    assert {key: account.balance for key, account in kept.items()} == balances
    assert {key: account.number for key, account in kept.items() if account.number} == numbers
    assert ledger.store.supply == ledger.rules.supply(ledger.height) == sum(balances.values())


async def until(condition: Callable[[], object]) -> None:
    """Wait for what nobody tells."""
    with anyio.fail_after(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await anyio.sleep(0.005)
