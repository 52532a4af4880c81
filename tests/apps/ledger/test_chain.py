"""Which blocks are taken, and which of them count."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pstack.apps.ledger.accounts import Account, connect, disconnect, touched
from p2pstack.apps.ledger.block import Block
from p2pstack.apps.ledger.faults import Invalid, Orphan, Refused
from p2pstack.apps.ledger.ledger import Ledger

from .scene import Scene, audit, mined


def test_a_block_moves_money_and_pays_its_miner(scene: Scene) -> None:
    ledger = Ledger(scene.rules)
    scene.extend(ledger, scene.pay(0, 1, 100, fee=3), scene.pay(1, 0, 1_050, fee=2), miner=3)
    accounts = ledger.store.accounts(scene.accounts)
    assert [tuple(accounts[key]) for key in scene.accounts] == [(1_947, 1), (48, 1), (1_000, 0), (1_005, 0)]
    audit(ledger)


def test_the_chain_with_more_work_counts_and_what_was_undone_waits_again(scene: Scene) -> None:
    ours = Ledger(scene.rules)
    scene.extend(ours)
    theirs = scene.copy(ours)
    undone, twice = scene.pay(0, 1, 10), scene.pay(1, 2, 20)
    scene.extend(ours, undone, twice)
    branch = [scene.extend(theirs, scene.pay(1, 0, 900)), scene.extend(theirs)]

    assert ours.add_block(branch[0], scene.now) is None  # as much work: who was first stays
    change = ours.add_block(branch[1], scene.now)
    assert change is not None
    assert (change.removed, change.added) == (1, 2)
    assert ours.tip == theirs.tip
    assert list(ours.pool) == [undone]  # the other's money has gone elsewhere
    assert ours.store.height_of(undone.id) is None
    assert ours.store.history(scene.accounts[2], 10) == []
    audit(ours)
    scene.extend(ours, *ours.pool.choose(10))
    assert ours.store.height_of(undone.id) == 4
    assert len(ours.pool) == 0
    audit(ours)


def wrong_blocks(scene: Scene, ledger: Ledger) -> dict[str, Block]:
    good = scene.make(ledger, scene.pay(0, 1, 10))
    header = good.header

    def changed(**fields: Any) -> Block:
        return mined(good._replace(header=header._replace(**fields)))

    unworked = next(
        block for nonce in range(1_000) if int.from_bytes((block := good.with_nonce(nonce)).id, "big") >> 255
    )
    forged = scene.pay(0, 1, 10)._replace(signature=bytes(64))
    return {
        "expected height": changed(height=header.height + 1),
        "expected difficulty": changed(difficulty=3),
        "no proof of work": unworked,
        "expected a time": changed(time=scene.rules.genesis_time),
        "signature": scene.make(ledger, forged),
        "spends": scene.make(ledger, scene.pay(0, 1, 1_000)),
        "expected transfer 0": scene.make(ledger, scene.pay(0, 1, 1, number=1)),
        "expected transfer 1": scene.make(ledger, scene.pay(0, 1, 1), scene.pay(0, 2, 1)),
    }


def test_a_block_that_breaks_a_rule_is_refused_and_changes_nothing(scene: Scene) -> None:
    ledger = Ledger(scene.rules)
    for _ in range(3):
        scene.extend(ledger)
    tip = ledger.tip
    for why, block in wrong_blocks(scene, ledger).items():
        with pytest.raises(Invalid, match=why):
            ledger.add_block(block, scene.now)
        assert block.id not in ledger.store
        assert ledger.tip == tip
    audit(ledger)


def test_what_may_be_good_for_others_or_later_is_no_fault(scene: Scene) -> None:
    ledger, other = Ledger(scene.rules), Ledger(scene.rules)
    scene.extend(other)
    with pytest.raises(Orphan):
        ledger.add_block(scene.make(other), scene.now)
    early = scene.make(ledger)
    with pytest.raises(Refused, match="ahead of our clock"):
        ledger.add_block(early, scene.now - scene.rules.max_skew - 1)
    assert ledger.add_block(early, scene.now - scene.rules.max_skew) is not None


def test_a_branch_that_spends_what_is_not_there_leaves_all_as_it_was(scene: Scene) -> None:
    ours = Ledger(scene.rules)
    scene.extend(ours)
    theirs = scene.copy(ours)
    kept = scene.extend(ours, scene.pay(0, 1, 10))
    bad = scene.make(theirs, scene.pay(0, 1, 5_000))
    assert ours.add_block(bad, scene.now) is None  # beside the chain nobody looks at what it spends
    scene.now += 1_000
    on_top = Block.draft(
        ours.store.entry(bad.id), (), miner=scene.accounts[0], time=scene.now, difficulty=scene.rules.difficulty
    )
    on_top = mined(on_top)
    for _ in range(2):  # the second time it is known at once
        with pytest.raises(Invalid):
            ours.add_block(on_top, scene.now)
    assert ours.tip.id == kept.id
    assert bad.id not in ours.store
    with pytest.raises(Invalid, match="it or an ancestor spends"):
        ours.add_block(bad, scene.now)
    audit(ours)


def test_what_builds_on_a_block_that_was_found_out_is_found_out_too(scene: Scene) -> None:
    ours = Ledger(scene.rules)
    first = scene.extend(ours)
    scene.extend(ours)
    scene.extend(ours)

    def on(parent: bytes, *transfers: Any) -> Block:
        scene.now += 1_000
        entry = ours.store.entry(parent)
        draft = Block.draft(entry, transfers, miner=scene.accounts[0], time=scene.now, difficulty=2)
        return mined(draft)

    bad = on(first.id, scene.pay(0, 1, 5_000))
    assert ours.add_block(bad, scene.now) is None
    child, sibling = on(bad.id), on(bad.id)
    assert ours.add_block(child, scene.now) is None
    assert ours.add_block(sibling, scene.now) is None
    more = on(sibling.id)
    with pytest.raises(Invalid, match="a sender has"):
        ours.add_block(on(child.id), scene.now)
    with pytest.raises(Invalid, match="it or an ancestor spends"):
        ours.add_block(more, scene.now)
    assert sibling.id not in ours.store
    assert ours.height == 3


def test_a_locator_finds_where_chains_part(scene: Scene) -> None:
    ours = Ledger(scene.rules)
    for _ in range(40):
        scene.extend(ours)
    theirs = scene.copy(ours)
    for _ in range(3):
        scene.extend(ours)
    for _ in range(5):
        scene.extend(theirs)
    locator = ours.chain.locator()
    assert len(locator) < 20
    assert locator[-1] == ours.store.id_at(0)
    headers = theirs.chain.after(locator, 500)
    assert 5 <= len(headers) <= 9
    assert theirs.chain.after([bytes(32)], 500) == []
    assert theirs.chain.after([*ours.chain.locator()[:2]], 500) == []


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_to_undo_a_block_is_to_have_never_done_it(seed: int) -> None:
    scene, random = Scene(), Random(seed)
    ledger = Ledger(scene.rules)
    transfers, numbers = [], [0] * 4
    for _ in range(random.randrange(8)):
        payer, payee = random.randrange(3), random.randrange(4)
        transfers.append(
            scene.pay(payer, payee, random.randrange(1, 100), number=numbers[payer], fee=random.randrange(3))
        )
        numbers[payer] += 1
    block = scene.make(ledger, *transfers, miner=random.randrange(4))
    before = ledger.store.accounts(touched(block))
    accounts = dict(before)
    connect(block, accounts, reward=7)
    assert accounts != before
    assert sum(balance for balance, _ in accounts.values()) == sum(balance for balance, _ in before.values()) + 7
    disconnect(block, accounts, reward=7)
    assert accounts == before
    assert Account() == Account(0, 0)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_nodes_that_hear_the_same_in_any_order_agree(seed: int) -> None:
    scene, random = Scene(), Random(seed)
    miners = [Ledger(scene.rules) for _ in range(3)]
    blocks: list[Block] = []
    for _ in range(12):
        miner = random.choice(miners)
        number = miner.account(scene.accounts[0]).number
        pays = (
            [scene.pay(0, random.randrange(4), random.randrange(1, 60), number=number)] if random.random() < 0.7 else []
        )
        blocks.append(scene.extend(miner, *pays))
        if random.random() < 0.4:
            hear(random.choice(miners), blocks, scene.now)
    listener = Ledger(scene.rules)
    random.shuffle(blocks)
    for each in (*miners, listener):
        hear(each, blocks, scene.now)
        audit(each)
    assert len({each.tip.work for each in (*miners, listener)}) == 1


def hear(ledger: Ledger, blocks: list[Block], now: int) -> None:
    """All of them, whatever their order."""
    left = list(blocks)
    while left:
        again = []
        for block in left:
            try:
                ledger.add_block(block, now)
            except Orphan:
                again.append(block)
        assert len(again) < len(left)
        left = again
