"""A hundred nodes of which a third dies, in virtual time."""

from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest

from p2pstack import GossipSub
from p2pstack.apps.doc.service import SharedText
from p2pstack.sim import SimNode, Simulation, run
from p2pstack.sim.topology import random_graph

NODES, KILLED, EDITORS, SECONDS = 100, 30, 4, 3


def services() -> list[Any]:
    pubsub = GossipSub()
    return [pubsub, SharedText("notes", pubsub)]


def text_of(node: SimNode) -> str:
    return str(node.service(SharedText))


async def write(node: SimNode, seconds: float, acknowledged: list[str]) -> None:
    """Type marks that are found again, at any place."""
    shared, until = node.service(SharedText), anyio.current_time() + seconds
    number = 0
    while anyio.current_time() < until:
        mark = f"<{node.index}.{number}>"
        await shared.insert(node.random.randint(0, len(str(shared))), mark)
        acknowledged.append(mark)
        number += 1
        await anyio.sleep(node.random.uniform(0.5, 1.5))


def found(text: str, marks: list[str]) -> bool:
    """Marks are split where others typed within them: each of their characters has to be there."""
    return all(text.count(character) >= sum(m.count(character) for m in marks) for character in "<.>0123456789")


async def churn(seed: int) -> Mapping[str, Any]:
    """Editors type while 30 of 100 nodes die, 20 of these for good; one that comes back was away, and has nothing."""
    net = Simulation(
        nodes=NODES, latency="20ms±5ms", services=services, security="plaintext", topology=random_graph(5), seed=seed
    )
    async with net:
        writers, others = net.nodes[:EDITORS], net.nodes[EDITORS:]
        acknowledged: list[str] = []
        await anyio.sleep(3)
        async with anyio.create_task_group() as tasks:
            for node in writers:
                tasks.start_soon(write, node, SECONDS, acknowledged)
            victims = net.random.sample(others, KILLED)
            for node in victims:
                await anyio.sleep(SECONDS / KILLED)
                net.kill(node, silently=node.index % 2 == 0)
        for node in victims[:10]:
            await net.restart(node)
        await anyio.sleep(10)
        texts = {text_of(node) for node in net.running}
        assert len(net.running) == NODES - KILLED + 10
        return {"texts": texts, "marks": acknowledged, "hash": net.trace.hash, "peers": len(net.running[-1].host.peers)}


def test_the_rest_goes_on_and_all_have_the_same_text_with_all_that_was_acknowledged() -> None:
    result = run(churn, 7)
    (text,) = result["texts"]
    assert len(result["marks"]) > EDITORS * SECONDS / 2
    assert len(text) == sum(map(len, result["marks"]))
    assert found(text, result["marks"])


async def small(seed: int) -> tuple[str, str]:
    """Two halves that write apart; the text that they agree on, and the trace."""
    async with Simulation(nodes=6, services=services, security="plaintext", seed=seed) as net:
        await anyio.sleep(3)
        net.partition(net.nodes[:3], net.nodes[3:])
        for number, node in enumerate(net.nodes):
            await node.service(SharedText).insert(0, f"<{number}>")
        await anyio.sleep(5)
        assert len({text_of(node) for node in net.nodes}) == 2
        net.heal()
        await anyio.sleep(40)
        (text,) = {text_of(node) for node in net.nodes}
        assert len(text) == 18
        return text, net.trace.hash


@pytest.mark.parametrize("play", [small])
def test_halves_that_wrote_apart_agree_and_the_same_seed_is_the_same_run(play: Callable[..., Any]) -> None:
    assert run(play, 1) == run(play, 1)
    assert run(play, 1) != run(play, 2)
