"""Choosing at random."""

from collections import Counter
from random import Random

import pytest

from p2pstack.pubsub.gossipsub.choice import pick


@pytest.mark.parametrize(("size", "count", "picked"), [(0, 3, 0), (3, 3, 3), (3, 9, 3), (90, 0, 0), (90, 64, 64)])
def test_as_many_are_picked_as_are_wanted_and_there(size: int, count: int, picked: int) -> None:
    assert len(set(pick(Random(1), range(size), count))) == picked


def test_many_are_picked_on_average_and_all_alike() -> None:
    random, chosen = Random(1), Counter[int]()
    sizes = []
    for _ in range(400):
        picked = pick(random, range(1_000), 250)
        sizes.append(len(picked))
        chosen.update(picked)
    assert 245 < sum(sizes) / 400 < 255
    assert min(sizes) > 190
    assert max(sizes) < 310
    assert len(chosen) == 1_000
    assert max(chosen.values()) < 2 * min(chosen.values())


def test_the_same_seed_picks_the_same() -> None:
    for count in (5, 70):
        assert pick(Random(7), range(100), count) == pick(Random(7), range(100), count)
