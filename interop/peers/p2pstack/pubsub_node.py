"""A node of gossipsub that does what requests say: of the peer on stdin, or of a test in its own process."""

import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup, TaskStatus
from traffic import TracedGossipSub

from p2pstack import FloodSub, GossipSub, GossipSubConfig, Host, Identify, PrivateKey
from p2pstack.identity.ed25519 import Ed25519PrivateKey
from p2pstack.pubsub import PubSub
from p2pstack.pubsub.identifiers import MessageId, data_hash, source_and_sequence
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.signing import SigningPolicy
from p2pstack.pubsub.subscription import Overflow

# Messages in parts are those of the harness.
sys.path.insert(0, str(Path(__file__).parents[3]))
from interop.harness.parts import Group, Groups
from interop.peers.counter import Counter, microseconds

__all__ = ["Node", "running_node"]

PATIENCE = 30.0

#: What a request holds, and what is told.
Line = dict[str, Any]

POLICIES = {"strict-sign": SigningPolicy.STRICT_SIGN, "strict-no-sign": SigningPolicy.STRICT_NO_SIGN}
MESSAGE_IDS: Mapping[str, MessageId] = {
    "default": source_and_sequence,
    "sha256": data_hash,
    "first8": lambda message: message.data[:8],
}

#: What --config calls them, and what we do.
FIGURES = {
    "protocols": "protocols",
    "d": "d",
    "d_lo": "d_low",
    "d_hi": "d_high",
    "d_out": "d_out",
    "d_score": "d_score",
    "d_lazy": "d_lazy",
    "flood_publish": "flood_publish",
    "prune_backoff_s": "prune_backoff",
    "unsubscribe_backoff_s": "unsubscribe_backoff",
    "idontwant_bytes": "idontwant_threshold",
}


def make_pubsub(config: Line) -> PubSub:
    signing = POLICIES[config.get("policy", "strict-sign")]
    message_id = MESSAGE_IDS[config.get("message_id", "default")]
    if config.get("floodsub"):
        return FloodSub(signing=signing, message_id=message_id)
    figures: Line = {"flood_publish": False, "d_score": min(4, config.get("d", 6))}
    figures |= {ours: config[name] for name, ours in FIGURES.items() if name in config}
    make = TracedGossipSub if config.get("traffic") else GossipSub
    pubsub = make(
        config=GossipSubConfig(
            heartbeat_interval=config.get("heartbeat_ms", 1000) / 1000,
            **figures,
        ),
        signing=signing,
        message_id=message_id,
    )
    if delay := config.get("validation_ms"):

        async def wait(_: Message) -> bool:
            await anyio.sleep(delay / 1000)
            return True

        pubsub.add_validator(None, wait)
    return pubsub


