"""Faults strike at the byte they are told to, in the direction they are told to, and do what they say."""

from collections.abc import Callable
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    create_task_group,
    move_on_after,
    wait_all_tasks_blocked,
)

from p2pstack import Host, LocalProtocolError, Memory, MemoryNetwork
from p2pstack.errors import DialError
from p2pstack.testing import Fault, FaultKind, FaultPlan, FaultyStream, FaultyTransport, Way, faulty_pipe

CUT, RESET, STALL, SPLIT = FaultKind


async def drained(stream: FaultyStream) -> bytes:
    """All that comes until the end."""
    data = b""
    while True:
        try:
            data += await stream.receive()
        except EndOfStream:
            return data


async def test_without_faults_bytes_go_as_they_are() -> None:
    one, other = faulty_pipe()
    await one.send(b"hello")
    assert bytes(await other.receive_view()) == b"hello"
    other.unread(b"lo")
    assert await other.receive(1) == b"l"
    assert await other.receive() == b"o"
    assert (one.sent, one.received, other.received) == (5, 0, 5)
    await one.send_eof()
    assert await drained(other) == b""
    await other.aclose()
    with pytest.raises(ClosedResourceError):
        await other.receive()
    with pytest.raises(ClosedResourceError):
        await one.send(b"more")
    await one.aclose()


@pytest.mark.parametrize("at", [0, 1, 4, 5])
async def test_a_cut_lets_so_many_bytes_pass(at: int) -> None:
    one, other = faulty_pipe([Fault(CUT, at)])
    if at < 5:
        with pytest.raises(BrokenResourceError, match="cut"):
            await one.send(b"hello")
    else:
        await one.send(b"hello")
    assert await drained(other) == b"hello"[:at]
    assert await drained(one) == b""
    assert [str(fault) for fault in one.struck] == [f"cut after {at} bytes sent"]
    with pytest.raises(BrokenResourceError, match="cut"):
        await one.send(b"more")
    with pytest.raises(BrokenResourceError):
        await other.send(b"more")


@pytest.mark.parametrize("at", [0, 2, 5])
async def test_what_is_received_is_cut_at_its_bytes(at: int) -> None:
    one, other = faulty_pipe([Fault(CUT, at, Way.RECEIVED)])
    await other.send(b"hello")
    assert await drained(one) == b"hello"[:at]
    with pytest.raises(BrokenResourceError):
        await other.send(b"more")


async def test_what_was_read_too_far_survives_a_cut() -> None:
    one, other = faulty_pipe([Fault(CUT, 3, Way.RECEIVED)])
    await other.send(b"hello")
    assert await one.receive() == b"hel"
    one.unread(b"l")
    assert await drained(one) == b"l"
    assert one.received == 3


@pytest.mark.parametrize("way", list(Way))
async def test_a_reset_is_felt_at_both_ends_and_loses_what_was_on_its_way(way: Way) -> None:
    one, other = faulty_pipe([Fault(RESET, 3, way)])
    await other.send(b"hello")
    if way is Way.SENT:
        with pytest.raises(BrokenResourceError, match="reset"):
            await one.send(b"hello")
    else:
        assert await one.receive() == b"hel"
    for end in (one, other):
        with pytest.raises(BrokenResourceError, match="reset"):
            await end.receive()
        with pytest.raises(BrokenResourceError, match="reset"):
            await end.send(b"more")
        with pytest.raises(BrokenResourceError, match="reset"):
            await end.send_eof()


@pytest.mark.parametrize("kind", [CUT, RESET])
async def test_who_waits_hears_of_the_end(kind: FaultKind) -> None:
    one, other = faulty_pipe(max_buffer=4)
    ends: list[type[Exception]] = []

    async def receive(stream: FaultyStream) -> None:
        try:
            while True:
                await stream.receive()
        except (EndOfStream, BrokenResourceError) as error:
            ends.append(type(error))

    async def send() -> None:
        with pytest.raises(BrokenResourceError):
            await one.send(b"too much")

    async with create_task_group() as tasks:
        tasks.start_soon(receive, one)
        await wait_all_tasks_blocked()
        tasks.start_soon(send)
        await wait_all_tasks_blocked()
        await one.strike(kind)
        await one.strike(kind)
    await receive(other)
    assert ends == [EndOfStream if kind is CUT else BrokenResourceError] * 2


