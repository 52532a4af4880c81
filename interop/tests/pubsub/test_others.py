"""The other implementations among themselves: what they cannot do without us is not for us to answer for."""

import os
from itertools import pairwise

import pytest

from .nodes import Start, meshed, sha256


@pytest.fixture
def anyio_backend() -> str:
    """Nothing of ours takes part."""
    return "asyncio"


async def test_they_hand_messages_on_in_a_line(start: Start) -> None:
    line = [await start(name) for name in ("go", "rust", "js", "py")]
    for node in line:
        await node.subscribe("line")
    for node, following in pairwise(line):
        await node.connect(following)
    await meshed("line", *pairwise(line))
    sent = {node: [os.urandom(100) for _ in range(5)] for node in line}
    for node, messages in sent.items():
        for data in messages:
            await node.publish("line", data)
    for node in line:
        others = [sha256(data) for other in line if other is not node for data in sent[other]]
        await node.inbox.hold(len(others))
        assert node.inbox.hashes() == sorted(others)
