"""A program that writes a ledger as fast as it can, and says so: to be killed."""

import sys
from pathlib import Path

from p2pstack.apps.ledger.block import Block
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.rules import Rules
from p2pstack.apps.ledger.store import Store
from p2pstack.apps.ledger.transfer import Transfer
from p2pstack.identity.ed25519 import Ed25519PrivateKey

KEYS = [Ed25519PrivateKey.from_seed(bytes([number]) * 32) for number in range(3)]
RULES = Rules(
    network="killed",
    difficulty=1,
    retarget=0,
    allocation=tuple((key.public_key.raw, 1_000_000) for key in KEYS),
)
NOW = RULES.genesis_time + 10**12


def main(path: Path) -> None:
    ledger = Ledger(RULES, Store(RULES, path))
    while True:
        tip = ledger.tip
        for key in KEYS:
            own = key.public_key.raw
            number = ledger.account(own).number + len(ledger.pool.of(own))
            ledger.add_transfer(
                Transfer.signed(key, KEYS[number % 3].public_key.raw, 5, fee=1, number=number, network="killed")
            )
        ledger.add_block(ledger.draft(KEYS[0].public_key.raw, NOW), NOW)
        if tip.header.height % 3 == 2:  # two others take the place of the last one
            for miner in KEYS[1:]:
                time = max(tip.header.time + 1, NOW)
                block = Block.draft(tip, (), miner=miner.public_key.raw, time=time, difficulty=1)
                ledger.add_block(block, NOW + 10**9)
                tip = ledger.store.entry(block.id)
        print(ledger.height, ledger.tip.id.hex(), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
