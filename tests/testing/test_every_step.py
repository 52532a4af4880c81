"""Whatever a peer and the network do, at whatever byte, and wherever a caller is cancelled: errors have types, nothing
is left behind, and what goes on is whole. Each step of a connection's life, seen from both ends.

A fault at every byte takes some minutes. Unless `P2PSTACK_EVERY_BYTE` is set, one at each 31st byte is run, or fewer
where there are many.
"""

import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    IncompleteRead,
    create_task_group,
    fail_after,
    move_on_after,
    wait_all_tasks_blocked,
)

from p2pstack import (
    FloodSub,
    Host,
    Identify,
    Memory,
    MemoryNetwork,
    P2PError,
    PeerIdentified,
    Plaintext,
    PrivateKey,
    Service,
    StreamReset,
    SwarmConfig,
)
from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.connection import Stream
from p2pstack.negotiation.select import negotiate_inbound, negotiate_outbound
from p2pstack.streams import Messages
from p2pstack.streams.memory import memory_pipe
from p2pstack.testing import (
    FaultKind,
    FaultPlan,
    FaultyTransport,
    Interruption,
    LeakCheck,
    TimeTravel,
    at_every_byte,
    at_every_checkpoint,
)

EVERY_BYTE = "P2PSTACK_EVERY_BYTE" in os.environ
STEP = 1 if EVERY_BYTE else 31
TYPED = (P2PError, EndOfStream, IncompleteRead, BrokenResourceError, ClosedResourceError)
KEYS = [PrivateKey.generate() for _ in range(2)]
ECHO = "/echo/1.0.0"
KINDS = [FaultKind.CUT, FaultKind.RESET, FaultKind.SPLIT]


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Any:
    """A handler that fails for what a peer did is nothing to alarm anybody with."""
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def echo(stream: Stream) -> None:
    messages = Messages(stream, limit=1 << 20)
    async for message in messages:
        await messages.send(message)


async def ask(host: Host, target: Any, size: int = 10) -> None:
    async with await host.open_stream(target, ECHO) as stream:
        messages = Messages(stream, limit=1 << 20)
        await messages.send(bytes(size))
        assert await messages.receive() == bytes(size)
        await stream.send_eof()
        with pytest.raises(EndOfStream):
            await messages.receive()


@asynccontextmanager
async def pair(plan: FaultPlan, **options: Any) -> AsyncGenerator[tuple[Host, Host]]:
    """A dialer whose first connection has the plan's fault, and a listener."""
    network = MemoryNetwork()
    check = LeakCheck(streams=False, descriptors=False)
    options = {"security": [Plaintext], "default_services": False, **options}
    services = options.pop("services", tuple)
    dialer = Host(
        key=KEYS[0], transports=[FaultyTransport(Memory(network=network), plan.wrap)], services=services(), **options
    )
    listener = Host(
        key=KEYS[1], listen=["/memory/1"], transports=[Memory(network=network)], services=services(), **options
    )
    for host in (dialer, listener):
        host.handle(ECHO, handler=echo)
    with fail_after(600):
        async with listener, dialer:
            yield dialer, listener
    assert (dialer.connections, listener.connections) == ((), ())
    await check.check()


async def survived(plan: FaultPlan, call: Callable[..., Awaitable[object]], *args: Any) -> None:
    """Make a call that may fail for the plan's fault, and for nothing else."""
    try:
        with fail_after(300):
            await call(*args)
    except TYPED:
        assert not plan.harmless


async def usable(plan: FaultPlan, dialer: Host, listener: Host) -> None:
    """After a fault there can be another connection; one that had none yet may have it now."""
    await survived(plan, ask, dialer, listener.addrs[0])
    await wait_all_tasks_blocked()
    if plan.struck:
        await ask(dialer, listener.addrs[0])


# --- faults at every byte

PROTOCOLS = ["/nobody/speaks/1.0.0", ECHO]


async def agree(one: RawStream, other: RawStream, role: str) -> tuple[str, str]:
    """Have both ends of a stream agree on a protocol: what each has then. `one` is of who has that role."""
    agreed: dict[str, str] = {}

    async def dial(stream: RawStream) -> None:
        agreed["dialer"] = await negotiate_outbound(stream, PROTOCOLS)

    async def listen(stream: RawStream) -> None:
        agreed["listener"] = await negotiate_inbound(stream, [ECHO, "/other/1.0.0"])

    async def end(call: Callable[[RawStream], Awaitable[None]], stream: RawStream) -> None:
        try:
            await call(stream)
        except TYPED:
            await stream.aclose()

    async with create_task_group() as tasks:
        tasks.start_soon(end, dial, one if role == "dialer" else other)
        tasks.start_soon(end, listen, other if role == "dialer" else one)
    return agreed.get("dialer", ""), agreed.get("listener", "")


