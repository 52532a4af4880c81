"""`Simulation`: many nodes on one network."""

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager, nullcontext
from random import Random
from typing import Self

from anyio import AsyncContextManagerMixin, Semaphore, create_task_group, current_time, sleep
from anyio.abc import TaskGroup, TaskStatus

from p2pstack.abc.events import Event
from p2pstack.abc.service import Service
from p2pstack.errors import LocalProtocolError, P2PError
from p2pstack.host.groups import ungrouped
from p2pstack.identity.peer_id import PeerId
from p2pstack.sim.churn import Churn
from p2pstack.sim.lean import collect_later, work_once
from p2pstack.sim.link import Latency, LinkConfig
from p2pstack.sim.machine import Machine
from p2pstack.sim.nat import NatKind
from p2pstack.sim.network import SimNetwork
from p2pstack.sim.node import Security, SimNode
from p2pstack.sim.topology import Topology, random_graph
from p2pstack.sim.trace import Trace
from p2pstack.sim.units import parse_seconds
from p2pstack.sim.watch import watch

__all__ = ["Simulation"]

#: connections that are made at a time, of one node and in all: more would only take more memory
_AT_ONCE = 32
_AT_ONCE_IN_ALL = 256
#: nodes from which on the garbage collector is spared the sight of them
_MANY = 256
_MILLION = 1e6


