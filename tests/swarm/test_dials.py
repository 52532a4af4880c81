"""All who ask for the same peer share one dial, and none of them can spoil it for the others."""

from typing import Any

import pytest
from anyio import CancelScope, Event, create_task_group, get_cancelled_exc_class, sleep_forever, wait_all_tasks_blocked

from p2pstack.abc.connection import Direction
from p2pstack.abc.events import DialFailed
from p2pstack.abc.gater import ConnectionGater
from p2pstack.errors import DialError, LimitExceeded
from p2pstack.identity.peer_id import PeerId
from p2pstack.peerstore import MemoryPeerstore
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.connection import ConnectionContext, SwarmConnection
from p2pstack.swarm.dials import SharedDials
from p2pstack.swarm.events import Bus
from p2pstack.swarm.handlers import Handlers
from p2pstack.swarm.inbound import InboundStreams
from p2pstack.swarm.overdue import OverdueStreams


class Dials:
    """Shared dials with a dialer that counts, and waits until it is told how to end."""

    def __init__(self, make_dialer: Any, transport: Any, addrs: Any) -> None:
        self.transport = transport
        self.dialer = make_dialer()
        self.addrs = addrs
        self.bus = Bus()
        self.ended: list[SwarmConnection] = []
        self.context = ConnectionContext(
            config=SwarmConfig(),
            handlers=Handlers(self.bus),
            peerstore=MemoryPeerstore(),
            bus=self.bus,
            inbound=InboundStreams(1),
            overdue=OverdueStreams(1),
            on_end=lambda connection, error: self.ended.append(connection),
        )
        self.refusal: Exception | None = None

    def admit(self, muxed: Any, endpoints: Any, direction: Direction) -> SwarmConnection:
        assert direction is Direction.OUTBOUND
        if self.refusal is not None:
            raise self.refusal
        return SwarmConnection(muxed, endpoints, direction, self.context)

    def shared(self, tasks: Any) -> SharedDials:
        return SharedDials(tasks, self.dialer, admit=self.admit, bus=self.bus)


@pytest.fixture
def parts(make_dialer: Any, transport: Any, addrs: Any) -> Dials:
    return Dials(make_dialer, transport, addrs)


async def test_two_callers_share_a_dial_and_its_connection(parts: Dials, fake_muxed: Any, peer: PeerId) -> None:
    answer = Event()

    async def outcome() -> Any:
        await answer.wait()
        return fake_muxed()

    addr = parts.transport.on(parts.addrs[0], outcome)
    found: list[Any] = []
    async with create_task_group() as tasks:
        dials = parts.shared(tasks)

        async def connect() -> None:
            found.append(await dials.connect(peer, [addr]))

        for _ in range(3):
            tasks.start_soon(connect)
        await wait_all_tasks_blocked()
        answer.set()
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert parts.transport.dialled == [addr]
    assert parts.ended == found[:1]


async def test_a_cancelled_caller_leaves_the_dial_to_the_others(parts: Dials, fake_muxed: Any, peer: PeerId) -> None:
    answer = Event()

    async def outcome() -> Any:
        await answer.wait()
        return fake_muxed()

    addr = parts.transport.on(parts.addrs[0], outcome)
    async with create_task_group() as tasks:
        dials = parts.shared(tasks)
        impatient = CancelScope()

        async def connect_impatiently() -> None:
            with impatient:
                await dials.connect(peer, [addr])

        async def connect() -> None:
            await dials.connect(peer, [addr])
            connected.set()

        connected = Event()
        tasks.start_soon(connect_impatiently)
        await wait_all_tasks_blocked()
        tasks.start_soon(connect)
        await wait_all_tasks_blocked()
        impatient.cancel()
        await wait_all_tasks_blocked()
        answer.set()
        await connected.wait()
        tasks.cancel_scope.cancel()
    assert parts.transport.dialled == [addr]


