"""A ledger to try things on, anew for each test, and nodes in memory."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

import pytest

from p2pstack import Host, Memory, MemoryNetwork, Service
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.service import LedgerConfig, LedgerNode

from .scene import Scene

Start = Callable[..., Awaitable[tuple[LedgerNode, Host]]]


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture(scope="session")
def long_chain() -> Ledger:
    """More blocks than fit into one answer."""
    scene = Scene()
    ledger = Ledger(scene.rules)
    for number in range(520):
        scene.extend(ledger, *([scene.pay(0, 1, 1, number=number // 10, fee=0)] if number % 10 == 0 else ()))
    return ledger


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a node: `node, host = await start(ledger)`."""
    network = MemoryNetwork()
    async with AsyncExitStack() as hosts:

        async def start(
            ledger: Ledger | None = None, services: Sequence[Service] = (), **options: object
        ) -> tuple[LedgerNode, Host]:
            node = None
            if ledger is not None:
                options.setdefault("config", LedgerConfig(sync_interval=0.2))
                node = LedgerNode(ledger, **options)  # type: ignore[arg-type]
                services = [node.pubsub, node]
            host = Host(listen=["/memory/0"], transports=[Memory(network=network)], services=services)
            await hosts.enter_async_context(host)
            return node, host  # type: ignore[return-value]

        yield start
