"""Whole networks in virtual time: the scenario of examples/, at small sizes."""

from pathlib import Path

import pytest

from p2pstack.sim.scenario import Script

SCRIPT = Script.read(Path(__file__).resolve().parents[3] / "examples" / "scenarios" / "ledger.py")


@pytest.mark.parametrize("seed", [1])
def test_thieves_gain_nothing_while_nodes_crash_and_the_network_falls_apart(seed: int) -> None:
    parameters = {"seconds": 60.0, "apart": 12.0, "block_time": 2.0, "up": "30s"}
    outcome = SCRIPT.load().play(nodes=8, seed=seed, parameters=parameters)
    assert outcome.failure is None
    assert outcome.facts["crashes"] > 0
    assert outcome.facts["height"] > 15


def test_a_third_of_the_nodes_dies_and_nothing_that_somebody_was_sure_of_is_lost() -> None:
    parameters = {"seconds": 30.0, "apart": 0.5, "block_time": 1.0, "killed": 0.3, "thieves": 0.0}
    outcome = SCRIPT.load().play(nodes=10, seed=5, parameters=parameters)
    assert outcome.failure is None
    assert outcome.facts["sure payments"] > 5


def test_the_same_seed_gives_the_same_run() -> None:
    parameters = {"seconds": 10.0, "apart": 2.0, "block_time": 0.7, "up": "20s"}
    first, second = (SCRIPT.load().play(nodes=4, seed=3, parameters=parameters) for _ in range(2))
    assert first.failure is second.failure is None
    assert first.trace_hash == second.trace_hash


def test_a_hundred_nodes_agree_while_half_of_them_come_and_go() -> None:
    parameters = {"thieves": 0.0, "seconds": 5.0, "apart": 2.0, "block_time": 0.7, "up": "30s", "degree": 4}
    outcome = SCRIPT.load().play(nodes=100, seed=4, parameters=parameters)
    assert outcome.failure is None
    assert outcome.facts["crashes"] > 1
