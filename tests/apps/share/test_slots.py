"""Whose turn it is."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.apps.share.slots import Slots


def test_slots_go_round() -> None:
    slots = Slots[str](3)
    slots.want("a", 8)
    slots.want("b", 1)
    assert slots.grants() == {"a": 2, "b": 1}
    slots.want("c", 8)
    served = Counter[str]()
    for holder in ("a", "a", "b", "a", "c", "a", "c"):
        slots.release(holder)
        served += slots.grants()
    assert abs(served["a"] - served["c"]) <= 1


def test_who_leaves_gives_back_what_it_had_and_is_not_served() -> None:
    slots = Slots[str](2)
    slots.want("a", 5)
    slots.grants()
    slots.leave("a")
    slots.leave("a")
    slots.want("b", 5)
    assert slots.grants() == {"b": 2}
    assert slots.outstanding("a") == 0


def test_who_has_no_slot_releases_none() -> None:
    slots = Slots[str](1)
    slots.release("a")
    slots.want("a", 9)
    assert slots.grants() == {"a": 1}


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from(["want", "release", "leave"]), st.integers(0, 4))))
def test_never_more_are_served_than_there_are_slots_and_nobody_waits_beside_a_free_one(
    total: int, steps: list[tuple[str, int]]
) -> None:
    slots = Slots[int](total)
    held, wanted = Counter[int](), Counter[int]()
    for step, peer in steps:
        if step == "want":
            slots.want(peer, 2)
            wanted[peer] += 2
        elif step == "leave":
            slots.leave(peer)
            held[peer] = wanted[peer] = 0
        else:
            slots.release(peer)
            held[peer] = max(held[peer] - 1, 0)
        grants = slots.grants()
        held += grants
        wanted = Counter({one: count - grants[one] for one, count in wanted.items()})
        assert min(wanted.values(), default=0) >= 0
        assert held.total() <= total
        assert held.total() == total or not wanted.total()
        assert all(slots.outstanding(one) == held[one] + wanted[one] for one in range(5))
