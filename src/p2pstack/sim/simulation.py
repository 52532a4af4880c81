"""`Simulation`: many nodes on one network."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Self

from anyio import AsyncContextManagerMixin, Semaphore, create_task_group, sleep
from anyio.abc import TaskGroup

from p2pstack.abc.service import Service
from p2pstack.errors import LocalProtocolError
from p2pstack.sim.link import Latency, LinkConfig
from p2pstack.sim.network import SimNetwork
from p2pstack.sim.node import Security, SimNode
from p2pstack.sim.topology import Topology, random_graph
from p2pstack.sim.trace import Trace

__all__ = ["Simulation"]

#: inbound connections of one node that are made at a time
_AT_ONCE = 32


class Simulation(AsyncContextManagerMixin):
    """Nodes that run the whole stack, on a simulated network: `async with Simulation(nodes=100) as net:`, in virtual
    time (`p2pstack.sim.run`). Inside all are started, and connected as the topology says.

    :param nodes: how many
    :param latency: of each link, in one direction: seconds, or text such as "20ms±5ms"
    :param loss: the chance of a segment to be lost, from 0 to below 1
    :param bandwidth: what each node can send: bytes a second, or text such as "8Mbit/s"; None: no limit
    :param link: how links are, in place of `latency` and `loss`
    :param topology: who connects to whom; by default each has 8 connections on average, or as many as there are others
    :param services: makes the services of a node, beside identify and ping
    :param seed: of all that is left to chance; the same seed, the same run
    :param security: "noise", or "plaintext" where only the size of the network matters
    :param trace: where what happens is told; one of its own unless given
    """

    def __init__(
        self,
        nodes: int,
        *,
        latency: Latency | str | float = "20ms",
        loss: float = 0.0,
        bandwidth: str | float | None = None,
        link: LinkConfig | None = None,
        topology: Topology | None = None,
        services: Callable[[], Sequence[Service]] = tuple,
        seed: int = 0,
        security: Security = "noise",
        trace: Trace | None = None,
    ) -> None:
        if nodes < 1:
            raise LocalProtocolError(f"expected at least one node, got {nodes}")
        self.seed = seed
        #: for what a scenario leaves to chance
        self.random = Random(f"scenario {seed}")
        self.network = SimNetwork(link or LinkConfig(latency=latency, loss=loss), seed=seed, trace=trace)
        self._topology = topology or random_graph(8)
        self.nodes: list[SimNode] = [
            SimNode(self.network.machine(uplink=bandwidth), services=services, security=security, seed=f"node {seed}")
            for _ in range(nodes)
        ]
        self._tasks: TaskGroup | None = None

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        async with self.network, create_task_group() as tasks:
            self._tasks = tasks
            for node in self.nodes:
                await tasks.start(node.run, name=node.name)
            await self.connect(self._topology(len(self.nodes), Random(f"topology {self.seed}")))
            yield self
            tasks.cancel_scope.cancel()

    @property
    def trace(self) -> Trace:
        """What happened."""
        return self.network.trace

    async def connect(self, edges: Iterable[tuple[int, int]]) -> None:
        """Connect nodes: pairs of their numbers, who dials and who is dialled."""
        slots = [Semaphore(_AT_ONCE) for _ in self.nodes]

        async def dial(node: SimNode, other: SimNode) -> None:
            async with slots[other.index]:
                await node.host.connect(other.host.addrs[0])
                # Who dials is done first; the other side is when the last message has arrived.
                while node.running and other.running and not other.host.connections_to(node.host.peer_id):  # noqa: ASYNC110
                    await sleep(self.network.link(node.machine, other.machine).lanes[0].round_trip or 0.001)

        async with create_task_group() as dialling:
            for one, other in edges:
                dialling.start_soon(dial, self.nodes[one], self.nodes[other])
