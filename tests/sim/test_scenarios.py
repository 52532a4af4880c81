"""The scenarios of examples/scenarios: each does what it says at a small size, and does it again in another process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from p2pstack.sim import Outcome
from p2pstack.sim.scenario import Script

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "scenarios"
#: those of applications, which are played in tests/apps
OF_APPLICATIONS = {"ledger"}
#: ten runs: a file, how many nodes, a seed, parameters
RUNS: list[tuple[str, int, int, dict[str, Any]]] = [
    ("attackers", 8, 1, {"publishings": 4}),
    ("attackers", 12, 2, {"publishings": 3, "every": 0.2}),
    ("broadcast", 10, 3, {"messages": 3}),
    ("broadcast", 6, 3, {"messages": 3, "loss": 0.05}),
    ("churn", 8, 4, {"publishings": 8, "up": "5s", "down": "2s"}),
    ("churn", 8, 5, {"publishings": 8, "up": "5s", "down": "2s", "silently": True}),
    ("partition", 6, 6, {"seconds": 5}),
    ("partition", 6, 7, {"seconds": 5}),
    ("slow_peer", 6, 8, {"publishings": 6}),
    ("slow_peer", 6, 9, {"publishings": 6, "bandwidth": "1Mbit/s"}),
]
PROGRAM = """
import json, sys
from p2pstack.sim.scenario import Script
for path, nodes, seed, parameters in json.loads(sys.stdin.read()):
    print(Script.read(path).load().play(nodes=nodes, seed=seed, parameters=parameters).trace_hash)
"""


def play(name: str, nodes: int, seed: int, parameters: dict[str, Any], **options: Any) -> Outcome:
    return Script.read(FOLDER / f"{name}.py").load().play(nodes=nodes, seed=seed, parameters=parameters, **options)


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return [play(*each) for each in RUNS]


def test_every_scenario_is_played() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - OF_APPLICATIONS == {name for name, *_ in RUNS}


def test_what_they_expect_comes_true(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        assert outcome.failure is None
        assert outcome.delivered == outcome.expected > 10
        assert outcome.twice == 0
        assert outcome.virtual_s > 5


def test_the_same_seed_gives_the_same_run_in_another_process_with_another_hash_seed(outcomes: list[Outcome]) -> None:
    hashes = [outcome.trace_hash for outcome in outcomes]
    assert len(set(hashes)) == len(RUNS)
    wanted = json.dumps([(str(FOLDER / f"{name}.py"), *rest) for name, *rest in RUNS])
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=wanted, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == hashes


def test_nodes_die_and_come_back(outcomes: list[Outcome]) -> None:
    assert all(outcome.facts["deaths"] > 0 for outcome in outcomes if outcome.scenario == "churn")


def test_a_scenario_runs_on_trio_too() -> None:
    first = play("broadcast", 4, 1, {"messages": 2}, backend="trio")
    assert first.delivered == first.expected == 6
    assert play("broadcast", 4, 1, {"messages": 2}, backend="trio").trace_hash == first.trace_hash
