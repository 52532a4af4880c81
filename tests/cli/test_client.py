"""The commands that talk to a node: `ping`, `identify`, `perf`, `echo`."""

import contextlib
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from p2pstack.abc.connection import Stream
from p2pstack.cli.echo import echo
from p2pstack.cli.output import Output
from p2pstack.cli.pipes import StandardInput
from p2pstack.cli.run import Failed
from p2pstack.host import Host
from p2pstack.identity.keys import PrivateKey

COMMAND = [sys.executable, "-m", "p2pstack"]
backends = pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
clients = pytest.mark.parametrize("command", ["ping", "identify", "perf", "echo"])


@backends
def test_ping_prints_a_line_a_round_trip(run: Any, node: Any, backend: str) -> None:
    result = run("ping", node.addr, "--count", 3, "--json", "--backend", backend)
    assert (result.code, result.err) == (0, "")
    assert [list(record) for record in result.records] == [["rtt_ms"]] * 3
    assert all(0 < record["rtt_ms"] < 10_000 for record in result.records)


def test_ping_sums_up_for_a_person(run: Any, node: Any) -> None:
    result = run("ping", node.addr, "--count", 2)
    assert result.code == 0
    assert node.peer_id in result.out
    assert "2 round trips: least " in result.out


@backends
def test_identify_tells_what_was_learnt(run: Any, node: Any, backend: str) -> None:
    result = run("identify", node.addr, "--json", "--backend", backend)
    assert (result.code, result.err) == (0, "")
    (record,) = result.records
    assert record["peer_id"] == node.peer_id
    assert record["key_type"] == "ed25519"
    assert record["agent_version"].startswith("p2pstack/")
    assert {"/echo/1.0.0", "/perf/1.0.0", "/ipfs/ping/1.0.0", "/ipfs/id/1.0.0"} <= set(record["protocols"])
    assert record["listen_addrs"]
    assert record["observed_addr"].startswith("/ip4/127.0.0.1/tcp/")
    assert record.keys() == {
        "peer_id", "agent_version", "protocol_version", "key_type", "protocols", "listen_addrs", "observed_addr"
    }  # fmt: skip


def test_identify_names_each_protocol_for_a_person(run: Any, node: Any) -> None:
    result = run("identify", node.addr)
    assert result.code == 0
    assert "/echo/1.0.0\n" in result.out


def test_a_command_is_known_by_the_key_it_is_given(run: Any, start: Any, tmp_path: Path) -> None:
    path = tmp_path / "client.key"
    (made,) = run("key", "new", path, "--json").records
    with start() as served:
        assert run("ping", served.addr, "--count", 1, "--key", path, "--json").code == 0
        event = served.event()
    assert (event["event"], event["peer_id"]) == ("peer_connected", made["peer_id"])


@backends
def test_perf_measures_throughput_and_latency(run: Any, node: Any, backend: str) -> None:
    result = run(
        "perf", node.addr, "--upload-bytes", 1 << 20, "--download-bytes", 1 << 20, "--iterations", 2, "--json",
        "--backend", backend,
    )  # fmt: skip
    assert (result.code, result.err) == (0, "")
    assert len(result.records) == 2
    for record in result.records:
        assert record.keys() == {"upload_bytes_per_s", "download_bytes_per_s", "stream_ms", "connect_ms"}
        assert all(value > 0 for value in record.values())


