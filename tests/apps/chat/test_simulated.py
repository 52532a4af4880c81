"""A hundred people, of whom many come and go: whoever lives has all that was said."""

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from p2pstack import AbstractHost, GossipSub, Neighbours
from p2pstack.apps.chat.happenings import Happening, KeptBy
from p2pstack.apps.chat.room import ChatConfig, Room
from p2pstack.apps.chat.service import NETWORK, Chat
from p2pstack.apps.chat.store import HistoryStore
from p2pstack.sim import SimNode, Simulation, run
from p2pstack.sim.topology import random_graph


class Town:
    """A room on simulated nodes. Their disks survive them."""

    def __init__(self, nodes: int, *, seed: int, degree: int) -> None:
        self.kept: set[bytes] = set()
        self.net = Simulation(
            nodes=nodes, latency="20ms±5ms", seed=seed, security="plaintext", topology=random_graph(degree)
        )
        for node in self.net.nodes:
            store = HistoryStore()
            node.make_services = lambda node=node, store=store: self._services(node, store)

    def _services(self, node: SimNode, store: HistoryStore) -> Sequence[Any]:
        pubsub = GossipSub()
        config = ChatConfig(fetch_interval=3.0)
        chat = Chat(pubsub, nick=node.name, store=store, on_happening=self._note, config=config)
        return [pubsub, Neighbours(network=NETWORK, wanted=4), chat]

    def _note(self, happening: Happening) -> None:
        if isinstance(happening, KeptBy):
            self.kept.add(happening.entry.id)

    async def join(self, node: SimNode) -> None:
        await node.service(Chat).join("garden")

    def has(self, node: SimNode) -> set[bytes]:
        return set(node.service(Chat).rooms["garden"].history.ids)


async def churn(nodes: int, seed: int) -> None:
    town = Town(nodes, seed=seed, degree=5)
    async with town.net as net:
        async with anyio.create_task_group() as joining:
            for node in net.nodes:
                joining.start_soon(town.join, node)
        await anyio.sleep(2)
        said: set[bytes] = set()
        away = net.random.sample(net.nodes, 6)
        for number in range(6):
            speaker = net.random.choice([node for node in net.running if node not in away])
            said.add((await speaker.service(Chat).say("garden", str(number))).id)
            net.kill(away[number])
            if number >= 3:
                await net.restart(away[number - 3])
                await town.join(away[number - 3])
            await anyio.sleep(0.3)
        for node in away[3:6]:
            await net.restart(node)
            await town.join(node)
        await anyio.sleep(4)
        assert town.kept == said
        assert [node.name for node in net.nodes if town.has(node) != said] == []


async def massacre(nodes: int, seed: int) -> None:
    """A third dies, the speakers among them."""
    town = Town(nodes, seed=seed, degree=8)
    async with town.net as net:
        for node in net.nodes:
            await town.join(node)
        await anyio.sleep(3)
        victims = net.random.sample(net.nodes, 3 * nodes // 10)
        for node in victims[:5]:
            await node.service(Chat).say("garden", f"the last words of {node.name}")
        await anyio.sleep(0.3)
        for node in victims:
            net.kill(node, silently=True)
        kept = frozenset(town.kept)
        survivor = net.running[0]
        said = await survivor.service(Chat).say("garden", "is anybody left?")
        await anyio.sleep(20)
        assert len(kept) == 5
        for node in net.running:
            assert kept | {said.id} <= town.has(node), node.name
        assert said.id in town.kept


def test_a_hundred_with_churn_all_have_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(room: Room, host: AbstractHost) -> None:
        """Who is here is not what this is about, and costs most of the time."""

    monkeypatch.setattr(Room, "_announce", silent)
    run(churn, 100, 1)


def test_a_third_is_killed_and_nothing_that_was_acknowledged_is_lost() -> None:
    run(massacre, 20, 0)
