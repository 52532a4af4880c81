"""Starts the hosts of the demo, introduces them to each other, and shows what they tell."""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from importlib.util import find_spec
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from rich.filesize import decimal

from p2pstack.cli.demo.links import Link, Links
from p2pstack.cli.demo.view import View
from p2pstack.cli.output import Output, rate
from p2pstack.cli.run import Backend, Failed

__all__ = ["demo"]

_NAMES = (
    "ada", "bob", "cleo", "dan", "eve", "finn", "gita", "hugo", "ines", "jan", "kira", "lars", "mina",
    "nils", "olga", "paul", "quin", "rosa", "sven", "tara", "udo", "vera", "wim", "xenia", "yuri", "zoe",
)  # fmt: skip
#: for all of it, in seconds
_DEADLINE = 300.0
#: how long a line of a member may be
_MAX_LINE = 65_536


class _Member:
    """A host in a process of its own."""

    def __init__(self, name: str, backend: Backend, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.name = name
        self.backend = backend
        self.peer: dict[str, Any] = {}
        self._process = process
        self._orders = process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def event(self) -> dict[str, Any]:
        """The next thing it tells."""
        try:
            return json.loads(await self._lines.receive_until(b"\n", _MAX_LINE))
        except (anyio.EndOfStream, anyio.IncompleteRead):
            code = await self._process.wait()
            raise Failed(f"{self.name} ended too early, with exit code {code}") from None

    async def order(self, order: dict[str, Any]) -> None:
        """Tell it what to do."""
        await self._orders.send(json.dumps(order).encode() + b"\n")

    async def end(self) -> None:
        """Let it end, as it does when it has no more orders to wait for."""
        await self._orders.aclose()
        if code := await self._process.wait():
            raise Failed(f"{self.name} did not end in order: exit code {code}")


async def demo(output: Output, *, hosts: int, file_bytes: int) -> None:
    """Let `hosts` hosts, each with a file of `file_bytes` bytes, connect and fetch each other's files.

    :raises Failed: a host did not do its part, or a file did not arrive as it was sent
    """
    with anyio.fail_after(_DEADLINE):
        async with AsyncExitStack() as stack:
            members = [await _start(stack, index, file_bytes) for index in range(hosts)]
            for member in members:
                member.peer = await member.event()
                output.record(**member.peer, name=member.name, backend=member.backend.value)
            links = Links(tuple(member.name for member in members))
            with View(output, links, file_bytes=file_bytes) as view:
                direct = partial(_direct, partial(_note, output, view, links), links, members)
                await direct(_call, lambda link: link.addr is not None)
                started = time.perf_counter()
                await direct(_fetch, lambda link: link.equal is not None)
                seconds = time.perf_counter() - started
            for member in members:
                await member.end()
    _conclude(output, links, members, seconds)


async def _start(stack: AsyncExitStack, index: int, file_bytes: int) -> _Member:
    backends = [kind for kind in Backend if kind is Backend.ASYNCIO or find_spec(kind.value) is not None]
    backend = backends[index % len(backends)]
    command = [sys.executable, "-m", "p2pstack.cli.demo.member", str(file_bytes), backend.value]
    process = await stack.enter_async_context(await anyio.open_process(command, stderr=None))
    return _Member(_NAMES[index], backend, process)


async def _direct(
    note: Callable[[_Member, dict[str, Any]], None],
    links: Links,
    members: Sequence[_Member],
    order: Callable[[Mapping[str, _Member], Sequence[Link]], dict[str, Any]],
    done: Callable[[Link], bool],
) -> None:
    """Give every member its order, and take in what it tells until its part is done."""
    by_name = {member.name: member for member in members}

    async def follow(member: _Member) -> None:
        calls = links.called_by(member.name)
        await member.order(order(by_name, calls))
        while not all(done(link) for link in calls):
            note(member, await member.event())

    async with anyio.create_task_group() as tasks:
        for member in members:
            tasks.start_soon(follow, member)


def _call(members: Mapping[str, _Member], links: Sequence[Link]) -> dict[str, Any]:
    return {"call": {link.callee: members[link.callee].peer for link in links}}


def _fetch(members: Mapping[str, _Member], links: Sequence[Link]) -> dict[str, Any]:
    return {"fetch": [link.callee for link in links]}


def _note(output: Output, view: View, links: Links, member: _Member, event: dict[str, Any]) -> None:
    link = links.update(member.name, event)
    view.changed(link, event["event"])
    if event["event"] != "progress":
        output.record(event=event.pop("event"), **{"from": member.name}, **event)
    if link.equal is False:
        raise Failed(f"the file of {link.callee} came to {link.caller} with another hash than it left with")


def _conclude(output: Output, links: Links, members: Sequence[_Member], seconds: float) -> None:
    """Say in two lines what was seen."""
    moved = sum(link.received for link in links)
    count = len(list(links))
    loops = Counter(member.backend.value for member in members)
    ways = ", ".join(f"{number} on {name}" for name, number in loops.items())
    output.say(
        f"{len(members)} hosts, a process each ({ways}), called each other by peer id "
        f"over {count} connections: TCP, {next(iter(links)).over}."
    )
    output.say(
        f"{count} files came with the SHA-256 they left with: {decimal(moved)} in {seconds:.1f} s, "
        f"{rate(moved / seconds)} together."
    )
    output.record(event="summary", hosts=len(members), connections=count, bytes=moved, seconds=seconds)
