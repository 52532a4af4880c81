"""The scenarios of examples/scenarios: each does what it says at a small size, and the same in another process.

There each is played once with each of two hash seeds, or as often as `P2PSTACK_PLAY_TIMES` says.
"""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio import sleep

from p2pstack import GossipSub
from p2pstack.sim import Audience, Outcome, Simulation, run
from p2pstack.sim.hostile import KINDS, Hostile
from p2pstack.sim.scenario import Script

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "scenarios"
#: those of applications, which are played in tests/apps
OF_APPLICATIONS = {"ledger", "swarm"}
#: ten runs: a file, how many nodes, a seed, parameters
RUNS: list[tuple[str, int, int, dict[str, Any]]] = [
    ("attackers", 8, 1, {"publishings": 3, "kinds": "Silent,Dropper,Delayer,Replayer,Forger"}),
    ("attackers", 8, 2, {"publishings": 3, "kinds": "Announcer,Asker,Grafter,Pruner,Crowd"}),
    ("broadcast", 10, 3, {"messages": 3}),
    ("broadcast", 6, 3, {"messages": 3, "loss": 0.05}),
    ("churn", 8, 4, {"publishings": 8, "up": "5s", "down": "2s"}),
    ("churn", 8, 5, {"publishings": 8, "up": "5s", "down": "2s", "silently": True}),
    ("deaths", 10, 6, {"publishings": 3}),
    ("deaths", 10, 7, {"publishings": 3, "silently": True}),
    ("partition", 6, 6, {"seconds": 5}),
    ("slow_peer", 6, 8, {"publishings": 6}),
]
#: how often each is played with each of two hash seeds
TIMES = int(os.environ.get("P2PSTACK_PLAY_TIMES", "1"))
HASH_SEEDS = ["0", "4711"]
PROGRAM = """
import json, sys
from p2pstack.sim.scenario import Script
times, runs = json.loads(sys.stdin.read())
for path, nodes, seed, parameters in runs * times:
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


@pytest.mark.parametrize("hash_seed", HASH_SEEDS)
def test_the_same_seed_gives_the_same_run_in_another_process_with_another_hash_seed(
    outcomes: list[Outcome], hash_seed: str
) -> None:
    hashes = [outcome.trace_hash for outcome in outcomes]
    assert len(set(hashes)) == len(RUNS) == 10
    wanted = json.dumps([TIMES, [(str(FOLDER / f"{name}.py"), *rest) for name, *rest in RUNS]])
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=wanted, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == hashes * TIMES


def test_nodes_die_and_come_back(outcomes: list[Outcome]) -> None:
    assert all(outcome.facts["deaths"] > 0 for outcome in outcomes if outcome.scenario == "churn")


def test_a_scenario_runs_on_trio_too() -> None:
    first = play("broadcast", 4, 1, {"messages": 2}, backend="trio")
    assert first.delivered == first.expected == 6
    assert play("broadcast", 4, 1, {"messages": 2}, backend="trio").trace_hash == first.trace_hash


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_attacker_of_any_kind_is_noticed_by_nobody_who_listens(kind: type[Hostile]) -> None:
    outcome = play("attackers", 6, 1, {"publishings": 2, "part": 0.34, "kinds": kind.__name__})
    assert outcome.failure is None
    assert outcome.facts["attackers"] == [kind.__name__] * 2
    assert outcome.delivered == outcome.expected == 6
    assert outcome.twice == 0


def test_work_that_is_done_once_for_all_gives_what_it_gives_when_each_does_it() -> None:
    async def main(*, work_once: bool) -> str:
        network = Simulation(nodes=6, seed=5, services=lambda: [GossipSub()], work_once=work_once)
        async with network as net, Audience(net, "news") as news:
            await sleep(2)
            await news.publish(net.nodes[0])
            await sleep(2)
            assert news.delivered == 5
        return net.trace.hash

    assert run(partial(main, work_once=True)) == run(partial(main, work_once=False))
