"""`p2pstack node`."""

import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

backends = pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])


@backends
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_tells_where_it_listens_and_who_comes_and_goes_and_ends_in_order(
    run: Any, start: Any, tmp_path: Path, backend: str, number: int
) -> None:
    (key,) = run("key", "new", tmp_path / "node.key", "--json").records
    with start(
        "--key", str(tmp_path / "node.key"), "--backend", backend,
        "--listen", "/ip4/127.0.0.1/tcp/0", "--listen", "/ip4/127.0.0.2/tcp/0",
    ) as served:  # fmt: skip
        assert served.listening.keys() == {"event", "peer_id", "addrs"}
        assert served.listening["event"] == "listening"
        assert served.peer_id == key["peer_id"]
        for ip, addr in zip(("127.0.0.1", "127.0.0.2"), served.listening["addrs"], strict=True):
            assert addr.startswith(f"/ip4/{ip}/tcp/")
            assert addr.endswith(f"/p2p/{key['peer_id']}")
            assert run("ping", addr, "--count", 1, "--json").code == 0
            events = [served.event()]
            while events[-1]["event"] != "peer_disconnected":
                events.append(served.event())
            assert events[0]["event"] == "peer_connected"
            assert {event["event"] for event in events[1:-1]} <= {"peer_identified"}
            assert events[0]["direction"] == "inbound"
            assert len({event["peer_id"] for event in events}) == 1
        result = served.end(number)
    assert (result.code, result.err) == (0, "")


def test_it_connects_to_those_it_is_told_of(start: Any, node: Any) -> None:
    with start("--connect", node.addr) as served:
        event = served.event()
        assert event.items() >= {
            "event": "peer_connected", "peer_id": node.peer_id, "direction": "outbound"
        }.items()  # fmt: skip
        assert event["addr"] == node.addr.partition("/p2p/")[0]


def test_a_node_that_cannot_be_reached_is_told_and_the_other_goes_on(start: Any, run: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}"
        with start("--connect", dead) as served:
            event = served.event()
            assert (event["event"], event["addr"]) == ("dial_failed", dead)
            assert run("ping", served.addr, "--count", 1).code == 0
            result = served.end()
    assert result.code == 0
    assert result.err.count("\n") == 1
    assert dead in result.err


def test_a_port_that_is_taken_is_one_line(run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        addr = f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}"
        result = run("node", "--listen", addr)
    assert (result.code, result.out) == (1, "")
    assert addr in result.complaint


@pytest.mark.parametrize("addr", ["/ip4/192.0.2.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"])
def test_an_address_it_cannot_listen_on_is_one_line(run: Any, addr: str) -> None:
    result = run("node", "--listen", addr)
    assert (result.code, result.out) == (1, "")
    assert addr in result.complaint


def test_a_key_that_is_none_is_one_line(run: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.key").write_bytes(b"x")
    result = run("node", "--key", tmp_path / "bad.key")
    assert (result.code, result.out) == (1, "")
    assert "holds no private key" in result.complaint


def test_a_person_watches_a_table_of_those_who_are_connected(spawn: Any, node: Any) -> None:
    terminal, program_side = os.openpty()
    shown = b""

    def read_until(text: bytes) -> None:
        nonlocal shown
        while text not in shown:
            shown += os.read(terminal, 65_536)

    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "250", "LINES": "40"}
    with spawn("node", "--connect", node.addr, stdin=program_side, stdout=program_side, env=environment) as process:
        os.close(program_side)
        read_until(b"listening on")
        read_until(b"nobody is connected")
        read_until(b"outbound")
        read_until(b"/noise /yamux/1.0.0")
        read_until(node.peer_id.encode())
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == b""
    os.close(terminal)
    assert process.returncode == 0
