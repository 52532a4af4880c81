"""Lines of nodes: each hands on to the next what the one before it brought."""

import os
from collections.abc import Sequence
from itertools import pairwise

import anyio

from .nodes import Member, Start, meshed, sha256

TOPIC = "a line"

TEN = ("ours", "go", "rust", "js", "py", "ours", "go", "rust", "js", "ours")


async def line_of(start: Start, names: Sequence[str]) -> Sequence[Member]:
    line: list[Member] = []
    for name in names:
        node = await start(name)
        await node.subscribe(TOPIC)
        if line:
            await node.connect(line[-1])
        line.append(node)
    await meshed(TOPIC, *pairwise(line))
    return line


async def test_in_a_line_of_all_implementations_every_message_comes_to_every_application_once(start: Start) -> None:
    line = await line_of(start, TEN)
    sent = {node: [os.urandom(100) for _ in range(5)] for node in line}

    async def publish(node: Member) -> None:
        for data in sent[node]:
            await node.publish(TOPIC, data)

    async with anyio.create_task_group() as tasks:
        for node in line:
            tasks.start_soon(publish, node)
    for node in line:
        await node.inbox.hold(45)
    # What would come twice comes now: gossip goes out at every heartbeat.
    await anyio.sleep(1)
    for node in line:
        assert node.inbox.hashes() == sorted(
            sha256(data) for other in line if other is not node for data in sent[other]
        )
