"""Nodes of gossipsub, ours and those of others, all used alike; and how to wait for them."""

import hashlib
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import TaskStatus

from p2pstack import PrivateKey

# A node of ours does in a test what the peer made with this stack does on its stdin.
ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "interop" / "peers" / "p2pstack")]
from pubsub_node import running_node  # noqa: E402

from interop.peers.client import PeerClient, running_peer  # noqa: E402

#: Seconds for anything that is waited for.
DEADLINE = 30

#: What nodes are told where a test says nothing else: short heartbeats keep the tests short.
DEFAULTS = {"heartbeat_ms": 250, "queue": 2000, "max_message_bytes": 1 << 20, "traffic": True}


async def until(condition: Callable[[], Any], what: str, within: float = DEADLINE) -> Any:
    """Wait for something that nobody tells; `condition` may be async. What it gave at last."""
    deadline = anyio.current_time() + within
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        if anyio.current_time() > deadline:
            raise TimeoutError(f"not within {within:g} s: {what}")
        await anyio.sleep(0.02)


class Inbox:
    """The messages that a node's application was handed, each as a line of the peers says it."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._more = anyio.Event()

    def put(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self._more.set()
        self._more = anyio.Event()

    async def hold(self, count: int, within: float = DEADLINE) -> list[dict[str, Any]]:
        """Wait until there are so many; all that are there."""
        with anyio.move_on_after(within):
            while len(self.messages) < count:
                await self._more.wait()
        assert len(self.messages) >= count, f"{len(self.messages)} of {count} messages came"
        return self.messages

    def hashes(self) -> list[str]:
        return sorted(message["sha256"] for message in self.messages)


class Member(ABC):
    """A node, whoever made it."""

    name: str
    peer_id: str
    addr: str

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.parts: list[dict[str, Any]] = []

    @abstractmethod
    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Tell it to do something, as interop/peers/README.md says; what it answers."""

    async def subscribe(self, topic: str, **options: Any) -> None:
        await self.do("subscribe", topic=topic, **options)

    async def unsubscribe(self, topic: str) -> None:
        await self.do("unsubscribe", topic=topic)

    async def publish(self, topic: str, data: bytes) -> None:
        await self.do("publish", topic=topic, data=data.hex())

    async def connect(self, other: "Member") -> None:
        await self.do("connect", address=other.addr)

    async def peers(self, topic: str) -> set[str]:
        return set((await self.do("state", topic=topic))["peers"])

    async def mesh(self, topic: str) -> set[str]:
        return set((await self.do("state", topic=topic))["mesh"])

    async def traffic(self) -> dict[str, Any]:
        return await self.do("traffic")

    def take(self, line: dict[str, Any]) -> None:
        """Its application was handed something."""
        if line["event"] == "message":
            self.inbox.put(line)
        else:
            self.parts.append(line)


class Ours(Member):
    """A node of this stack, on the test's own event loop."""

    name = "ours"

    def __init__(self) -> None:
        super().__init__()
        self._node: Any = None
        self._stop = anyio.Event()

    async def live(self, config: dict[str, Any], *, task_status: TaskStatus[None]) -> None:
        async with running_node(config, self.take, key=PrivateKey.generate(), listen="/ip4/127.0.0.1/tcp/0") as node:
            self._node, self.peer_id, self.addr = node, node.peer_id, node.addrs[0]
            task_status.started()
            await self._stop.wait()

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        return await self._node.execute({"do": command, **arguments})

    def end(self) -> None:
        self._stop.set()


class Foreign(Member):
    """A `peer pubsub`."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.client: Any = None

    def live(self, client: PeerClient) -> None:
        self.client, self.peer_id, self.addr = client, client.peer_id, client.addr

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """
        :raises PeerFailed: it could not
        """
        return await self.client.do(command, **arguments)

    def kill(self) -> None:
        self.client.kill()


Start = Callable[..., Awaitable[Any]]


@asynccontextmanager
async def nodes_of(programs: Mapping[str, Sequence[str]], logs: Path) -> AsyncGenerator[Start]:
    """Yields what starts a node: by its name, with what --config says. They end with the block."""
    numbers = count()
    async with anyio.create_task_group() as tasks, AsyncExitStack() as stack:

        async def start(name: str, **config: Any) -> Member:
            if name == "ours":
                ours = Ours()
                stack.callback(ours.end)
                await tasks.start(ours.live, DEFAULTS | config)
                return ours
            log = logs / f"{name}-{next(numbers)}.log"
            stack.callback(show, log)
            node = Foreign(name)
            with log.open("wb") as stderr:
                running = running_peer(name, programs[name], DEFAULTS | config, on_event=node.take, stderr=stderr)
                node.live(await stack.enter_async_context(running))
            return node

        yield start


def show(log: Path) -> None:
    sys.stderr.write(log.read_text()[-10_000:])


async def known(topic: str, *pairs: tuple[Any, Any]) -> None:
    """Wait until the two of each pair know that the other is in a topic."""

    async def met(one: Member, other: Member) -> bool:
        return other.peer_id in await one.peers(topic) and one.peer_id in await other.peers(topic)

    for one, other in pairs:
        await until(partial(met, one, other), f"{one.name} and {other.name} know of each other")


async def meshed(topic: str, *pairs: tuple[Any, Any]) -> None:
    """Wait until the two of each pair are in each other's mesh."""

    async def together(one: Member, other: Member) -> bool:
        return other.peer_id in await one.mesh(topic) and one.peer_id in await other.mesh(topic)

    for one, other in pairs:
        await until(partial(together, one, other), f"{one.name} and {other.name} in one mesh")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
