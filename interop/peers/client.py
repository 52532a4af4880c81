"""Drives a `peer pubsub`: what the tests, the benchmarks and the harness's stand-ins have in common.

What a peer takes and prints is said in README.md.
"""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from subprocess import PIPE
from typing import IO, Any

import anyio
from anyio.abc import Process

__all__ = ["PeerClient", "PeerFailed", "running_peer"]

#: Seconds for an answer, but to commands that take as long as their work does.
PATIENCE = 60.0
LONG = {"load"}


class PeerFailed(Exception):
    """A peer ended, or could not do what it was told."""


class PeerClient:
    """A running peer.

    :param on_event: called with each line that is no answer
    """

    def __init__(self, name: str, process: Process, on_event: Callable[[dict[str, Any]], None]) -> None:
        self.name = name
        self.process = process
        self.peer_id = self.addr = ""
        self._on_event = on_event
        self._answers_in, self._answers = anyio.create_memory_object_stream[dict[str, Any]](100)
        self._turn = anyio.Lock()
        self._over = anyio.Event()

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Tell it to do something; what it answers.

        :raises PeerFailed: it could not
        """
        assert self.process.stdin
        line = json.dumps({"do": command, **arguments}).encode() + b"\n"
        try:
            async with self._turn:
                await self.process.stdin.send(line)
                answer = await self._answer(None if command in LONG else PATIENCE)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise PeerFailed(f"the {self.name} node has ended") from None
        if answer["event"] == "failed":
            raise PeerFailed(f"{self.name} {command}: {answer['error']}")
        return answer

    async def read(self) -> None:
        """Take in what it prints, to its end."""
        assert self.process.stdout
        rest = b""
        with self._answers_in:
            async for chunk in self.process.stdout:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in map(json.loads, lines):
                    if line["event"] in ("done", "failed", "listening"):
                        self._answers_in.send_nowait(line)
                    else:
                        self._on_event(line)
        self._over.set()

    async def listening(self) -> None:
        """Wait until it can be dialled."""
        line = await self._answer(PATIENCE)
        self.peer_id, self.addr = line["peer_id"], line["addrs"][0]

    def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()

    async def end(self) -> None:
        self.kill()
        await self._over.wait()
        await self.process.aclose()
        self._answers.close()

    async def _answer(self, patience: float | None) -> dict[str, Any]:
        try:
            with anyio.fail_after(patience):
                return await self._answers.receive()
        except anyio.EndOfStream:
            raise PeerFailed(f"the {self.name} node has ended") from None
        except TimeoutError:
            raise PeerFailed(f"the {self.name} node said nothing for {patience:g} s") from None


@asynccontextmanager
async def running_peer(
    name: str,
    program: Sequence[str],
    config: Mapping[str, Any],
    *options: str,
    on_event: Callable[[dict[str, Any]], None],
    stderr: IO[bytes] | int | None = None,
) -> AsyncGenerator[PeerClient]:
    """Start `peer pubsub`; it is killed when the block ends.

    :param options: further arguments
    """
    words = [*program, "pubsub", "--config", json.dumps(config), *options]
    process = await anyio.open_process(words, stdin=PIPE, stdout=PIPE, stderr=stderr)
    peer = PeerClient(name, process, on_event)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(peer.read)
        try:
            await peer.listening()
            yield peer
        finally:
            with anyio.CancelScope(shield=True):
                await peer.end()