@pytest.mark.parametrize("role", ["dialer", "listener"])
async def test_negotiating(role: str) -> None:
    async def scenario(plan: FaultPlan) -> None:
        ours, theirs = memory_pipe()
        wrapped = plan.wrap(ours)
        with fail_after(60):
            found = await agree(wrapped, theirs, role)
        assert set(found) <= {ECHO, ""}
        if plan.harmless:
            assert found == (ECHO, ECHO)
        await wrapped.aclose()
        await theirs.aclose()

    async with LeakCheck():
        await at_every_byte(scenario, kinds=KINDS, step=1)


async def test_connecting(p2p_time: TimeTravel) -> None:
    async def scenario(plan: FaultPlan) -> None:
        async with pair(plan) as (dialer, listener):
            await survived(plan, dialer.connect, listener.addrs[0])
            await usable(plan, dialer, listener)

    async with LeakCheck():
        await at_every_byte(scenario, kinds=KINDS, step=STEP)


async def test_identifying(p2p_time: TimeTravel) -> None:
    async def scenario(plan: FaultPlan) -> None:
        async with pair(plan, services=lambda: [Identify()]) as (dialer, listener):

            async def identified() -> None:
                with (
                    dialer.events.subscribe(PeerIdentified) as there,
                    listener.events.subscribe(PeerIdentified) as here,
                ):
                    await dialer.connect(listener.addrs[0])
                    plan.arm()
                    if plan.harmless:
                        await anext(there)
                        await anext(here)

            await survived(plan, identified)
            await wait_all_tasks_blocked()
            if plan.struck and not plan.harmless:
                assert (dialer.connections, listener.connections) == ((), ())
            await usable(plan, dialer, listener)

    await at_every_byte(scenario, kinds=KINDS, step=1 if EVERY_BYTE else 101, waits=True)


@pytest.mark.parametrize("role", ["dialer", "listener"])
async def test_opening_writing_reading_and_closing_a_stream(p2p_time: TimeTravel, role: str) -> None:
    async def scenario(plan: FaultPlan) -> None:
        async with pair(plan) as (dialer, listener):
            await dialer.connect(listener.addrs[0])
            await wait_all_tasks_blocked()
            plan.arm()
            user, target = (dialer, listener) if role == "dialer" else (listener, dialer)
            await survived(plan, ask, user, target.peer_id, 100)
            await survived(plan, user.disconnect, target.peer_id)
            await wait_all_tasks_blocked()
            assert (dialer.connections, listener.connections) == ((), ())
            await ask(dialer, listener.addrs[0])

    await at_every_byte(scenario, kinds=KINDS, step=STEP, waits=True)


async def test_publishing(p2p_time: TimeTravel) -> None:
    async def scenario(plan: FaultPlan) -> None:
        pubsubs: list[FloodSub] = []

        def services() -> list[Service]:
            pubsubs.append(FloodSub())
            return [Identify(), pubsubs[-1]]

        async with pair(plan, services=services) as (dialer, listener):
            author, reader = pubsubs
            async with reader.subscribe("news") as news:
                await dialer.connect(listener.addrs[0])
                plan.arm()

                async def publish() -> None:
                    # With no peer left in the topic there would be nothing to wait for.
                    with move_on_after(None if plan.harmless else 5):
                        await author.wait_for_mesh("news")
                    await author.publish("news", b"hello")
                    if plan.harmless:
                        assert (await anext(news)).data == b"hello"

                await survived(plan, publish)
                await usable(plan, dialer, listener)

    await at_every_byte(scenario, kinds=KINDS, step=1 if EVERY_BYTE else 127, waits=True)


async def test_a_peer_that_falls_silent_at_any_byte(p2p_time: TimeTravel) -> None:
    """Nothing says that the connection is dead: deadlines do."""

    async def scenario(plan: FaultPlan) -> None:
        async with pair(plan, config=SwarmConfig(close_timeout=1)) as (dialer, listener):
            for _ in range(2):
                began = p2p_time.now
                await survived(plan, ask, dialer, listener.addrs[0])
                assert p2p_time.now - began < 60
                await p2p_time.travel(60)
            if plan.struck:
                await p2p_time.travel(60)  # it may have been a moment ago
                await ask(dialer, listener.addrs[0])
                assert len(dialer.connections) == len(listener.connections) == 1, "the dead one is gone"

    await at_every_byte(scenario, kinds=[FaultKind.STALL], step=STEP)


# --- cancellation at every checkpoint


