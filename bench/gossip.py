"""What is measured of publish/subscribe: messages a second through one hop and through a node in the middle, how long
they take in a mesh of processes, and what a router of ours costs by itself.

All nodes sign and verify, and keep scores. Queues are as long as a run has messages: what is lost all the same makes a
measurement fail.
"""

import statistics
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import anyio

from bench.contenders import ROOT, Contender
from bench.programs import ClientFailedError
from interop.peers.client import PeerClient, PeerFailed, running_peer

__all__ = ["MESH_SIZE", "SIZES", "hop", "mesh", "middle", "mixed_hop", "router"]

Figures = Mapping[str, float]

TOPIC = "bench"

#: Bytes of a message, and how that is called.
SIZES = {64: "64 B", 1024: "1 KiB"}

WARM_UP = 1000

#: Nodes of a mesh, to how many others each of them connects, and messages a second that all publish together.
MESH_SIZE = 10
MESH_LINKS = 3
MESH_RATE = 100
#: Below that size from which on nodes call messages off at others, which would be a second measurement.
MESH_BYTES = 512

#: Seconds without progress after which what has not come is lost.
STALLED = 10.0


def _gossiping(everybody: list[Contender]) -> list[Contender]:
    # The queues of py-libp2p are short, and nothing lengthens them: what is published faster than it goes out is lost.
    return [who for who in everybody if who.scale == 1]


def _run(measure: Callable[..., Awaitable[Figures]], *args: Any) -> Figures:
    failures: list[BaseException] = []
    try:
        return anyio.run(measure, *args)
    except* PeerFailed as group:
        failures.append(group)
    raise ClientFailedError(str(_innermost(failures[0])))


def _innermost(failure: BaseException) -> BaseException:
    inner: Sequence[BaseException] = getattr(failure, "exceptions", ())
    return _innermost(inner[0]) if inner else failure


@asynccontextmanager
async def _nodes(*contenders: Contender, queue: int) -> AsyncGenerator[Sequence[PeerClient]]:
    """Running nodes, each in the topic."""
    config = {"scoring": True, "queue": queue, "flood_publish": False}
    async with AsyncExitStack() as stack:
        nodes: list[PeerClient] = []
        for who in contenders:
            running = running_peer(
                who.name, who.command, config, *who.options, on_event=_ignore, stderr=subprocess.DEVNULL
            )
            node = await stack.enter_async_context(running)
            await node.do("subscribe", topic=TOPIC)
            nodes.append(node)
        yield nodes


def _ignore(_: dict[str, Any]) -> None:
    pass


async def _link(one: PeerClient, other: PeerClient) -> None:
    await one.do("connect", address=other.addr)


async def _meshed(one: PeerClient, other: PeerClient) -> None:
    for node, peer in ((one, other), (other, one)):
        while peer.peer_id not in (await node.do("state", topic=TOPIC))["mesh"]:  # noqa: ASYNC110
            await anyio.sleep(0.1)


async def _counted(node: PeerClient, count: int, **options: bool) -> dict[str, Any]:
    """Wait until a node has had so many messages."""
    came, since = 0, anyio.current_time()
    while True:
        counted = await node.do("counted", topic=TOPIC, **options)
        if counted["distinct"] >= count:
            return counted
        if counted["distinct"] > came:
            came, since = counted["distinct"], anyio.current_time()
        elif anyio.current_time() - since > STALLED:
            raise PeerFailed(f"{count - came} of {count} messages to {node.name} were lost")
        await anyio.sleep(0.2)


async def _rate(contenders: Sequence[Contender], size: int, count: int) -> float:
    """Messages a second from the first of a line of nodes to the last one."""
    async with _nodes(*contenders, queue=count + WARM_UP) as line:
        for node, following in pairwise(line):
            await _link(node, following)
            await _meshed(node, following)
        source, reader = line[0], line[-1]
        for first, amount in ((count, WARM_UP), (0, count)):
            await reader.do("count", topic=TOPIC)
            await source.do("load", topic=TOPIC, first=first, count=amount, bytes=size)
            counted = await _counted(reader, amount)
        return count / (counted["last_us"] - counted["published_us"]) * 1e6


