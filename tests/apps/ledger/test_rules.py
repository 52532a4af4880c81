"""What a network agrees on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack import LocalProtocolError
from p2pstack.apps.ledger.block import genesis
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.rules import Rules

from .scene import Scene


def test_other_rules_have_another_first_block() -> None:
    ids = {genesis(rules).id for rules in (Rules(), Rules(network="other"), Rules(reward=1), Rules(retarget=7))}
    assert len(ids) == 4
    assert genesis(Rules()).id == genesis(Rules()).id


@given(st.integers(1, 1 << 64), st.integers(1, 1_000), st.integers(-(10**9), 10**12))
def test_the_difficulty_changes_by_no_more_than_four_and_never_ends(difficulty: int, blocks: int, taken: int) -> None:
    adjusted = Rules().adjusted(difficulty, blocks=blocks, taken=taken)
    assert 1 <= adjusted < 1 << 64
    assert difficulty // 4 <= adjusted or adjusted == 1 or adjusted == (1 << 64) - 1
    assert adjusted <= difficulty * 4 + 4


def test_blocks_that_come_twice_as_fast_become_twice_as_difficult() -> None:
    rules = Rules(block_time=1_000)
    assert rules.adjusted(1_000, blocks=60, taken=30_000) == 2_000
    assert rules.adjusted(1_000, blocks=60, taken=120_000) == 500


def test_the_difficulty_follows_the_time_between_blocks(scene: Scene) -> None:
    ledger = Ledger(scene.make_rules(retarget=10, difficulty=64))
    for _ in range(41):
        scene.extend(ledger, later=500)  # twice as fast as it should be
    by_height = [block.header.difficulty for block in scene.chain_of(ledger)]
    assert by_height[:9] == [64] * 9
    assert by_height[9:19] == [128] * 10
    assert by_height[19:29] == [256] * 10
    assert ledger.tip.header.difficulty == 1_024
    for _ in range(20):
        scene.extend(ledger, later=10_000)
    assert ledger.tip.header.difficulty == 1_024 // 4 // 4  # ten times too slow: down by four at most, twice


def test_senseless_rules_are_refused() -> None:
    for wrong in (
        {"network": ""},
        {"network": "a/b"},
        {"network": "x" * 33},
        {"block_time": 0},
        {"difficulty": 0},
        {"reward": -1},
        {"max_transfers": 5_001},
        {"retarget": -1},
    ):
        with pytest.raises(LocalProtocolError, match="Rules"):
            Rules(**wrong)  # type: ignore[arg-type]