class Node:
    """One host. `report` is called with what its applications are handed."""

    def __init__(self, host: Host, pubsub: PubSub, config: Line, tasks: TaskGroup, report: Callable[[Line], None]):
        self.host = host
        self.pubsub = pubsub
        self._queue = config.get("queue", 1024)
        self._tasks = tasks
        self._report = report
        self._readers: dict[str, anyio.CancelScope] = {}
        self._counters: dict[str, Counter] = {}
        self._groups = Groups(pubsub, self._receive_parts) if isinstance(pubsub, GossipSub) else None

    @property
    def peer_id(self) -> str:
        return str(self.host.peer_id)

    @property
    def addrs(self) -> Sequence[str]:
        return [str(addr) for addr in self.host.addrs]

    @property
    def groups(self) -> Groups:
        if self._groups is None:
            raise ValueError("floodsub has no messages in parts")
        return self._groups

    async def execute(self, request: Line) -> Line:
        """Do what a request says; what is to be answered."""
        topic = request.get("topic", "")
        match request["do"]:
            case "connect":
                with anyio.fail_after(PATIENCE):
                    await self.host.connect(request["address"])
            case "subscribe":
                if "partial" in request:
                    read = partial(self.groups.read, topic, requests=request["partial"] == "requests")
                    await self._tasks.start(read)
                await self._subscribe(topic)
            case "unsubscribe":
                self._readers.pop(topic).cancel()
                while topic in self.pubsub.topics:
                    await anyio.lowlevel.checkpoint()
            case "publish":
                await self.pubsub.publish(topic, bytes.fromhex(request["data"]))
            case "load":
                return await self._load(topic, request)
            case "count":
                self._counters[topic] = Counter()
            case "counted":
                return self._counters[topic].result(latencies=request.get("latencies", False))
            case "state":
                peers, mesh = self.pubsub.peers(topic), self.pubsub.mesh(topic)
                return {"peers": [str(peer) for peer in peers], "mesh": [str(peer) for peer in mesh]}
            case "add-parts":
                self.groups.get(topic, request["group"]).make(request["parts"])
            case "publish-parts":
                self.groups.get(topic, request["group"]).eager = bool(request.get("to"))
                await self.groups.publish(topic, request["group"])
            case "traffic":
                assert isinstance(self.pubsub, TracedGossipSub)
                return self.pubsub.traffic.told()
            case unknown:
                raise ValueError(f"unknown command {unknown}")
        return {}

    async def _subscribe(self, topic: str) -> None:
        if topic not in self._readers:
            self._readers[topic] = await self._tasks.start(self._read, topic)

    async def _read(self, topic: str, *, task_status: TaskStatus[anyio.CancelScope]) -> None:
        subscription = self.pubsub.subscribe(topic, buffer=self._queue, overflow=Overflow.WAIT)
        with anyio.CancelScope() as scope:
            async with subscription as messages:
                task_status.started(scope)
                async for message in messages:
                    if message.received_from != self.host.peer_id:
                        self._receive(message)

    def _receive(self, message: Message) -> None:
        counter = self._counters.get(message.topic)
        if counter is not None:
            counter.add(message.data)
            return
        self._report(
            {
                "event": "message",
                "topic": message.topic,
                "id": message.id.hex(),
                "from": str(message.received_from),
                "source": message.source and str(message.source),
                "sequence": message.sequence and message.sequence.hex(),
                "bytes": len(message.data),
                "sha256": sha256(message.data).hexdigest(),
            }
        )

    def _receive_parts(self, topic: str, group: Group, peer: str, parts: int, new: bool) -> None:
        line = {"event": "parts", "topic": topic, "group": group.number, "from": peer}
        self._report({**line, "parts": parts, "new": new, "have": group.have})

    async def _load(self, topic: str, request: Line) -> Line:
        """Publish many messages: each begins with its number and with when it was published."""
        count, first, size = request["count"], request.get("first", 0), request.get("bytes", 0)
        rate = request.get("per_second", 0)
        start = perf_counter()
        for i in range(count):
            if rate:
                await anyio.sleep(max(0.0, start + i / rate - perf_counter()))
            data = (first + i).to_bytes(8, "big") + microseconds().to_bytes(8, "big")
            await self.pubsub.publish(topic, data.ljust(size, b"\0"))
        return {"count": count, "seconds": perf_counter() - start}


@asynccontextmanager
async def running_node(
    config: Line, report: Callable[[Line], None], *, key: PrivateKey, listen: str
) -> AsyncGenerator[Node]:
    if "seed" in config:
        key = Ed25519PrivateKey.from_seed(config["seed"].to_bytes(32, "little"))
    pubsub = make_pubsub(config)
    identify = Identify(agent_version="interop-p2pstack/1", protocol_version="p2pstack-interop/1")
    async with (
        Host(key=key, listen=[listen], services=[identify, pubsub]) as host,
        anyio.create_task_group() as tasks,
    ):
        yield Node(host, pubsub, config, tasks, report)
        tasks.cancel_scope.cancel()