@pytest.mark.parametrize("role", ["dialer", "listener"])
async def test_a_negotiation_may_be_cancelled_anywhere(role: str) -> None:
    """The stream is its owner's, who closes it: the other end hears of that, and of nothing else."""

    async def scenario(interruption: Interruption[Any]) -> None:
        ours, theirs = memory_pipe()

        async def other_side() -> None:
            with suppress(*TYPED):
                if role == "dialer":
                    await negotiate_inbound(theirs, [ECHO])
                else:
                    await negotiate_outbound(theirs, PROTOCOLS)

        async with create_task_group() as tasks:
            tasks.start_soon(other_side)
            if role == "dialer":
                found = await interruption.call(negotiate_outbound, ours, PROTOCOLS)
            else:
                found = await interruption.call(negotiate_inbound, ours, [ECHO])
            assert found in (None, ECHO)
            assert found or interruption.struck
            await ours.aclose()
        await theirs.aclose()

    async with LeakCheck():
        assert await at_every_checkpoint(scenario) >= 1


@asynccontextmanager
async def connected(**options: Any) -> AsyncGenerator[tuple[Host, Host]]:
    async with pair(FaultPlan(), security=None, **options) as (dialer, listener):
        await dialer.connect(listener.addrs[0])
        await wait_all_tasks_blocked()
        yield dialer, listener


async def whole(dialer: Host, listener: Host) -> None:
    """Both ends are as if nothing had been."""
    for one, other in ((dialer, listener), (listener, dialer)):
        await ask(one, other.peer_id)
        await ask(one, other.peer_id, 700_000)
    await wait_all_tasks_blocked()
    for host in (dialer, listener):
        assert [connection.streams for connection in host.connections] == [()]


async def test_a_connect_may_be_cancelled_anywhere() -> None:
    async def scenario(interruption: Interruption[Any]) -> None:
        async with pair(FaultPlan(), security=None) as (dialer, listener):
            await interruption.call(dialer.connect, listener.addrs[0])
            await ask(dialer, listener.addrs[0])
            await wait_all_tasks_blocked()
            assert len(dialer.connections) == len(listener.connections) == 1
            await whole(dialer, listener)

    async with LeakCheck():
        assert await at_every_checkpoint(scenario) >= 1


@pytest.mark.parametrize("role", ["dialer", "listener"])
@pytest.mark.parametrize("size", [10, 700_000])
async def test_a_stream_may_be_cancelled_anywhere(role: str, size: int) -> None:
    async def scenario(interruption: Interruption[Any]) -> None:
        async with connected() as (dialer, listener):
            user, target = (dialer, listener) if role == "dialer" else (listener, dialer)
            await interruption.call(ask, user, target.peer_id, size)
            await whole(dialer, listener)

    assert await at_every_checkpoint(scenario) >= 1


@pytest.mark.parametrize("size", [10, 700_000])
async def test_a_message_whose_sending_was_cancelled_is_there_whole_or_not_at_all(size: int) -> None:
    """Or nothing can be sent behind it: half a message is none."""

    async def scenario(interruption: Interruption[Any]) -> None:
        received: list[bytes] = []
        ends: list[Exception] = []
        async with connected() as (dialer, listener):

            async def take(stream: Stream) -> None:
                try:
                    async for message in Messages(stream, limit=1 << 20):
                        received.append(message)
                except Exception as error:
                    ends.append(error)
                    raise

            listener.handle("/take/1.0.0", handler=take)
            async with await dialer.open_stream(listener.peer_id, "/take/1.0.0") as stream:
                messages = Messages(stream, limit=1 << 20)
                await interruption.call(messages.send, bytes(size))
                with suppress(StreamReset):
                    await messages.send(b"behind it")
            await wait_all_tasks_blocked()
            if ends:
                assert interruption.struck
                assert [type(end) for end in ends] == [StreamReset], "an end that the peer cannot take for one in order"
                assert received == []
            else:
                assert [len(message) for message in received] in ([9], [size, 9])
            await whole(dialer, listener)

    await at_every_checkpoint(scenario)


@pytest.mark.parametrize("role", ["dialer", "listener"])
async def test_a_disconnect_may_be_cancelled_anywhere(role: str) -> None:
    async def scenario(interruption: Interruption[Any]) -> None:
        async with connected() as (dialer, listener):
            user, target = (dialer, listener) if role == "dialer" else (listener, dialer)
            await interruption.call(user.disconnect, target.peer_id)
            await ask(dialer, listener.addrs[0])

    assert await at_every_checkpoint(scenario) >= 1


async def test_a_publish_may_be_cancelled_anywhere() -> None:
    async def scenario(interruption: Interruption[Any]) -> None:
        pubsubs: list[FloodSub] = []

        def services() -> list[Service]:
            pubsubs.append(FloodSub())
            return [Identify(), pubsubs[-1]]

        async with pair(FaultPlan(), security=None, services=services) as (dialer, listener):
            author, reader = pubsubs
            async with reader.subscribe("news") as news:
                await dialer.connect(listener.addrs[0])
                await author.wait_for_mesh("news")
                await interruption.call(author.publish, "news", bytes(10_000))
                await author.publish("news", b"behind it")
                sizes: list[int] = []
                while 9 not in sizes:
                    sizes.append(len((await anext(news)).data))
                assert sizes in ([9], [10_000, 9])

    await at_every_checkpoint(scenario)
