"""`p2pstack demo`: several hosts that call each other, and what a person sees of it."""

import json
import os
import random
import signal
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import pytest

from p2pstack.cli.demo.member import FILE, fetch, serve
from p2pstack.cli.demo.process import Member
from p2pstack.cli.run import Failed
from p2pstack.host import Host
from p2pstack.identity.keys import PrivateKey

#: seconds that anything may take
PATIENCE = 60
#: a demo of few hosts that goes on until somebody ends it
ENDLESS = ("--hosts", 3, "--file-bytes", 1_000, "--seconds", 3_600)


def test_every_file_and_every_message_arrives_as_it_was_sent(run: Any) -> None:
    result = run("demo", "--hosts", 3, "--file-bytes", 300_000, "--seconds", 0.6, "--json")
    assert (result.code, result.err) == (0, "")
    records = result.records
    listening, connected, received = (
        [record for record in records if record["event"] == event] for event in ("listening", "connected", "received")
    )
    names = [record["name"] for record in listening[:3]]
    assert [record["backend"] for record in listening] == ["asyncio", "uvloop", "trio", "asyncio"]
    assert len({record["peer_id"] for record in listening}) == 4
    pairs = [{record["from"], record["to"]} for record in connected]
    assert len(pairs) == 3
    assert all(pairs.count({one, other}) == 1 for one in names for other in names if one < other)
    assert all((record["security"], record["muxer"]) == ("/noise", "/yamux/1.0.0") for record in connected)
    assert [(record["bytes"], record["equal"]) for record in received] == [(300_000, True)] * 3
    assert records[-3:-1] == [{"event": "killed", "name": "bob"}, {"event": "joined", "name": "dan"}]
    assert len(records) == 4 + 3 + 3 + 2 + 1
    summary = records[-1]
    assert summary.pop("seconds") > 0
    assert summary.pop("published") >= 4
    assert summary.pop("received") > 4
    assert 0 < summary["delay_ms"]["median"] <= summary.pop("delay_ms")["p99"]
    assert summary == {
        "event": "summary", "hosts": 3, "connections": 3, "bytes": 900_000, "killed": "bob", "joined": "dan"
    }  # fmt: skip


@pytest.mark.parametrize("watched", [False, True])
def test_a_person_sees_who_is_connected_and_two_lines_at_the_end(
    run: Any, monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1" if watched else "0")
    monkeypatch.setenv("TERM", "xterm")
    result = run("demo", "--hosts", 3, "--file-bytes", 300_000, "--seconds", 0.6)
    assert (result.code, result.err) == (0, "")
    *_, first, second, empty, _try, share, chat, ledger, doc = result.out.splitlines()
    assert empty == ""
    commands = {share: "share README.md", chat: "chat lobby", ledger: "ledger node", doc: "doc notes"}
    for line, command in commands.items():
        assert f" {command} " in line
    assert first.removeprefix("\x1b[?25h").startswith(  # which shows the cursor again
        "3 hosts, a process each (1 on asyncio, 1 on uvloop, 1 on trio), called each other by peer id "
        "over 3 connections (TCP, noise yamux): 3 files came with the SHA-256 they left with, 900.0 kB in "
    )
    assert second.endswith("none twice, none missing, though bob was killed and dan joined meanwhile.")
    assert "1 same hash" in result.out
    assert "joined late" in result.out
    assert ("bob was killed\n" in result.out) is not watched
    assert ("ada reached bob at /ip4/127.0.0.1/tcp/" in result.out) is not watched


def test_a_host_that_does_not_start_is_one_line(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 7\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    result = run("demo", "--json")
    assert (result.code, result.out) == (1, "")
    assert result.complaint == "p2pstack: ada ended too early, with exit code 7"


def test_an_interrupt_ends_it_and_all_its_hosts(spawn: Any, uncounted: dict[str, str]) -> None:
    with spawn("demo", "--json", *ENDLESS, start_new_session=True, env=uncounted) as process:
        assert json.loads(process.stdout.readline())["event"] == "listening"
        hosts = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.communicate(timeout=PATIENCE)[1] == b""
    assert process.returncode == 128 + signal.SIGINT
    assert len(hosts) == 3
    for host in hosts:
        with pytest.raises(ProcessLookupError):
            os.kill(int(host), 0)


def test_a_reader_who_has_had_enough_ends_it_quietly(spawn: Any, uncounted: dict[str, str]) -> None:
    with spawn("demo", "--json", *ENDLESS, env=uncounted) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 128 + signal.SIGPIPE


@pytest.mark.parametrize("digest_of", ["the file", "another"])
async def test_a_file_with_another_hash_is_noticed(digest_of: str) -> None:
    file = random.Random(1).randbytes(200_000)
    digest = sha256(file if digest_of == "the file" else b"another").digest()
    told: list[dict[str, Any]] = []
    async with Host(listen=["/memory/0"]) as server, Host() as client:

        @server.handle(FILE)
        async def _(stream: Any) -> None:
            await serve(stream, file=file, digest=digest)

        with anyio.fail_after(PATIENCE):
            async with await client.open_stream(server.addrs[0], FILE) as stream:
                await fetch(stream, lambda **event: told.append(event))
    assert told[-1]["event"] == "received"
    assert told[-1]["bytes"] == len(file)
    assert told[-1]["equal"] is (digest_of == "the file")


async def test_what_a_host_fails_at_is_told_by_the_demo() -> None:
    member = await Member.start("ada", 0, file_bytes=10)
    async with member.process:
        peer = await member.event()
        await member.order(call={"bob": {"peer_id": str(PrivateKey.generate().peer_id), "addrs": peer["addrs"]}})
        with pytest.raises(Failed, match="ada could not do with bob"):
            await member.event()
        member.process.kill()