@pytest.mark.parametrize("way", list(Way))
async def test_a_stall_holds_up_one_direction_until_it_is_closed(way: Way) -> None:
    one, other = faulty_pipe([Fault(STALL, 2, way)])
    call: Callable[[], Any] = (lambda: one.send(b"hello")) if way is Way.SENT else one.receive
    with move_on_after(0.01) as scope:
        await other.send(b"hello")
        await one.receive(2)
        await call()
    assert scope.cancelled_caught
    if way is Way.SENT:
        assert await other.receive() == b"he"
        assert await one.receive() == b"llo"
    else:
        await one.send(b"still")
        assert await other.receive() == b"still"

    async def waiting() -> None:
        with pytest.raises(ClosedResourceError):
            await call()

    async with create_task_group() as tasks:
        tasks.start_soon(waiting)
        await wait_all_tasks_blocked()
        await one.aclose()


async def test_a_stall_can_come_while_somebody_waits() -> None:
    one, other = faulty_pipe()

    async def waiting() -> None:
        with pytest.raises(ClosedResourceError):
            await one.receive()

    async with create_task_group() as tasks:
        tasks.start_soon(waiting)
        await wait_all_tasks_blocked()
        await one.strike(STALL, Way.RECEIVED)
        await other.send(b"lost")
        await wait_all_tasks_blocked()
        assert one.received == 0
        await one.aclose()


async def test_what_is_split_comes_in_two_pieces() -> None:
    one, other = faulty_pipe([Fault(SPLIT, 2), Fault(SPLIT, 3, Way.RECEIVED)])
    received: list[bytes] = []

    async def receive() -> None:
        received.extend([chunk async for chunk in other])

    async with create_task_group() as tasks:
        tasks.start_soon(receive)
        await wait_all_tasks_blocked()
        await one.send(b"hello")
        await one.send_eof()
    assert received[0] == b"he"
    assert b"".join(received) == b"hello"
    await other.send(b"hello")
    assert [await one.receive(), await one.receive()] == [b"hel", b"lo"]
    assert len(one.struck) == 2


async def test_sending_at_once_stops_before_a_fault(tcp_pair: Callable[..., Any]) -> None:
    async with tcp_pair() as (ours, theirs):
        stream = FaultyStream(ours, [Fault(CUT, 3)])
        assert stream.send_nowait(b"hello") == 2
        assert stream.send_nowait(b"llo") == 0
        await stream.send(b"l")
        assert stream.send_nowait(b"lo") == 0
        with pytest.raises(BrokenResourceError):
            await stream.send(b"lo")
        assert await drained(theirs) == b"hel"


def test_a_fault_stands_at_a_byte() -> None:
    with pytest.raises(LocalProtocolError, match=r"Fault.at: expected a count of bytes, got -1"):
        Fault(CUT, -1)


async def test_a_transport_has_the_faults_that_it_is_given() -> None:
    network = MemoryNetwork()
    plan = FaultPlan(Fault(CUT, 40))
    async with (
        Host(listen=["/memory/1"], transports=[Memory(network=network)]) as server,
        Host(transports=[FaultyTransport(Memory(network=network), plan.wrap)]) as client,
    ):
        with pytest.raises(DialError, match=r"NegotiationError|SecurityError"):
            await client.connect(server.addrs[0])
        assert plan.struck
        assert (await client.connect(server.addrs[0])).remote_peer == server.peer_id


async def test_a_listener_has_them_too() -> None:
    network = MemoryNetwork()
    plan = FaultPlan(Fault(RESET, 40, Way.RECEIVED))
    transport = FaultyTransport(Memory(network=network), plan.wrap)
    async with (
        Host(listen=["/memory/1"], transports=[transport]) as server,
        Host(transports=[Memory(network=network)]) as client,
    ):
        with pytest.raises(DialError, match=r"NegotiationError|SecurityError"):
            await client.connect(server.addrs[0])
        assert plan.struck
        assert (await client.connect(server.addrs[0])).remote_peer == server.peer_id
