"""A file with a scenario: what is in it, what is given to it, and how it fails."""

import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from p2pstack.errors import LocalProtocolError
from p2pstack.sim import Scenario, Stage, Trace, scenario
from p2pstack.sim.record import Case, Record
from p2pstack.sim.scenario import Script
from p2pstack.sim.sweep import cases, dask_executor, play_case, process_executor, sweep

TEXT = """
import anyio
from dataclasses import dataclass
from p2pstack import GossipSub
from p2pstack.sim import Stage, scenario

@dataclass
class Wait:
    seconds: "float"

@scenario(nodes=3, lasts=2)
async def little(stage: Stage, *, wait: float = 2.0, fail: str = "") -> None:
    async with (
        stage.network(services=lambda: [GossipSub()], security="plaintext") as net,
        stage.audience(net, "news") as news,
    ):
        await anyio.sleep(1)
        await news.publish(net.nodes[0])
        await anyio.sleep(Wait(wait).seconds)
        stage.facts["waited"] = wait
        assert fail != "expectation"
        assert fail != "named expectation", "it was not so"
        if fail == "error":
            raise RuntimeError("something else")
"""


@pytest.fixture
def script() -> Script:
    return Script("little.py", TEXT)


def test_it_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "little.py"
    path.write_text(TEXT)
    loaded = Script.read(path).load()
    assert (loaded.name, loaded.nodes, loaded.lasts) == ("little", 3, 2)
    assert loaded.parameters == {"wait": 2.0, "fail": ""}


def test_its_figures_are_in_the_outcome(script: Script) -> None:
    told: list[Stage] = []
    outcome = script.load().play(seed=5, parameters={"wait": 3.0}, watch=told.append)
    assert [(stage.nodes, stage.seed) for stage in told] == [(3, 5)]
    assert (outcome.scenario, outcome.nodes, outcome.seed, outcome.parameters) == ("little", 3, 5, {"wait": 3.0})
    assert (outcome.published, outcome.expected, outcome.delivered, outcome.twice) == (1, 2, 2, 0)
    assert len(outcome.delays) == 2
    assert outcome.coverage == 1
    assert outcome.facts == {"waited": 3.0}
    assert 4 < outcome.virtual_s < 6
    assert outcome.arrivals > 10
    assert outcome.bytes > 1_000
    record = outcome.record()
    assert record["p50_ms"] == pytest.approx(20, abs=0.1)
    assert "delays" not in record


def test_what_it_asserts_and_is_not_so_is_its_failure(script: Script) -> None:
    assert script.load().play(parameters={"fail": "named expectation"}).failure == "it was not so"
    failure = script.load().play(parameters={"fail": "expectation"}).failure
    assert failure == 'line 21: assert fail != "expectation"'


def test_its_other_errors_are_raised(script: Script) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        script.load().play(parameters={"fail": "error"})
    assert raised.group_contains(RuntimeError, match="something else")


def test_a_parameter_that_it_does_not_have(script: Script) -> None:
    with pytest.raises(LocalProtocolError, match="little has no parameter 'speed': expected wait, fail"):
        script.load().play(parameters={"speed": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected one function with @p2pstack.sim.scenario"),
        (TEXT + "other = scenario(nodes=2)(little.function)", "got 2"),
        ("def", "expected Python"),
    ],
)
def test_a_file_without_a_scenario(text: str, expected: str) -> None:
    with pytest.raises(LocalProtocolError, match=expected):
        Script("broken.py", text).load()


def test_a_scenario_need_not_be_in_a_file() -> None:
    @scenario(nodes=1)
    async def wait(stage: Stage) -> None:
        await anyio.sleep(stage.nodes)

    assert isinstance(wait, Scenario)
    outcome = wait.play(nodes=60)
    assert (outcome.virtual_s, outcome.coverage, outcome.quantile_ms(0.5)) == (60, 1, None)


# --- many


def test_every_seed_is_combined_with_every_size_and_all_parameters(script: Script) -> None:
    runs = cases(script, nodes=[2, 3], seeds=range(3), parameters={"wait": [1, 2], "fail": [""]})
    assert len(runs) == 12
    assert len({(case.nodes, case.seed, case.parameters["wait"]) for case in runs}) == 12
    assert runs[0].command == "p2pstack sim little.py --nodes=2 --seed=0 --set=wait=1 '--set=fail=\"\"'"


def test_an_error_in_a_sweep_is_the_failure_of_its_run(script: Script) -> None:
    outcome = play_case(Case(script=script, nodes=2, seed=1, parameters={"fail": "error"}))
    assert (outcome.nodes, outcome.seed, outcome.failure) == (2, 1, "RuntimeError: something else")
    with pytest.raises(LocalProtocolError):
        play_case(Case(script=script, nodes=2, seed=1, parameters={"speed": 1}))


def test_processes_play_what_is_played_here(script: Script) -> None:
    runs = cases(script, nodes=[2], seeds=range(3), parameters={})
    with process_executor(1) as executor:
        outcomes = list(sweep(runs, executor))
    assert {outcome.trace_hash for outcome in outcomes} == {play_case(case).trace_hash for case in runs}


def test_a_dask_cluster_plays_what_is_played_here(script: Script) -> None:
    pytest.importorskip("distributed", reason="Dask is not installed: pip install distributed")
    runs = cases(script, nodes=[2], seeds=range(3), parameters={})
    with dask_executor("local", processes=1) as executor:
        outcomes = list(sweep(runs, executor))
    assert {outcome.trace_hash for outcome in outcomes} == {play_case(case).trace_hash for case in runs}


def test_without_dask_it_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(LocalProtocolError, match=r"pip install 'p2pstack\[sweep\]'"), dask_executor("local"):
        pass


# --- kept


def test_what_was_kept_can_be_read_again(script: Script, tmp_path: Path) -> None:
    case, trace = Case(script=script, nodes=3, seed=1, parameters={"wait": 1.0}), Trace(keep=True)
    outcome = script.load().play(nodes=3, seed=1, parameters=case.parameters, trace=trace)
    path = tmp_path / "run.jsonl"
    Record.write(path, case, trace, outcome)
    record = Record.read(path)
    assert record.case == case
    assert record.hash == outcome.trace_hash
    assert record.first_difference(trace.events) is None
    assert [event["kind"] for event in record.events].count("heard") == 2
    changed: list[Any] = [*record.events]
    changed[3] = {"kind": "other"}
    assert record.first_difference(changed) == (record.events[3], {"kind": "other"})
    assert record.first_difference(record.events[:-1]) == (record.events[-1], None)


@pytest.mark.parametrize("text", ["", "{}\n{}", '{"kind": "run"}\n{"kind": "outcome"}', "no JSON", "[]\n[]"])
def test_a_file_that_is_no_run(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text(text)
    with pytest.raises(LocalProtocolError, match="expected a run, as `p2pstack sim --trace FILE` keeps it"):
        Record.read(path)
