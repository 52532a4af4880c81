"""The readers of a topic in a scenario: they publish, listen, and note what they hear and when."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

from anyio import AsyncContextManagerMixin, create_task_group, current_time, sleep
from anyio.abc import TaskGroup, TaskStatus

from p2pstack.errors import LocalProtocolError
from p2pstack.pubsub import Message, PubSub
from p2pstack.sim.node import SimNode
from p2pstack.sim.simulation import Simulation

__all__ = ["Audience", "Story"]

#: the number of a message, at the beginning of its data
_NUMBER = 8
#: seconds at most from the start of a host to that of its reader
_START_UP = 0.25


@dataclass(slots=True)
class Story:
    """A message, and who has it."""

    number: int
    #: the node that published it, and when
    node: int
    at: float
    #: readers that it has not come to
    waiting: dict[int, None] = field(default_factory=dict[int, None])
    #: seconds to each of those that it came to
    delays: list[float] = field(default_factory=list[float])
    #: how often it came to somebody again
    twice: int = 0
    heard: set[int] = field(default_factory=set[int])


class Audience(AsyncContextManagerMixin):
    """Nodes that read a topic: `async with stage.audience(net, "news") as news`.

    :param nodes: who reads; those that run, unless given
    """

    def __init__(self, net: Simulation, topic: str, nodes: Iterable[SimNode] | None = None) -> None:
        self.net = net
        self.topic = topic
        self._first = list(net.nodes if nodes is None else nodes)
        self._members: dict[int, None] = {}
        self._tasks: TaskGroup | None = None
        #: all messages so far
        self.stories: list[Story] = []

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        async with create_task_group() as self._tasks:
            for node in self._first:
                if node.running:
                    await self.join(node)
            yield self
            self._note_mesh()
            self._tasks.cancel_scope.cancel()

    @property
    def members(self) -> list[SimNode]:
        """Who reads now."""
        return [self.net.nodes[index] for index in self._members]

    @property
    def expected(self) -> int:
        """Deliveries there should be: those there were, and those that are waited for."""
        return sum(len(story.delays) + len(story.waiting) for story in self.stories)

    @property
    def delivered(self) -> int:
        """Deliveries that there were."""
        return sum(len(story.delays) for story in self.stories)

    @property
    def missing(self) -> int:
        """Deliveries that are waited for."""
        return sum(len(story.waiting) for story in self.stories)

    async def join(self, node: SimNode) -> None:
        """One more reads, whenever its host runs."""
        if self._tasks is None:
            raise LocalProtocolError("an audience is there within its block: async with stage.audience(...)")
        await self._tasks.start(self._read, node, name=f"reader on {node.name}")

    async def publish(self, node: SimNode, *, size: int = 256, readers: Iterable[SimNode] | None = None) -> Story:
        """Publish a message.

        :param size: bytes of its data
        :param readers: for whom it is; all that read now, unless given
        """
        wanted = self._members if readers is None else dict.fromkeys(reader.index for reader in readers)
        now = current_time()
        story = Story(len(self.stories), node.index, now, {index: None for index in wanted if index != node.index})
        self.stories.append(story)
        self._note("published", message=story.number, node=node.index, readers=len(story.waiting))
        number = story.number.to_bytes(_NUMBER, "big")
        await node.service(PubSub).publish(self.topic, number + self.net.random.randbytes(max(size - _NUMBER, 0)))
        return story

    def mesh(self) -> list[tuple[int, int]]:
        """Who has whom in the mesh: pairs of nodes by number, each once."""
        numbers = {node.key.peer_id: node.index for node in self.net.nodes}
        found: dict[tuple[int, int], None] = {}
        for node in self.members:
            for peer in node.service(PubSub).mesh(self.topic):
                other = numbers.get(peer)
                if other is not None:
                    found[min(node.index, other), max(node.index, other)] = None
        return sorted(found)

    # --- what readers do

    async def _read(self, node: SimNode, *, task_status: TaskStatus[None]) -> None:
        async with node.service(PubSub).subscribe(self.topic) as messages:
            task_status.started()
            await self._follow(node, messages)
        while True:
            while not node.running:  # noqa: ASYNC110 - an application that is started some time after its host
                await sleep(_START_UP)
            async with node.service(PubSub).subscribe(self.topic) as messages:
                await self._follow(node, messages)

    async def _follow(self, node: SimNode, messages: AsyncIterator[Message]) -> None:
        """Read until the host ends."""
        index = node.index
        self._members[index] = None
        self._note("reads", node=index)
        async for message in messages:
            self._hear(index, int.from_bytes(message.data[:_NUMBER], "big"))
        del self._members[index]
        self._note("ended", node=index)
        for story in self.stories:
            story.waiting.pop(index, None)  # nobody can tell the dead
            story.heard.discard(index)  # who is started again knows nothing

    def _hear(self, index: int, number: int) -> None:
        if number >= len(self.stories):
            return  # not one of ours: an attacker's
        story = self.stories[number]
        if index in story.heard:
            story.twice += 1
            return
        story.heard.add(index)
        if index in story.waiting:
            del story.waiting[index]
            delay = current_time() - story.at
            story.delays.append(delay)
            self._note("heard", message=number, node=index, delay=delay)

    def _note(self, kind: str, **facts: object) -> None:
        self.net.trace.note(current_time(), kind, topic=self.topic, **facts)

    def _note_mesh(self) -> None:
        self._note("mesh", nodes=[node.index for node in self.members], links=self.mesh())