class Simulation(AsyncContextManagerMixin):
    """Nodes that run the whole stack, on a simulated network: `async with Simulation(nodes=100) as net:`, in virtual
    time (`p2pstack.sim.run`). Inside all are started, and connected as the topology says.

    :param nodes: how many
    :param latency: of each link, in one direction: seconds, or text such as "20ms±5ms"
    :param loss: the chance of a segment to be lost, from 0 to below 1
    :param bandwidth: what each node can send: bytes a second, or text such as "8Mbit/s"; None: no limit
    :param link: how links are, in place of `latency` and `loss`
    :param link_of: how the link between two machines is, in place of all three: `in_regions()` for one
    :param topology: who connects to whom; by default each has 8 connections on average, or as many as there are others
    :param services: makes the services of a node, beside identify and ping
    :param nat: the kind of NAT that a node is behind, by its number; None: none. It is dialled by nobody
    :param clock_offset: standard deviation of what clocks on walls differ by: seconds, or text such as "50ms"
    :param clock_drift: standard deviation of what they gain or lose, in parts per million
    :param seed: of all that is left to chance; the same seed, the same run
    :param security: "noise", or "plaintext" where only the size of the network matters
    :param work_once: whether what follows from its arguments alone, and every node would work out for itself, is worked
        out once: that a signature holds, what two ends of a handshake share, what the bytes of a message mean. The run
        is the same, and takes less
    :param trace: where what happens is told; one of its own unless given
    :param watch: events of the hosts that go into the trace
    """

    def __init__(
        self,
        nodes: int,
        *,
        latency: Latency | str | float = "20ms",
        loss: float = 0.0,
        bandwidth: str | float | None = None,
        link: LinkConfig | None = None,
        link_of: Callable[[Machine, Machine], LinkConfig] | None = None,
        topology: Topology | None = None,
        services: Callable[[], Sequence[Service]] = tuple,
        nat: Callable[[int], NatKind | None] | None = None,
        clock_offset: str | float = 0.0,
        clock_drift: float = 0.0,
        seed: int = 0,
        security: Security = "noise",
        work_once: bool = True,
        trace: Trace | None = None,
        watch: Iterable[type[Event]] = (),
    ) -> None:
        if nodes < 1:
            raise LocalProtocolError(f"expected at least one node, got {nodes}")
        self.seed = seed
        #: for what a scenario leaves to chance
        self.random = Random(f"scenario {seed}")
        self.network = network = SimNetwork(
            link or LinkConfig(latency=latency, loss=loss), link_of=link_of, seed=seed, trace=trace
        )
        self._topology = topology or random_graph(8)
        self._watched = tuple(watch)
        self._work_once = work_once
        self._names: dict[PeerId, str] = {}
        self._tasks: TaskGroup | None = None
        self._churns = Random(f"churn {seed}")
        offset, clocks = parse_seconds(clock_offset), Random(f"clocks {seed}")
        #: the nodes, in the order of their numbers
        self.nodes: list[SimNode] = []
        for index in range(nodes):
            kind = None if nat is None else nat(index)
            machine = network.machine(uplink=bandwidth, nat=None if kind is None else network.nat(kind))
            node = SimNode(
                machine,
                services=services,
                security=security,
                seed=f"node {seed}",
                clock_offset=clocks.gauss(0, offset),
                clock_drift=clocks.gauss(0, clock_drift) / _MILLION,
            )
            self.nodes.append(node)
            self._names[node.key.peer_id] = node.name

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        with ExitStack() as stack, work_once() if self._work_once else nullcontext(), ungrouped(levels=1):
            async with self.network, create_task_group() as tasks:
                settled = stack.enter_context(collect_later()) if len(self.nodes) >= _MANY else None
                self._tasks = tasks
                for node in self.nodes:
                    await self._start(node)
                edges = self._topology(len(self.nodes), Random(f"topology {self.seed}"))
                for one, other in edges:
                    self._plan(self.nodes[one], self.nodes[other])
                await self._dial([(node, other) for node in self.nodes for other in node.dials])
                if settled is not None:
                    settled()
                yield self
                self._tasks = None
                tasks.cancel_scope.cancel()

    @property
    def trace(self) -> Trace:
        """What happened."""
        return self.network.trace

    @property
    def running(self) -> list[SimNode]:
        """The nodes that live."""
        return [node for node in self.nodes if node.running]

    # --- connections

    def _plan(self, one: SimNode, other: SimNode) -> None:
        if other.machine.nat is not None:
            one, other = other, one
        if other.machine.nat is None:
            one.dials.append(other)
            other.dialled_by.append(one)

    async def _dial(self, pairs: Iterable[tuple[SimNode, SimNode]]) -> None:
        in_all = Semaphore(_AT_ONCE_IN_ALL)
        slots = [Semaphore(_AT_ONCE) for _ in self.nodes]

        async def dial(node: SimNode, other: SimNode) -> None:
            async with slots[other.index], in_all:
                await self.connect(node, other)

        async with create_task_group() as dialling:
            for one, other in pairs:
                dialling.start_soon(dial, one, other)

    async def connect(self, node: SimNode, other: SimNode) -> None:
        """Connect two nodes, and wait until both know.

        :raises P2PError: as `Host.connect`
        """
        await node.host.connect(other.host.addrs[0])
        # Who dials is done first; the other side is when the last message has arrived.
        pause = self.network.link(node.machine, other.machine).lanes[0].round_trip or 0.001
        while node.running and other.running and not other.host.connections_to(node.host.peer_id):
            if not node.host.connections_to(other.host.peer_id):
                break
            await sleep(pause)

    # --- what happens to the network

    def partition(self, *groups: Iterable[SimNode]) -> None:
        """Nodes of different groups do not reach each other any longer, until `heal`. Those of no group reach all."""
        named = [list(group) for group in groups]
        self._note("partition", groups=[[node.name for node in group] for group in named])
        self.network.partition(*[[node.machine for node in group] for group in named])

    def cut(self, one: SimNode, other: SimNode) -> None:
        """Cut the link between two nodes, until `heal`."""
        self._note("cut", one=one.name, other=other.name)
        self.network.cut(one.machine, other.machine)

    def heal(self) -> None:
        """All that was cut is whole again."""
        self._note("heal")
        self.network.heal()

    # --- what happens to nodes

    def kill(self, node: SimNode, *, silently: bool = False) -> None:
        """End a node at once.

        :param silently: as where the power fails: no peer is told. Else the kernel closes its connections
        """
        self._note("kill", node=node.name, silently=silently)
        node.kill(silently=silently)

    async def stop(self, node: SimNode) -> None:
        """End a node in order: its peers are told."""
        self._note("stop", node=node.name)
        await node.stop()

    async def restart(self, node: SimNode, *, reconnect: bool = True) -> None:
        """Start a node again that was killed or stopped: with its identity, its addresses and its peerstore.

        :param reconnect: connect it to those of its topology that live
        """
        await node.wait_ended()
        self._note("restart", node=node.name)
        await self._start(node)
        if reconnect:
            pairs = [*((node, other) for other in node.dials), *((other, node) for other in node.dialled_by)]
            for one, other in pairs:
                if one.running and other.running:
                    await self._try_to_connect(one, other)

    async def _try_to_connect(self, one: SimNode, other: SimNode) -> None:
        try:
            await self.connect(one, other)
        except (P2PError, TimeoutError) as error:
            self._note("not connected", dialler=one.name, listener=other.name, error=type(error).__name__)

    def churn(
        self,
        *,
        up: str | float,
        down: str | float,
        nodes: Sequence[SimNode] | None = None,
        silently: bool = False,
    ) -> Churn:
        """Let nodes die and come back from now on, until `stop` of what is returned.

        :param up: how long a node lives, on average: seconds, or text such as "1min"
        :param down: how long it is away, on average
        :param nodes: which; all unless given
        :param silently: die without telling anybody
        """
        tasks = self._running()
        churn = Churn(
            self,
            self.nodes if nodes is None else nodes,
            up=parse_seconds(up),
            down=parse_seconds(down),
            silently=silently,
            random=self._churns,
        )
        tasks.start_soon(churn.run, name="churn")
        return churn

    async def _start(self, node: SimNode) -> None:
        tasks = self._running()
        await tasks.start(node.run, name=node.name)
        if self._watched:

            async def watched(*, task_status: TaskStatus[None]) -> None:
                await watch(
                    node.host,
                    node.name,
                    self._watched,
                    trace=self.trace,
                    names=self._names,
                    task_status=task_status,
                )

            await tasks.start(watched, name=f"watch {node.name}")

    def _running(self) -> TaskGroup:
        if self._tasks is None:
            raise LocalProtocolError("the simulation is not running: use it within `async with simulation:`")
        return self._tasks

    def _note(self, kind: str, **facts: object) -> None:
        self.trace.note(current_time(), kind, **facts)