async def test_a_dial_that_nobody_waits_for_is_cancelled_and_a_later_caller_starts_anew(
    parts: Dials, fake_muxed: Any, peer: PeerId
) -> None:
    cancelled = Event()

    async def hangs() -> Any:
        try:
            await sleep_forever()
        except get_cancelled_exc_class():
            cancelled.set()
            raise

    addr = parts.transport.on(parts.addrs[0], hangs)
    async with create_task_group() as tasks:
        dials = parts.shared(tasks)
        with CancelScope() as impatient:
            tasks.start_soon(_cancel_when_blocked, impatient)
            await dials.connect(peer, [addr])

        async def connects() -> Any:
            return fake_muxed()

        parts.transport.on(addr, connects)
        await dials.connect(peer, [addr])
        await cancelled.wait()
        tasks.cancel_scope.cancel()
    assert parts.transport.dialled == [addr, addr]


async def _cancel_when_blocked(scope: CancelScope) -> None:
    await wait_all_tasks_blocked()
    scope.cancel()


async def test_all_callers_get_the_error_and_the_bus_gets_it_once(parts: Dials, peer: PeerId) -> None:
    go = Event()

    async def refuses() -> Any:
        await go.wait()
        raise ConnectionRefusedError

    addr = parts.transport.on(parts.addrs[0], refuses)
    errors: list[Exception] = []
    with parts.bus.subscribe(DialFailed) as events:
        async with create_task_group() as tasks:
            dials = parts.shared(tasks)

            async def connect() -> None:
                try:
                    await dials.connect(peer, [addr])
                except DialError as error:
                    errors.append(error)

            tasks.start_soon(connect)
            tasks.start_soon(connect)
            await wait_all_tasks_blocked()
            go.set()
        parts.bus.close()
        told = [event async for event in events]
    assert len(errors) == 2
    assert [event.peer for event in told] == [peer]


async def test_a_caller_with_other_addresses_tries_them_when_the_shared_dial_failed(
    parts: Dials, fake_muxed: Any, peer: PeerId
) -> None:
    go = Event()

    async def refuses() -> Any:
        await go.wait()
        raise ConnectionRefusedError

    async def connects() -> Any:
        return fake_muxed()

    bad = parts.transport.on(parts.addrs[0], refuses)
    good = parts.transport.on(parts.addrs[1], connects)
    async with create_task_group() as tasks:
        dials = parts.shared(tasks)

        async def connect_badly() -> None:
            with pytest.raises(DialError):
                await dials.connect(peer, [bad])

        tasks.start_soon(connect_badly)
        await wait_all_tasks_blocked()
        async with create_task_group() as second:
            second.start_soon(dials.connect, peer, [good])
            await wait_all_tasks_blocked()
            go.set()
        tasks.cancel_scope.cancel()
    assert parts.transport.dialled == [bad, good]


async def test_a_connection_that_is_not_admitted_is_closed(parts: Dials, fake_muxed: Any, peer: PeerId) -> None:
    muxed = fake_muxed()

    async def connects() -> Any:
        return muxed

    parts.refusal = LimitExceeded("connections", limit=1, used=1)
    addr = parts.transport.on(parts.addrs[0], connects)
    async with create_task_group() as tasks:
        with pytest.raises(LimitExceeded):
            await parts.shared(tasks).connect(peer, [addr])
    assert muxed.closed


async def test_without_a_peer_those_who_ask_for_the_same_address_share(parts: Dials, fake_muxed: Any) -> None:
    async def connects() -> Any:
        return fake_muxed()

    addr = parts.transport.on(parts.addrs[0], connects)
    async with create_task_group() as tasks:
        dials = parts.shared(tasks)
        async with create_task_group() as callers:
            for _ in range(2):
                callers.start_soon(dials.connect, None, [addr])
        tasks.cancel_scope.cancel()
    assert parts.transport.dialled == [addr]


def test_a_gater_allows_what_it_does_not_refuse(peer: PeerId, addrs: Any) -> None:
    gater = ConnectionGater()
    assert gater.allow_dial_peer(peer)
    assert gater.allow_dial_addr(peer, addrs[0])
