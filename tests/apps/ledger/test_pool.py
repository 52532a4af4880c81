"""Transfers that wait for a block."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.apps.ledger.accounts import Account
from p2pstack.apps.ledger.faults import Invalid, Refused
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.pool import Pool
from p2pstack.apps.ledger.transfer import Transfer

from .scene import Scene


def transfer(sender: int, number: int, *, fee: int = 1, amount: int = 10) -> Transfer:
    return Transfer(bytes([sender]) * 32, bytes(32), amount, fee, number)


def put(pool: Pool, *some: Transfer, balance: int = 1_000, number: int = 0) -> None:
    for each in some:
        pool.check(each, Account(balance, number))
        pool.add(each, Account(balance, number))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (transfer(1, 2), "in a block already"),
        (transfer(1, 5), "expected transfer 4"),
        (transfer(1, 4, amount=990), "would spend"),
        (transfer(1, 4, fee=0), "fee of at least 1"),
        (transfer(1, 3), "waits already"),
        (transfer(1, 3, amount=11), "higher fee"),
    ],
)
def test_what_cannot_be_done_is_refused(wrong: Transfer, why: str) -> None:
    pool = Pool()
    put(pool, transfer(1, 3), number=3)
    with pytest.raises(Refused, match=why):
        pool.check(wrong, Account(1_000, 3))
    assert list(pool) == [transfer(1, 3)]


def test_a_higher_fee_takes_the_place() -> None:
    pool = Pool()
    put(pool, transfer(1, 0, fee=10), transfer(1, 1, fee=10), transfer(1, 0, fee=12))
    assert pool.of(bytes([1]) * 32) == (transfer(1, 0, fee=12), transfer(1, 1, fee=10))
    with pytest.raises(Refused, match="higher fee"):
        pool.check(transfer(1, 0, fee=13), Account(1_000))


def test_limits_hold() -> None:
    pool = Pool(max_transfers=4, max_per_sender=2)
    put(pool, *(transfer(sender, number, fee=5) for sender in (1, 2) for number in (0, 1)))
    with pytest.raises(Refused, match="2 transfers of this account wait"):
        pool.check(transfer(1, 2), Account(1_000))
    with pytest.raises(Refused, match="4 transfers wait, and none for a lower fee"):
        pool.check(transfer(3, 0, fee=5), Account(1_000))
    put(pool, transfer(3, 0, fee=6))
    assert len(pool) == len(list(pool)) == 4
    assert transfer(3, 0, fee=6) in list(pool)


def test_the_highest_fees_go_first_but_never_before_their_turn() -> None:
    pool = Pool()
    put(pool, transfer(1, 0, fee=1), transfer(1, 1, fee=100), transfer(2, 0, fee=50), transfer(3, 0, fee=2))
    chosen = [(each.sender[0], each.number) for each in pool.choose(10)]
    assert chosen == [(2, 0), (3, 0), (1, 0), (1, 1)]
    assert [(each.sender[0], each.number) for each in pool.choose(2)] == chosen[:2]
    assert Pool().choose(3) == ()


def test_undone_transfers_wait_again_and_those_that_were_done_do_not() -> None:
    pool = Pool(max_transfers=3)
    put(pool, transfer(1, 1), transfer(1, 2), number=1)
    sender = bytes([1]) * 32
    pool.settle({sender: Account(1_000, 2)})
    assert pool.of(sender) == (transfer(1, 2),)
    pool.settle({sender: Account(1_000, 0)}, [transfer(1, 0), transfer(1, 1), transfer(1, 2, fee=9)])
    assert pool.of(sender) == (transfer(1, 0), transfer(1, 1), transfer(1, 2))
    pool.settle({sender: Account(11, 0)})
    assert pool.of(sender) == (transfer(1, 0),)
    others = {bytes([number]) * 32: Account(1_000) for number in range(2, 6)}
    pool.settle(others, [transfer(number, 0, fee=number) for number in range(2, 6)])
    assert sorted(each.fee for each in pool) == [3, 4, 5]


@given(st.integers(0, 10**6))
def test_whatever_comes_queues_have_no_gaps_and_can_be_paid(seed: int) -> None:
    random = Random(seed)
    pool = Pool(max_transfers=12, max_per_sender=5)
    accounts = {bytes([sender]) * 32: Account(100, 0) for sender in range(4)}
    for _ in range(60):
        sender = random.randrange(4)
        key = bytes([sender]) * 32
        if random.random() < 0.15:
            accounts[key] = Account(random.randrange(120), random.randrange(4))
            returned = [transfer(sender, number, fee=random.randrange(1, 9)) for number in range(random.randrange(4))]
            pool.settle({key: accounts[key]}, returned)
        else:
            new = transfer(sender, random.randrange(6), fee=random.randrange(0, 20), amount=random.randrange(1, 40))
            try:
                put(pool, new, balance=accounts[key].balance, number=accounts[key].number)
            except Refused:
                continue
        assert len(list(pool)) == len(pool) <= 12
        for owner, (balance, number) in accounts.items():
            queue = pool.of(owner)
            assert [each.number for each in queue] == list(range(number, number + len(queue)))
            assert sum(each.cost for each in queue) <= balance
            assert len(queue) <= 5
        assert sorted(map(repr, pool.choose(100))) == sorted(map(repr, pool))


def test_a_transfer_is_checked_before_its_signature_is(scene: Scene) -> None:
    ledger = Ledger(scene.rules)
    forged = scene.pay(0, 1, 5)._replace(amount=6)
    with pytest.raises(Invalid, match="signature"):
        ledger.add_transfer(forged)
    with pytest.raises(Refused):
        ledger.add_transfer(forged._replace(amount=10**9))
    ledger.add_transfer(scene.pay(0, 1, 5))
    assert len(ledger.pool) == 1
