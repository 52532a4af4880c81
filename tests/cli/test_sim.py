"""`p2pstack sim`: scenarios, once, again, and many times."""

import json
import os
import re
import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

#: seconds that anything may take
PATIENCE = 60

BROADCAST = Path(__file__).resolve().parents[2] / "examples" / "scenarios" / "broadcast.py"
FAILS = """
import anyio
from p2pstack.sim import Stage, scenario

@scenario(nodes=1)
async def doomed(stage: Stage, *, unlucky: int = 1, wait: float = 1.0) -> None:
    await anyio.sleep(wait)
    stage.facts["drawn"] = stage.seed
    assert stage.seed != unlucky, "an unlucky number"
"""


@pytest.fixture
def doomed(tmp_path: Path) -> Path:
    path = tmp_path / "doomed.py"
    path.write_text(FAILS)
    return path


def test_what_came_out_is_one_json_object(run: Any) -> None:
    result = run("sim", BROADCAST, "--nodes", 5, "--seed", 7, "--set", "messages=2", "--json")
    assert (result.code, result.err) == (0, "")
    (record,) = result.records
    assert re.fullmatch("[0-9a-f]{64}", record["trace_hash"])
    assert (record["nodes"], record["seed"], record["published"], record["delivered"]) == (5, 7, 2, 8)
    assert record["virtual_s"] > 10
    assert record["real_s"] > 0
    assert (
        run("sim", BROADCAST, "--nodes", 5, "--seed", 7, "--set", "messages=2", "--json").records[0]["trace_hash"]
        == (record["trace_hash"])
    )
    assert (
        run("sim", BROADCAST, "--nodes", 5, "--set", "messages=2", "--json").records[0]["trace_hash"]
        != (record["trace_hash"])
    )


@pytest.mark.parametrize("watched", [False, True])
def test_a_person_sees_a_summary_and_a_plot(run: Any, monkeypatch: pytest.MonkeyPatch, watched: bool) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1" if watched else "0")
    monkeypatch.setenv("TERM", "xterm")
    result = run("sim", BROADCAST, "--nodes", 5, "--set", "messages=2")
    assert (result.code, result.err) == (0, "")
    text = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", result.out)
    assert "broadcast with messages 2" in text
    assert "8 of 8 (100.000%)" in text
    assert "delivered within" in text
    assert "100.0%" in text
    assert "█" in text
    assert ("arrivals of bytes" in text) is watched


def test_what_is_kept_can_be_seen_again(run: Any, tmp_path: Path) -> None:
    trace, page, again = tmp_path / "run.jsonl", tmp_path / "run.svg", tmp_path / "again.svg"
    result = run("sim", BROADCAST, "--nodes", 4, "--set", "messages=1", "--trace", trace, "--page", page, "--json")
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert lines[0]["kind"] == "run"
    assert [line["kind"] for line in lines].count("heard") == 3
    assert lines[-1]["trace_hash"] == result.records[0]["trace_hash"]
    assert ElementTree.parse(page).getroot().tag.endswith("svg")

    result = run("sim", "--replay", trace, "--page", again, "--json")
    assert (result.code, result.err) == (0, "")
    assert result.records[0]["same"] is True
    assert page.read_bytes() == again.read_bytes()
    assert "the same again" in run("sim", "--replay", trace).out


def test_a_run_that_is_not_the_same_again_is_told(run: Any, tmp_path: Path) -> None:
    trace = tmp_path / "run.jsonl"
    assert run("sim", BROADCAST, "--nodes", 4, "--set", "messages=1", "--trace", trace).code == 0
    trace.write_text(trace.read_text().replace("range(messages)", "range(messages + 1)"))
    result = run("sim", "--replay", trace, "--json")
    assert result.code == 1
    assert result.records[0]["same"] is False
    assert "expected a run with the trace hash" in result.complaint
    assert "first was {'t': " in result.complaint


