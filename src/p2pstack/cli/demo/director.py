"""Starts the hosts of the demo, introduces them to each other, and shows what they tell."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import anyio
from rich.filesize import decimal

from p2pstack.cli.demo.chat import Chat
from p2pstack.cli.demo.links import Link, Links
from p2pstack.cli.demo.process import Member
from p2pstack.cli.demo.tally import Tally
from p2pstack.cli.demo.view import View
from p2pstack.cli.output import Output, rate
from p2pstack.cli.run import Failed

__all__ = ["demo"]

_NAMES = (
    "ada", "bob", "cleo", "dan", "eve", "finn", "gita", "hugo", "ines", "jan", "kira", "lars", "mina",
    "nils", "olga", "paul", "quin", "rosa", "sven", "tara", "udo", "vera", "wim", "xenia", "yuri", "zoe",
)  # fmt: skip
_APPLICATIONS = {
    "share README.md": "serve a file to whoever has its link; fetch it by `get LINK`",
    "chat lobby": "talk in a room, with no server",
    "ledger node": "transfers in blocks with proof of work; earn by --mine",
    "doc notes": "write a text together, in an editor in the browser",
}
#: for all of it, in seconds
_DEADLINE = 300.0


async def demo(output: Output, *, hosts: int, file_bytes: int, seconds: float) -> None:
    """Let `hosts` hosts, each with a file of `file_bytes` bytes, connect and fetch each other's files, then publish
    messages for `seconds` seconds; meanwhile one of them is killed, and another joins.

    :raises Failed: a host did not do its part, a file did not arrive as it was sent, or a message did not arrive
    """
    links, tally = Links(_NAMES[:hosts]), Tally()
    view = View(output, links, tally, file_bytes=file_bytes)
    with anyio.fail_after(_DEADLINE):
        async with AsyncExitStack() as stack:
            members = [await _start(stack, index, file_bytes) for index in range(hosts)]
            for member in members:
                await _meet(output, view, member)
            with view:
                direct = partial(_direct, partial(_note, output, view, links), links, members)
                await direct(_call, lambda link: link.addr is not None)
                started = time.perf_counter()
                await direct(_fetch, lambda link: link.equal is not None)
                took = time.perf_counter() - started
                newcomer = await _start(stack, hosts, file_bytes)
                await _meet(output, view, newcomer)
                chat = Chat(output, view, tally, members, newcomer)
                await chat.play(seconds)
            for member in (*chat.stayers, newcomer):
                await member.end()
    figures = _conclude(output, links, members, took) | chat.conclude()
    output.record(event="summary", **figures)
    _offer(output)


async def _start(stack: AsyncExitStack, index: int, file_bytes: int) -> Member:
    member = await Member.start(_NAMES[index], index, file_bytes=file_bytes)
    await stack.enter_async_context(member.process)
    return member


async def _meet(output: Output, view: View, member: Member) -> None:
    """Learn who a host is."""
    member.peer = await member.event()
    output.record(**member.peer, name=member.name, backend=member.backend.value)
    view.started(member.name, member.backend.value)


async def _direct(
    note: Callable[[Member, dict[str, Any]], None],
    links: Links,
    members: Sequence[Member],
    order: Callable[[Mapping[str, Member], Sequence[Link]], dict[str, Any]],
    done: Callable[[Link], bool],
) -> None:
    """Give every member its order, and take in what it tells until its part is done."""
    by_name = {member.name: member for member in members}

    async def follow(member: Member) -> None:
        calls = links.called_by(member.name)
        await member.order(**order(by_name, calls))
        while not all(done(link) for link in calls):
            note(member, await member.event())

    async with anyio.create_task_group() as tasks:
        for member in members:
            tasks.start_soon(follow, member)


def _call(members: Mapping[str, Member], links: Sequence[Link]) -> dict[str, Any]:
    return {"call": {link.callee: members[link.callee].peer for link in links}}


def _fetch(members: Mapping[str, Member], links: Sequence[Link]) -> dict[str, Any]:
    return {"fetch": [link.callee for link in links]}


def _note(output: Output, view: View, links: Links, member: Member, event: dict[str, Any]) -> None:
    link = links.update(member.name, event)
    view.changed(link, event["event"])
    if event["event"] != "progress":
        output.record(event=event.pop("event"), **{"from": member.name}, **event)
    if link.equal is False:
        raise Failed(f"the file of {link.callee} came to {link.caller} with another hash than it left with")


def _conclude(output: Output, links: Links, members: Sequence[Member], seconds: float) -> dict[str, Any]:
    """Say in a line what was seen of connections and files; the figures of it."""
    moved = sum(link.received for link in links)
    count = len(list(links))
    loops = Counter(member.backend.value for member in members)
    ways = ", ".join(f"{number} on {name}" for name, number in loops.items())
    output.say(
        f"{len(members)} hosts, a process each ({ways}), called each other by peer id over {count} connections (TCP, "
        f"{next(iter(links)).over}): {count} files came with the SHA-256 they left with, {decimal(moved)} in "
        f"{seconds:.1f} s, {rate(moved / seconds)} together."
    )
    return {"hosts": len(members), "connections": count, "bytes": moved, "seconds": seconds}


def _offer(output: Output) -> None:
    """Say what may be tried next: each of these is an application that is built on what was shown."""
    program = os.path.relpath(sys.argv[0]) if os.sep in sys.argv[0] else sys.argv[0]
    output.say("\nTry next, in one terminal, and then again in another with what the first one prints:")
    for arguments, purpose in _APPLICATIONS.items():
        output.say(f"  {program} {arguments:<17}{purpose}")
