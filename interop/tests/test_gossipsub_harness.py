"""The app for the harness's gossipsub tests: scripts as the harness makes them, run by several implementations."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

HARNESS = Path(__file__).parents[1] / "harness"
DEADLINE = 120

sys.path.insert(0, str(HARNESS))
from network import node_id_of, node_key  # noqa: E402
from script import ScriptError  # noqa: E402

Instruction = dict[str, Any]
Run = Callable[..., list[list[dict[str, Any]]]]

TOPIC = "foobar"
HEARTBEAT = {"HeartbeatInterval": 200_000_000, "HeartbeatInitialDelay": 100_000_000}

each_backend = pytest.mark.parametrize("ours", ["p2pstack:asyncio", "p2pstack:uvloop", "p2pstack:trio"])


def test_the_keys_of_nodes_are_those_of_the_other_apps() -> None:
    """Source: the test of the harness's own rust app."""
    told = "".join(f">{node_id}:{node_key(node_id).peer_id}\n" for node_id in range(10_000))
    expected = "11395ea896d00ca25f7f648ebb336488ee092096a5498d90d76b92eaec27867a"
    assert hashlib.sha256(told.encode()).hexdigest() == expected


def test_a_nodes_number_is_in_its_hosts_name() -> None:
    assert node_id_of("node12") == 12
    with pytest.raises(ScriptError, match="expected a host by the name of node<number>, got 'node'"):
        node_id_of("node")


@pytest.fixture
def run(tmp_path: Path, programs: Mapping[str, Sequence[str]]) -> Run:
    """Runs a script by several nodes; what each told."""

    def run(script: Sequence[Instruction], nodes: Sequence[str]) -> list[list[dict[str, Any]]]:
        params = tmp_path / "params.json"
        params.write_text(json.dumps({"script": script}))
        words = [sys.executable, str(HARNESS / "loopback.py"), "--params", str(params), "--out", str(tmp_path), *nodes]
        done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE, check=False)
        for log in sorted(tmp_path.glob("*.log")):
            sys.stderr.write(f"--- {log.stem}\n{log.read_text()[-3000:]}")
        assert done.returncode == 0, done.stderr
        files = [tmp_path / f"node{node_id}.ndjson" for node_id in range(len(nodes))]
        return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]

    return run


def only(node_id: int, instruction: Instruction) -> Instruction:
    return {"type": "ifNodeIDEquals", "nodeID": node_id, "instruction": instruction}


def wait_until(seconds: int) -> Instruction:
    return {"type": "waitUntil", "elapsedSeconds": seconds}


def begin(count: int, **parameters: int) -> list[Instruction]:
    """All nodes, in a ring."""
    return [
        {"type": "initGossipSub", "gossipSubParams": HEARTBEAT | parameters},
        wait_until(1),
        *(only(i, {"type": "connect", "connectTo": [(i + 1) % count]}) for i in range(count)),
    ]


def check_first_line(lines: list[dict[str, Any]], node_id: int) -> None:
    first = lines[0]
    assert (first["msg"], first["node_id"], first["id"]) == ("PeerID", node_id, str(node_key(node_id).peer_id))
    assert all(datetime.fromisoformat(line["time"]).tzinfo for line in lines)


def receipts(lines: list[dict[str, Any]]) -> list[str]:
    return [line["id"] for line in lines if line["msg"] == "Received Message"]


@each_backend
def test_every_message_reaches_every_other_node(run: Run, ours: str) -> None:
    nodes = [ours, "go", "rust", "p2pstack"]
    script = [
        *begin(len(nodes)),
        {"type": "subscribeToTopic", "topicID": TOPIC, "partial": False},
        {"type": "setTopicValidationDelay", "topicID": TOPIC, "delaySeconds": 0.005},
        wait_until(3),
        *(
            only(i % 4, {"type": "publish", "messageID": i, "messageSizeBytes": 96 << 10, "topicID": TOPIC})
            for i in range(8)
        ),
        wait_until(6),
    ]
    for node_id, lines in enumerate(run(script, nodes)):
        check_first_line(lines, node_id)
        others = {str(i) for i in range(8) if i % 4 != node_id}
        assert set(receipts(lines)) == others


def test_what_comes_again_is_told_again(run: Run) -> None:
    script = [
        *begin(3),
        {"type": "subscribeToTopic", "topicID": TOPIC, "partial": False},
        wait_until(3),
        *(only(0, {"type": "publish", "messageID": i, "messageSizeBytes": 100, "topicID": TOPIC}) for i in range(3)),
        wait_until(5),
    ]
    told = [receipts(lines) for lines in run(script, ["p2pstack", "p2pstack:uvloop", "p2pstack:trio"])]
    # The first may hear of its own: who has a message without an author from the other first sends it on.
    assert [set(ids) for ids in told[1:]] == [{"0", "1", "2"}, {"0", "1", "2"}]
    # What the first node sends to both others, at least one of these sends to the other.
    assert sum(map(len, told)) >= 9


def test_a_node_that_does_not_subscribe_publishes_by_fanout(run: Run) -> None:
    nodes = ["p2pstack", "go", "rust", "p2pstack:trio"]
    script = [
        *begin(len(nodes)),
        *(only(i, {"type": "subscribeToTopic", "topicID": TOPIC, "partial": False}) for i in (1, 2, 3)),
        wait_until(3),
        *(only(0, {"type": "publish", "messageID": i, "messageSizeBytes": 1000, "topicID": TOPIC}) for i in range(3)),
        wait_until(5),
    ]
    told = run(script, nodes)
    assert [set(receipts(lines)) for lines in told] == [set(), *[{"0", "1", "2"}] * 3]


def add_parts(group: int, parts: int) -> Instruction:
    return {"type": "addPartialMessage", "topicID": TOPIC, "groupID": group, "parts": parts}


def publish_parts(group: int, **options: Sequence[int]) -> Instruction:
    return {"type": "publishPartial", "topicID": TOPIC, "groupID": group, **options}


def completed(lines: list[dict[str, Any]]) -> list[int]:
    return [line["group id"] for line in lines if line["msg"] == "All parts received"]


@each_backend
def test_nodes_with_some_parts_each_come_to_have_them_all(run: Run, ours: str) -> None:
    nodes = ["go", ours, "rust", "p2pstack"]
    script = [
        *begin(len(nodes)),
        {"type": "subscribeToTopic", "topicID": TOPIC, "partial": True},
        wait_until(3),
        *(only(i, add_parts(42, 0b11 << 2 * i)) for i in range(4)),
        wait_until(4),
        publish_parts(42),
        wait_until(6),
    ]
    assert [completed(lines) for lines in run(script, nodes)] == [[42]] * 4


def test_all_parts_are_pushed_to_those_who_are_named(run: Run) -> None:
    nodes = ["p2pstack", "p2pstack:trio", "go"]
    script = [
        *begin(len(nodes)),
        {"type": "subscribeToTopic", "topicID": TOPIC, "partial": True},
        wait_until(3),
        only(0, add_parts(7, 0xFF)),
        only(0, publish_parts(7, publishToNodeIDs=[1, 2])),
        wait_until(5),
    ]
    assert [completed(lines) for lines in run(script, nodes)] == [[7]] * 3