def test_a_failure_tells_what_plays_it_again(run: Any, doomed: Path) -> None:
    assert run("sim", doomed, "--seed", 2).code == 0
    result = run("sim", doomed, "--seed", 3, "--set", "unlucky=3", "--json")
    assert result.code == 1
    assert result.records[0]["failure"] == "an unlucky number"
    command = f"p2pstack sim {doomed} --nodes=1 --seed=3 --set=unlucky=3"
    assert result.complaint == f"p2pstack: an unlucky number; to see it again: {command}"
    assert run(*command.split()[1:]).code == 1


def test_a_sweep_tells_which_seed_fails(run: Any, doomed: Path) -> None:
    result = run("sim", doomed, "--seeds", 3, "--processes", 1, "--set", "wait=1", "--set", "wait=2", "--json")
    assert result.code == 1
    assert sorted((record["seed"], record["parameters"]["wait"]) for record in result.records) == [
        (seed, wait) for seed in range(3) for wait in (1, 2)
    ]
    assert [record["seed"] for record in result.records if record["failure"]] == [1, 1]
    assert result.complaint.startswith("p2pstack: 2 of 6 runs failed, with seed 1: an unlucky number; to see it again:")


def test_a_person_sees_a_sweep_as_a_table(run: Any) -> None:
    result = run("sim", BROADCAST, "--nodes", 3, "--nodes", 4, "--seeds", 2, "--set", "messages=1", "--processes", 1)
    assert (result.code, result.err) == (0, "")
    rows = [line.split() for line in result.out.splitlines()]
    assert ["3", "messages", "1", "2", "0", "4", "4"] in [row[:7] for row in rows]
    assert ["4", "messages", "1", "2", "0", "6", "6"] in [row[:7] for row in rows]
    assert "delivered within" in result.out


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        ((), 2, "give a SCENARIO.py"),
        ((BROADCAST, "--replay", "file"), 2, "--replay plays what is in its file"),
        ((BROADCAST, "--seeds", 2, "--trace", "file"), 2, "are of one run, and these are 2"),
        ((BROADCAST, "--nodes", 0), 2, "--nodes"),
        ((BROADCAST, "--set", "messages"), 1, "--set: expected NAME=VALUE, got 'messages'"),
        ((BROADCAST, "--set", "colour=red"), 1, "broadcast has no parameter 'colour'"),
        (("nowhere.py",), 1, "nowhere.py: No such file"),
        ((__file__,), 1, "expected one function with @p2pstack.sim.scenario"),
        (("--replay", BROADCAST), 1, "expected a run"),
    ],
)
def test_wrong_usage_is_one_line(run: Any, arguments: tuple[Any, ...], code: int, expected: str) -> None:
    result = run("sim", *arguments)
    assert (result.code, result.out) == (code, "")
    assert expected in result.complaint


def test_an_interrupt_ends_it(spawn: Any, tmp_path: Path) -> None:
    endless = tmp_path / "endless.py"
    endless.write_text(
        FAILS.replace("await anyio.sleep(wait)", "print('begun', flush=True)\n    while True: await anyio.sleep(1)")
    )
    with spawn("sim", endless) as process:
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE)[1] == b""
    assert process.returncode == 128 + signal.SIGINT


def test_an_interrupt_ends_a_sweep_and_all_its_processes(spawn: Any, tmp_path: Path) -> None:
    endless = tmp_path / "endless.py"
    endless.write_text(
        FAILS.replace(
            "await anyio.sleep(wait)",
            "import os; print(os.getpid(), flush=True)\n    while stage.seed: await anyio.sleep(1)",
        )
    )
    with spawn("sim", endless, "--seeds", 2, "--processes", 1, "--json", start_new_session=True) as process:
        lines = [process.stdout.readline() for _ in range(3)]  # one is what came out of the first
        playing = int(next(line for line in reversed(lines) if line.strip().isdigit()))
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.communicate(timeout=PATIENCE)[1] == b""
    assert process.returncode == 128 + signal.SIGINT
    with pytest.raises(ProcessLookupError):
        os.kill(playing, 0)
