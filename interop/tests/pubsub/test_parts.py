"""Messages in parts, with the libraries that have them."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from .nodes import Member, Start, known, meshed, until

TOPIC = "parts"
ALL = 0xFF


pytestmark = pytest.mark.parametrize("peer", ["go", "rust", "p2pstack"], indirect=True)


async def line_of(start: Start, *names: str, partial: Sequence[str] = ()) -> Sequence[Any]:
    """Nodes, each of which knows the one before it, in one topic with messages in parts."""
    line: list[Member] = []
    for name, kind in zip(names, partial or ["requests"] * len(names), strict=True):
        node = await start(name, partial=True)
        await node.subscribe(TOPIC, partial=kind)
        if line:
            await node.connect(line[-1])
        line.append(node)
    await known(TOPIC, *pairwise(line))
    await meshed(TOPIC, *pairwise(line))
    return line


async def have(node: Member, group: int, parts: int) -> None:
    await node.do("add-parts", topic=TOPIC, group=group, parts=parts)
    await node.do("publish-parts", topic=TOPIC, group=group)


def complete(node: Member, group: int) -> bool:
    return any(line["group"] == group and line["have"] == ALL for line in node.parts)


async def test_two_that_have_a_half_each_make_each_other_whole(start: Start, peer: Any) -> None:
    ours, theirs = await line_of(start, "ours", peer.name)
    for group in (7, (1 << 63) - 1):
        for node, parts in ((ours, 0b00110101), (theirs, 0b11001010)):
            await node.do("add-parts", topic=TOPIC, group=group, parts=parts)
        for node in (ours, theirs):
            await node.do("publish-parts", topic=TOPIC, group=group)
        for node in (ours, theirs):
            await until(partial(complete, node, group), f"{node.name} has all of {group}")
    # Nothing came that was there already.
    assert all(line["new"] for node in (ours, theirs) for line in node.parts)


@pytest.mark.parametrize("source", ["ours", "theirs"])
async def test_who_has_nothing_asks_for_what_it_is_told_of(start: Start, peer: Any, source: str) -> None:
    ours, theirs = await line_of(start, "ours", peer.name)
    full, empty = (ours, theirs) if source == "ours" else (theirs, ours)
    await have(full, 9, ALL)
    await until(partial(complete, empty, 9), f"{empty.name} has all")
    assert full.parts == []


async def test_parts_go_down_a_line(start: Start, peer: Any) -> None:
    line = await line_of(start, "ours", peer.name, "ours", peer.name)
    # All have theirs before anybody is told: a node says that it is complete only when parts come.
    for i, node in enumerate(line):
        await node.do("add-parts", topic=TOPIC, group=3, parts=0b11 << 2 * i)
    for node in line:
        await node.do("publish-parts", topic=TOPIC, group=3)
    for node in line:
        await until(partial(complete, node, 3), f"{node.name} has all")


async def test_whole_messages_go_where_nobody_asks_for_parts(start: Start, peer: Any) -> None:
    ours, theirs = await line_of(start, "ours", peer.name, partial=["supports", "supports"])
    for node, other in ((ours, theirs), (theirs, ours)):
        await node.publish(TOPIC, b"whole")
        await other.inbox.hold(1)
    assert ours.parts == theirs.parts == []
