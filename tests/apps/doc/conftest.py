"""Processes that share a text, and waiting for what becomes of it."""

import json
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest

from p2pstack.apps.doc.messages import Kind
from p2pstack.apps.doc.service import SharedText

NAME = "Minutes of März"

Until = Callable[..., Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Wait until something holds, looking again whenever something happens to one of these texts."""

    async def until(condition: Callable[[], bool], *texts: SharedText) -> None:
        changed = anyio.Event()

        def note(kind: Kind, content: bytes) -> None:
            changed.set()

        with anyio.fail_after(120), ExitStack() as stack:
            for text in texts:
                stack.enter_context(text.watch(note))
            while not condition():
                changed = anyio.Event()
                await changed.wait()

    return until


class Node:
    """A process that shares a document."""

    def __init__(self, data: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "p2pstack", "doc", NAME, "--json", "--data", str(data), *arguments]
        if "--listen" not in arguments:
            command += ["--listen", "/ip4/127.0.0.1/tcp/0"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.seen: list[dict[str, Any]] = []
        self.text = ""
        self.addr = self.until(lambda event: event["event"] == "listening")["addrs"][0]
        self.url = "" if "--no-page" in arguments else self.until(lambda event: event["event"] == "page")["url"]

    def until(self, found: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read what it prints up to a line."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        for line in self.process.stdout:
            event = json.loads(line)
            self.seen.append(event)
            if event["event"] == "text":
                self.text = event["text"]
            if found(event):
                return event
        raise AssertionError(self.process.stderr.read())

    def has(self, *marks: str) -> None:
        """Wait until its text has these in it."""
        if not all(mark in self.text for mark in marks):
            self.until(lambda event: event["event"] == "text" and all(mark in event["text"] for mark in marks))

    def say(self, line: object) -> None:
        """Type a line without waiting for an answer."""
        assert self.process.stdin is not None
        print(line if isinstance(line, str) else json.dumps(line), file=self.process.stdin, flush=True)

    def edit(self, **edit: Any) -> None:
        """Make an edit, and wait until it is saved."""
        self.say(edit)
        self.until(lambda event: event["event"] == "saved")

    def kill(self) -> None:
        """End it at once."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Interrupt it: its exit code and what it complained about."""
        self.process.send_signal(number)
        _, complaints = self.process.communicate(timeout=120)
        return self.process.returncode, complaints


@pytest.fixture
def start() -> Iterator[Callable[..., Node]]:
    """Start a process that shares a document: `start(folder, "--connect", addr)`."""
    with ExitStack() as stack:

        def start(data: Path, *arguments: str) -> Node:
            node = Node(data, *arguments)
            stack.callback(node.kill)
            return node

        yield start