@pytest.mark.parametrize("watched", [False, True])
def test_perf_shows_a_person_a_table_and_bars_while_bytes_move(
    run: Any, node: Any, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1" if watched else "0")
    monkeypatch.setenv("TERM", "xterm")
    result = run("perf", node.addr, "--upload-bytes", 1 << 20, "--download-bytes", 0)
    assert result.code == 0
    *_, head, row = result.out.splitlines()
    assert "new stream" in head
    assert row.count(" ms") == 2
    assert row.count("B/s") == 1
    assert row.rstrip().endswith("-")
    assert ("1.0/1.0 MB" in result.out) is watched


@backends
def test_echo_gives_back_what_came_in_byte_for_byte(node: Any, backend: str) -> None:
    data = random.Random(1).randbytes(3_000_000)
    result = subprocess.run(
        [*COMMAND, "echo", node.addr, "--backend", backend], input=data, capture_output=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == data


def test_echo_reads_and_writes_files(node: Any, uncounted: dict[str, str], tmp_path: Path) -> None:
    data = random.Random(2).randbytes(300_000)
    (tmp_path / "in").write_bytes(data)
    with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as sink:
        subprocess.run([*COMMAND, "echo", node.addr], stdin=source, stdout=sink, check=True, env=uncounted)
    assert (tmp_path / "out").read_bytes() == data


def test_echo_of_nothing_is_nothing(node: Any, uncounted: dict[str, str]) -> None:
    result = subprocess.run(
        [*COMMAND, "echo", node.addr], stdin=subprocess.DEVNULL, capture_output=True, check=False, env=uncounted
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def test_echo_answers_while_its_input_is_still_open(spawn: Any, node: Any, uncounted: dict[str, str]) -> None:
    with spawn("echo", node.addr, env=uncounted) as process:
        for line in (b"hello\n", b"again\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == line
        process.stdin.close()
        assert process.stdout.read() == b""
    assert process.returncode == 0


def test_echo_with_json_prints_hashes_in_place_of_bytes(node: Any) -> None:
    data = random.Random(3).randbytes(100_000)
    result = subprocess.run([*COMMAND, "echo", node.addr, "--json"], input=data, capture_output=True, check=True)
    digest = hashlib.sha256(data).hexdigest()
    expected = f'{{"bytes": 100000, "sent_sha256": "{digest}", "received_sha256": "{digest}"}}\n'
    assert result.stdout.decode() == expected


@pytest.mark.parametrize(
    "arguments", [["ping", "--json", "--count", "1000000"], ["ping", "--count", "1000000"], ["echo"]]
)
def test_a_reader_who_has_had_enough_ends_a_command_quietly(
    spawn: Any, node: Any, uncounted: dict[str, str], arguments: list[str]
) -> None:
    command, *options = arguments
    with spawn(command, node.addr, *options, env=uncounted) as process:
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # where it has noticed already
            process.stdin.write(b"again\n")
            process.stdin.flush()
        assert process.wait() == 128 + signal.SIGPIPE
        assert process.stderr.read() == b""


@backends
def test_an_interrupt_ends_a_command_cleanly(spawn: Any, node: Any, uncounted: dict[str, str], backend: str) -> None:
    options = ("--json", "--count", 1_000_000, "--interval", 0.01, "--backend", backend)
    with spawn("ping", node.addr, *options, env=uncounted) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == b""
    assert process.returncode == 128 + signal.SIGINT


@clients
@backends
def test_nobody_there_is_one_line(run: Any, command: str, backend: str) -> None:
    with socket.socket() as taken:  # bound and not listening: refuses, and nobody else can take it
        taken.bind(("127.0.0.1", 0))
        result = run(command, f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}", "--backend", backend)
    assert (result.code, result.out) == (1, "")
    assert "refused" in result.complaint


@clients
def test_somebody_else_there_is_one_line(run: Any, command: str, node: Any) -> None:
    other = str(PrivateKey.generate().peer_id)
    result = run(command, node.addr.replace(node.peer_id, other))
    assert (result.code, result.out) == (1, "")
    assert node.peer_id in result.complaint
    assert other in result.complaint


@clients
def test_an_address_of_no_transport_is_one_line(run: Any, command: str) -> None:
    result = run(command, "/ip4/127.0.0.1/udp/1/quic-v1")
    assert (result.code, result.out) == (1, "")
    assert "quic-v1" in result.complaint


@pytest.mark.parametrize(("command", "protocol"), [("perf", "/perf/1.0.0"), ("echo", "/echo/1.0.0")])
def test_a_node_that_does_not_speak_it_is_one_line(run: Any, bare_node: Any, command: str, protocol: str) -> None:
    result = run(command, bare_node.addr)
    assert (result.code, result.out) == (1, "")
    assert protocol in result.complaint


def test_a_key_file_that_is_not_there_is_one_line(run: Any, node: Any, tmp_path: Path) -> None:
    result = run("ping", node.addr, "--key", tmp_path / "none.key")
    assert (result.code, result.out) == (1, "")
    assert "key new" in result.complaint


def test_something_that_is_no_node_is_one_line(run: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def answer() -> None:
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(1 << 16)
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        result = run("ping", f"/ip4/127.0.0.1/tcp/{server.getsockname()[1]}")
        thread.join()
    assert (result.code, result.out) == (1, "")
    assert result.complaint


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(b"", "ended the echo after 0 of 5 bytes"), (b"world", "other bytes"), (b"hello again", "after 11 of 5 bytes")],
)
async def test_an_echo_that_is_none_is_noticed(
    answer: bytes, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(b"hello")
    source = os.open(tmp_path / "in", os.O_RDONLY)
    monkeypatch.setattr("p2pstack.cli.echo.StandardInput", lambda: StandardInput(source))
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as server:

        @server.handle("/echo/1.0.0")
        async def _(stream: Stream) -> None:
            async for _ in stream:
                pass
            await stream.send(answer)

        with pytest.raises(Failed, match=expected):
            await echo(Output(as_json=True), str(server.addrs[0]), key_file=None)
    os.close(source)


async def test_an_echo_that_ends_before_its_input_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    source, writer = os.pipe()
    monkeypatch.setattr("p2pstack.cli.echo.StandardInput", lambda: StandardInput(source))
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as server:

        @server.handle("/echo/1.0.0")
        async def _(stream: Stream) -> None:
            await stream.receive()

        os.write(writer, b"hello")
        with pytest.raises(Failed, match="ended the echo after 0 of 5 bytes"):
            await echo(Output(as_json=True), str(server.addrs[0]), key_file=None)
    os.close(source)
    os.close(writer)
