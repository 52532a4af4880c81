"""`pubsub subscribe`, `pubsub publish`, and `node --topic`."""

import base64
import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

#: seconds that anything may take
PATIENCE = 60

backends = pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])


@pytest.fixture(scope="module")
def relay(start: Any) -> Iterator[Any]:
    """A node that passes on two topics."""
    with start("--topic", "news", "--topic", "weather", "--topic", "news") as served:
        yield served


def joined(relay: Any, topic: str) -> None:
    """Wait until somebody has come into the node's mesh of a topic."""
    while (event := relay.event())["event"] != "peer_grafted" or event["topic"] != topic:
        pass


@backends
def test_what_is_published_is_printed_where_it_is_subscribed_to(run: Any, spawn: Any, relay: Any, backend: str) -> None:
    arguments = ["news", "--connect", relay.addr, "--backend", backend, "--json"]
    with spawn("pubsub", "subscribe", *arguments, "--count", 4) as subscriber:
        joined(relay, "news")
        result = run("pubsub", "publish", *arguments, "hello", "grüße")
        assert (result.code, result.err) == (0, "")
        with spawn("pubsub", "publish", *arguments) as publisher:
            out, err = publisher.communicate(b"a line\r\n\xff\xfe", timeout=PATIENCE)
        assert err == b""
        lines, err = subscriber.communicate(timeout=PATIENCE)
        assert err == b""
    assert subscriber.returncode == 0
    sent = [*result.records, *map(json.loads, out.splitlines())]
    assert [record.keys() for record in sent] == [{"topic", "id", "peers"}] * 4
    assert all(record["peers"] >= 1 for record in sent)
    got = [json.loads(line) for line in lines.splitlines()]
    assert [(record["data"], record["encoding"]) for record in got] == [
        ("hello", "utf-8"),
        ("grüße", "utf-8"),
        ("a line", "utf-8"),
        (base64.b64encode(b"\xff\xfe").decode(), "base64"),
    ]
    assert [(record["topic"], record["id"]) for record in got] == [("news", record["id"]) for record in sent]
    assert got[0]["source"] == got[1]["source"] != got[2]["source"]


def test_a_person_sees_who_said_what_and_how_much_was_sent(run: Any, spawn: Any, relay: Any) -> None:
    with spawn("pubsub", "subscribe", "news", "--connect", relay.addr, "--count", 1) as subscriber:
        joined(relay, "news")
        assert run("pubsub", "publish", "news", "--connect", relay.addr, "x").out == "1 message published to news\n"
        out, _ = subscriber.communicate(timeout=PATIENCE)
    assert out.startswith(b"12D3Koo")
    assert out.endswith(b"  x\n")


def test_two_may_meet_without_a_node_between_them(spawn: Any, run: Any) -> None:
    with spawn("node", "--json", "--topic", "t") as node:
        addr = json.loads(node.stdout.readline())["addrs"][0]
        assert json.loads(node.stdout.readline()) == {"event": "topic_joined", "topic": "t"}
        result = run("pubsub", "publish", "t", "--connect", addr, "--listen", "/ip4/127.0.0.1/tcp/0", "x")
        assert (result.code, result.out) == (0, "1 message published to t\n")
        node.send_signal(signal.SIGTERM)
        out, err = node.communicate(timeout=PATIENCE)
    assert (node.returncode, err) == (0, b"")
    assert b"peer_connected" in out


def test_a_node_tells_a_person_its_topics(spawn: Any) -> None:
    with spawn("node", "--topic", "t") as node:
        line = node.stdout.readline()
        while b"topic" not in line:
            line = node.stdout.readline()
        assert line.split() == [b"topic", b"t"]
        node.send_signal(signal.SIGINT)
        assert node.wait(timeout=PATIENCE) == 0


def test_nobody_to_publish_to_is_an_error(run: Any, relay: Any) -> None:
    result = run("pubsub", "publish", "void", "--connect", relay.addr, "--wait", "0.3", "x")
    assert (result.code, result.out) == (1, "")
    assert result.complaint == "p2pstack: nobody in the topic void was found in 0.3 s"


def test_a_line_that_is_too_long_is_an_error(spawn: Any, relay: Any) -> None:
    with spawn("pubsub", "publish", "weather", "--connect", relay.addr) as publisher:
        _, err = publisher.communicate(b"x" * (2 << 20), timeout=PATIENCE)
    assert publisher.returncode == 1
    assert b"a line of standard input is longer than 1048576 bytes" in err


def test_messages_may_be_large_or_empty(run: Any, relay: Any) -> None:
    result = run("pubsub", "publish", "weather", "--connect", relay.addr, "x" * 100_000, "")
    assert (result.code, result.out) == (0, "2 messages published to weather\n")


@pytest.mark.parametrize("command", ["subscribe", "publish"])
def test_a_node_that_is_not_there_is_one_line(run: Any, command: str) -> None:
    result = run("pubsub", command, "t", "--connect", "/ip4/127.0.0.1/tcp/1")
    assert (result.code, result.out) == (1, "")
    assert "/ip4/127.0.0.1/tcp/1" in result.complaint


@pytest.mark.parametrize("command", ["subscribe", "publish"])
def test_without_anybody_to_talk_to_it_is_wrong_usage(run: Any, command: str) -> None:
    result = run("pubsub", command, "t")
    assert result.code == 2
    assert "give at least one node to --connect to" in result.complaint


def test_a_subscriber_whose_last_peer_goes_says_so(spawn: Any) -> None:
    with spawn("node", "--json", "--topic", "t") as node:
        addr = json.loads(node.stdout.readline())["addrs"][0]
        with spawn("pubsub", "subscribe", "t", "--connect", addr) as subscriber:
            while json.loads(node.stdout.readline())["event"] != "peer_joined":
                pass
            node.kill()
            out, err = subscriber.communicate(timeout=PATIENCE)
    assert (subscriber.returncode, out, err) == (1, b"", b"p2pstack: the last peer has gone\n")


def test_a_signal_ends_a_subscriber_in_order(spawn: Any, relay: Any) -> None:
    with spawn("pubsub", "subscribe", "weather", "--connect", relay.addr, stdin=subprocess.DEVNULL) as subscriber:
        joined(relay, "weather")
        subscriber.send_signal(signal.SIGINT)
        assert subscriber.communicate(timeout=PATIENCE)[1] == b""
    assert subscriber.returncode == 0
