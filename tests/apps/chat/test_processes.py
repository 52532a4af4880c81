"""The command, in processes of their own: as programs use it."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

LOOPBACK = "/ip4/127.0.0.1/tcp/0"


class Process:
    """A chat that runs."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "p2pstack", "chat", "garden", "--json", "--data", str(folder), *arguments]
        self.folder = folder
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seen: list[dict[str, Any]] = []
        self.addr = self.until("listening")["addrs"][0]

    def until(self, event: str, **facts: Any) -> dict[str, Any]:
        """Read until something has happened, if it has not already."""
        assert self.process.stdout is not None
        wanted = {"event": event, **facts}
        for record in self.seen:
            if wanted.items() <= record.items():
                return record
        for line in self.process.stdout:
            record = json.loads(line)
            self.seen.append(record)
            if wanted.items() <= record.items():
                return record
        raise AssertionError(f"{wanted} did not happen: {self.seen}")

    def enter(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(40)


Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Process] = []

    def start(name: str, *arguments: str) -> Process:
        process = Process(tmp_path / name, "--listen", LOOPBACK, *arguments)
        running.append(process)
        return process

    yield start
    for one in running:
        with one.process as process:
            process.kill()


@pytest.mark.timeout(120)
def test_one_of_three_is_killed_and_nothing_that_was_kept_is_lost(start: Start) -> None:
    ann = start("ann", "--name", "ann")
    bob = start("bob", "--name", "bob", "--connect", ann.addr)
    eve = start("eve", "--name", "eve", "--connect", ann.addr, "--backend", "trio")
    eve.until("joined", name="bob")
    eve.until("joined", name="ann")
    bob.until("joined", name="eve")
    bob.enter("I have to go")
    entry = bob.until("kept")
    assert entry["others"] >= 1
    bob.process.kill()
    ann.enter("where is bob?")
    for person in (ann, eve):
        person.until("message", text="where is bob?")
    eve.enter("/msg ann he was killed")
    eve.until("delivered")
    ann.until("private", name="eve", text="he was killed")
    bob = start("bob", "--name", "bob", "--connect", eve.addr)
    assert bob.until("history", text="I have to go")["id"] == entry["id"]
    bob.until("history", text="where is bob?")
    zoe = start("zoe", "--name", "zoe", "--connect", bob.addr, "--backend", "uvloop")
    zoe.until("history", text="where is bob?")
    zoe.enter("hello all")
    assert zoe.end() == 0  # others have it
    for person in (ann, eve):
        person.until("message", text="hello all")
        texts = [record["text"] for record in person.seen if record["event"] in ("message", "history")]
        assert sorted(texts) == ["I have to go", "hello all", "where is bob?"]


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="nothing to wait for the end of another's child with")
@pytest.mark.timeout(120)
def test_what_it_offers_ends_with_it_even_when_it_is_killed(start: Start, tmp_path: Path) -> None:
    ann = start("ann", "--name", "ann")
    (tmp_path / "cat.jpg").write_bytes(b"meow")
    ann.enter(f"/file {tmp_path / 'cat.jpg'}")
    ann.until("message", name="ann")
    children = Path(f"/proc/{ann.process.pid}/task/{ann.process.pid}/children").read_text().split()
    (offered,) = map(os.pidfd_open, map(int, children))
    try:
        ann.process.kill()
        assert select.select([offered], [], [], 60)[0]
    finally:
        os.close(offered)


def test_two_with_the_same_files_are_told(start: Start, tmp_path: Path) -> None:
    start("ann")
    command = [sys.executable, "-m", "p2pstack", "chat", "garden", "--data", str(tmp_path / "ann")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert "is in use: another chat runs with it" in result.stderr
    assert len(result.stderr.splitlines()) == 1
