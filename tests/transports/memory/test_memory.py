"""Connections within the process: by number, within one network, with a bound on what waits."""

from typing import Any

import pytest
from anyio import ClosedResourceError, EndOfStream, create_task_group, wait_all_tasks_blocked
from multiaddr import Multiaddr

from p2pstack.abc.transport import Endpoints
from p2pstack.errors import ListenError, LocalProtocolError
from p2pstack.identity.address import parse_text
from p2pstack.transports.memory import Memory, MemoryNetwork

ONE = parse_text("/memory/1")


class Upgrader:
    """Hands back the raw stream."""

    async def upgrade_outbound(self, stream: Any, *, peer: Any) -> Any:
        return stream, peer

    async def upgrade_inbound(self, stream: Any) -> Any:
        return stream


UPGRADER: Any = Upgrader()


@pytest.fixture
def memory() -> Memory:
    return Memory(network=MemoryNetwork(), backlog=2)


async def test_bytes_go_both_ways(memory: Memory) -> None:
    listener = await memory.listen(ONE, upgrader=UPGRADER)
    assert listener.addrs == (ONE,)
    (ours, peer), endpoints = await memory.dial(ONE, upgrader=UPGRADER, peer=None)  # type: ignore[misc]
    arrival = await listener.accept()
    assert peer is None
    assert arrival.endpoints == Endpoints(endpoints.remote, endpoints.local)
    assert endpoints.remote == ONE
    assert arrival.remote_ip is None
    theirs: Any = await arrival.upgrade()
    await ours.send(b"hello")
    assert await theirs.receive() == b"hello"
    await theirs.send(b"yes")
    assert await ours.receive() == b"yes"
    await ours.aclose()
    await theirs.aclose()
    await listener.aclose()


async def test_a_listener_waits_for_who_comes(memory: Memory) -> None:
    listener = await memory.listen(ONE, upgrader=UPGRADER)
    accepted: list[Any] = []

    async def accept() -> None:
        accepted.append(await listener.accept())

    async with create_task_group() as tasks:
        tasks.start_soon(accept)
        await wait_all_tasks_blocked()
        await memory.dial(ONE, upgrader=UPGRADER)
    assert len(accepted) == 1


async def test_a_number_has_one_listener(memory: Memory) -> None:
    listener = await memory.listen(ONE, upgrader=UPGRADER)
    with pytest.raises(ListenError, match=r"cannot listen on /memory/1: .* \(0 picks a free one\)"):
        await memory.listen(ONE, upgrader=UPGRADER)
    await listener.aclose()
    await listener.aclose()
    await memory.listen(ONE, upgrader=UPGRADER)


async def test_0_picks_a_number_that_nobody_has(memory: Memory) -> None:
    zero = parse_text("/memory/0")
    first = await memory.listen(zero, upgrader=UPGRADER)
    second = await memory.listen(zero, upgrader=UPGRADER)
    assert zero not in (*first.addrs, *second.addrs)
    assert first.addrs != second.addrs
    await memory.dial(second.addrs[0], upgrader=UPGRADER)
    assert await second.accept()


async def test_nobody_there_is_a_refusal(memory: Memory) -> None:
    with pytest.raises(ConnectionRefusedError, match="/memory/1"):
        await memory.dial(ONE, upgrader=UPGRADER)


async def test_more_than_may_wait_are_refused(memory: Memory) -> None:
    listener = await memory.listen(ONE, upgrader=UPGRADER)
    for _ in range(2):
        await memory.dial(ONE, upgrader=UPGRADER)
    with pytest.raises(ConnectionRefusedError):
        await memory.dial(ONE, upgrader=UPGRADER)
    await listener.accept()
    await memory.dial(ONE, upgrader=UPGRADER)


async def test_networks_do_not_see_each_other(memory: Memory) -> None:
    await memory.listen(ONE, upgrader=UPGRADER)
    with pytest.raises(ConnectionRefusedError):
        await Memory(network=MemoryNetwork()).dial(ONE, upgrader=UPGRADER)


async def test_hosts_of_one_process_share_a_network_unless_told_otherwise() -> None:
    listener = await Memory().listen(parse_text("/memory/0"), upgrader=UPGRADER)
    await Memory().dial(listener.addrs[0], upgrader=UPGRADER)
    await listener.accept()
    await listener.aclose()


async def test_closing_a_listener_drops_who_waits_and_wakes_who_accepts(memory: Memory) -> None:
    listener = await memory.listen(ONE, upgrader=UPGRADER)
    (ours, _), _ = await memory.dial(ONE, upgrader=UPGRADER)  # type: ignore[misc]
    await listener.aclose()
    with pytest.raises(EndOfStream):
        await ours.receive()
    listener = await memory.listen(ONE, upgrader=UPGRADER)

    async def accept() -> None:
        with pytest.raises(ClosedResourceError):
            await listener.accept()

    async with create_task_group() as tasks:
        tasks.start_soon(accept)
        await wait_all_tasks_blocked()
        await listener.aclose()
    with pytest.raises(ConnectionRefusedError):
        await memory.dial(ONE, upgrader=UPGRADER)


async def test_an_arrival_can_be_refused(memory: Memory) -> None:
    listener = await memory.listen(ONE, upgrader=UPGRADER)
    (ours, _), _ = await memory.dial(ONE, upgrader=UPGRADER)  # type: ignore[misc]
    (await listener.accept()).abort()
    with pytest.raises(EndOfStream):
        await ours.receive()


@pytest.mark.parametrize("text", ["/ip4/127.0.0.1/tcp/1", "/memory/1/tcp/1", "/unix/memory"])
async def test_other_addresses_are_none_of_its_own(memory: Memory, text: str) -> None:
    addr = parse_text(text)
    assert not memory.can_dial(addr)
    assert not memory.can_listen(addr)
    with pytest.raises(LocalProtocolError, match="expected /memory/NUMBER"):
        await memory.dial(addr, upgrader=UPGRADER)


def test_the_largest_number_is_one(memory: Memory) -> None:
    assert memory.can_dial(Multiaddr(f"/memory/{2**64 - 1}"))
