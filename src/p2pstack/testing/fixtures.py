"""What the fixtures of the pytest plugin give to tests, for those who use it without pytest."""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

from anyio import (
    AsyncContextManagerMixin,
    CancelScope,
    Event,
    create_task_group,
    current_time,
    sleep,
    wait_all_tasks_blocked,
)
from anyio.abc import TaskGroup, TaskStatus

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.service import Service
from p2pstack.errors import LocalProtocolError
from p2pstack.host.host import Host
from p2pstack.sim import Simulation
from p2pstack.testing.faults import Fault, FaultyStream
from p2pstack.testing.transport import FaultyTransport
from p2pstack.transports.memory import Memory, MemoryNetwork

__all__ = ["Faults", "Hosts", "Networks", "TimeTravel"]


class Networks(AsyncContextManagerMixin):
    """Makes simulated networks that live as long as it does: `net = await networks(nodes=100, latency="20ms±5ms")`.

    A network that fails, as by a service that raises, ends the test that is guarded.

    :param seed: of those that are given no other
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        #: those made so far
        self.made: list[Simulation] = []
        self._tasks: TaskGroup | None = None
        self._over = Event()
        self._test = CancelScope()
        self._failure: Exception | None = None

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        async with create_task_group() as tasks:
            self._tasks = tasks
            try:
                yield self
            finally:
                self._over.set()
        self._raise_failure()

    async def __call__(self, nodes: int = 10, **options: Any) -> Simulation:
        """A network whose nodes have been started and connected.

        :param options: as those of `Simulation`
        """
        if self._tasks is None:
            raise LocalProtocolError("expected to be used within `async with networks:`")
        settings: dict[str, Any] = {"seed": self.seed, **options}
        net = Simulation(nodes, **settings)
        self.made.append(net)
        await self._tasks.start(self._run, net)
        return net

    async def _run(self, net: Simulation, *, task_status: TaskStatus[None]) -> None:
        started = False
        try:
            async with net:
                started = True
                task_status.started()
                await self._over.wait()
        except Exception as error:
            if not started:
                raise
            self._failure = error
            self._test.cancel()

    def guard(self, test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        """`test`, which ends by the error of a network if one fails."""

        async def guarded(*args: Any, **kwargs: Any) -> None:
            with self._test:
                await test(*args, **kwargs)
            self._raise_failure()

        return guarded

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


class Faults:
    """Has connections go wrong: `hosts = await p2p_hosts(2, wrap=faults.wrap)`."""

    def __init__(self) -> None:
        #: the streams that went through here, in their order
        self.streams: list[FaultyStream] = []
        self._next: deque[Sequence[Fault]] = deque()

    def next(self, *faults: Fault) -> None:
        """The next stream that comes has these faults; called again, the one after it has those."""
        self._next.append(faults)

    def wrap(self, stream: RawStream) -> FaultyStream:
        """The stream with the faults whose turn it is; with none where there are none."""
        wrapped = FaultyStream(stream, self._next.popleft() if self._next else ())
        self.streams.append(wrapped)
        return wrapped


class Hosts(AsyncContextManagerMixin):
    """Makes hosts that reach each other in memory, and live as long as it does: `one, other = await hosts(2)`."""

    def __init__(self) -> None:
        self._network = MemoryNetwork()
        self._stack = AsyncExitStack()

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        async with self._stack:
            yield self

    async def __call__(
        self,
        count: int = 2,
        *,
        services: Callable[[], Sequence[Service]] = tuple,
        wrap: Callable[[RawStream], RawStream] | None = None,
        **options: Any,
    ) -> list[Host]:
        """So many hosts that listen, and are not connected.

        :param services: makes those of one host
        :param wrap: what is put around the raw streams of these hosts, such as `Faults().wrap`
        :param options: as those of `Host`
        :raises LocalProtocolError: `count` is not positive
        """
        if count < 1:
            raise LocalProtocolError(f"expected at least one host, got {count}")
        memory = Memory(network=self._network)
        settings: dict[str, Any] = {
            "listen": ["/memory/0"],
            "transports": [memory if wrap is None else FaultyTransport(memory, wrap)],
            **options,
        }
        return [await self._stack.enter_async_context(Host(services=services(), **settings)) for _ in range(count)]


class TimeTravel:
    """Virtual time."""

    @property
    def now(self) -> float:
        """Seconds on the clock of the event loop."""
        return current_time()

    async def travel(self, seconds: float) -> None:
        """Let time pass: all that is due meanwhile happens, in its order."""
        await sleep(seconds)

    async def settle(self) -> None:
        """Let all happen that needs no time."""
        await wait_all_tasks_blocked()