async def _hop(figure: str, contenders: Sequence[Contender], size: int, count: int) -> Figures:
    return {figure: await _rate(contenders, size, count)}


def hop(everybody: list[Contender], messages: int) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """A publisher and a subscriber, both the same. Messages a second."""
    for who in _gossiping(everybody):
        for size, label in SIZES.items():
            figure = f"pubsub {label} {who.name}"
            yield f"{label}, {who.name}", partial(_run, _hop, figure, (who, who), size, messages)


def mixed_hop(everybody: list[Contender], messages: int) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """A publisher of rust, and a subscriber of ours or of go. Messages a second."""
    for rust in [who for who in everybody if who.name == "rust-libp2p"]:
        for who in _gossiping(everybody):
            if who is not rust:
                figure = f"pubsub fed {rust.name}>{who.name}"
                yield f"{rust.name} > {who.name}", partial(_run, _hop, figure, (rust, who), 64, messages)


def middle(everybody: list[Contender], messages: int) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """A line of three, with rust at both ends: the one in the middle verifies and hands on. Messages a second."""
    for rust in [who for who in everybody if who.name == "rust-libp2p"]:
        for who in _gossiping(everybody):
            figure = f"pubsub middle {who.name}"
            yield f"{who.name} in the middle", partial(_run, _hop, figure, (rust, who, rust), 64, messages)


async def _mesh(who: Contender, seconds: float) -> Figures:
    each = round(seconds * MESH_RATE / MESH_SIZE)
    async with _nodes(*[who] * MESH_SIZE, queue=10_000) as nodes:
        for i, node in enumerate(nodes):
            for step in range(1, MESH_LINKS + 1):
                await _link(node, nodes[(i + step) % MESH_SIZE])
        for node, following in pairwise(nodes):
            await _known(node, following)
        # The meshes settle within a few heartbeats.
        await anyio.sleep(3)
        for node in nodes:
            await node.do("count", topic=TOPIC)
        async with anyio.create_task_group() as tasks:
            for i, node in enumerate(nodes):
                load = partial(node.do, "load", topic=TOPIC, first=i * each, count=each, bytes=MESH_BYTES)
                tasks.start_soon(partial(load, per_second=MESH_RATE / MESH_SIZE))
                # Not all of them at the same moments.
                await anyio.sleep(1 / MESH_RATE)
        latencies: list[int] = []
        for node in nodes:
            counted = await _counted(node, each * (MESH_SIZE - 1), latencies=True)
            latencies += counted["latencies_us"]
        percentiles = statistics.quantiles(latencies, n=100)
        return {f"pubsub p50 {who.name}": percentiles[49] / 1000, f"pubsub p99 {who.name}": percentiles[98] / 1000}


async def _known(one: PeerClient, other: PeerClient) -> None:
    while other.peer_id not in (await one.do("state", topic=TOPIC))["peers"]:  # noqa: ASYNC110
        await anyio.sleep(0.1)


def mesh(everybody: list[Contender], seconds: float) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """Ten processes in one mesh, 100 messages of 512 B a second, from publishing to the application. ms."""
    for who in _gossiping(everybody):
        yield who.name, partial(_run, _mesh, who, seconds)


def router() -> Iterable[tuple[str, Callable[[], Figures]]]:
    """A router of ours by itself, with 1,000 peers in 100 topics: bytes for a peer in a topic, ms of a heartbeat."""

    def work() -> Figures:
        words = [sys.executable, "-m", "bench.router"]
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode:
            raise ClientFailedError(f"bench.router: {done.stderr[-300:]}")
        size, heartbeat = map(float, done.stdout.split())
        return {"pubsub pair bytes": size, "pubsub heartbeat": heartbeat}

    yield "p2pstack", work
