"""Connections of the simulated network, as TCP would have them."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio import BrokenResourceError, BusyResourceError, ClosedResourceError, EndOfStream

from p2pstack.abc.transport import Endpoints
from p2pstack.errors import ListenError, LocalProtocolError
from p2pstack.sim import LinkConfig, SimNetwork, run
from p2pstack.sim.machine import Machine
from p2pstack.sim.stream import SimStream

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
Talk = Callable[["Pair"], Awaitable[Any]]


class Pair:
    """Two machines, and both ends of a connection between them."""

    def __init__(self, net: SimNetwork, one: Machine, other: Machine, ours: SimStream, theirs: SimStream) -> None:
        self.net = net
        self.one = one
        self.other = other
        self.ours = ours
        self.theirs = theirs


def talk(about: Talk, link: LinkConfig | None = None, *, backend: Any = "asyncio", uplink: Any = None) -> Any:
    async def main() -> Any:
        async with SimNetwork(link or LinkConfig(latency=0.1)) as net:
            one, other = net.machine(uplink=uplink), net.machine()
            accepted: list[SimStream] = []

            def accept(stream: SimStream, endpoints: Endpoints) -> bool:
                accepted.append(stream)
                return True

            net.listen(other, 4001, accept)
            ours, _ = await net.connect(one, (other.ip, 4001))
            return await about(Pair(net, one, other, ours, accepted[0]))

    return run(main, backend=backend)


@BACKENDS
def test_bytes_take_the_latency(backend: Any) -> None:
    async def about(pair: Pair) -> None:
        began = anyio.current_time()
        assert began == pytest.approx(0.2)  # the connection takes a round trip
        await pair.ours.send(b"hello")
        assert await pair.theirs.receive() == b"hello"
        assert anyio.current_time() - began == pytest.approx(0.1)

    talk(about, backend=backend)


def test_what_is_lost_comes_later_and_in_order() -> None:
    async def about(pair: Pair) -> float:
        data = bytes(range(256)) * 400
        for start in range(0, len(data), 1_000):
            await pair.ours.send(data[start : start + 1_000])
        await pair.ours.send_eof()
        received = b""
        with pytest.raises(EndOfStream):
            while True:
                received += await pair.theirs.receive(777)
        assert received == data
        assert pair.net.link(pair.one, pair.other).lost > 0
        return anyio.current_time()

    assert talk(about, LinkConfig(latency=0.1, loss=0.2)) > 0.3 + 0.2


def test_bandwidth_lets_so_many_bytes_through_and_no_more() -> None:
    async def about(pair: Pair) -> float:
        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.ours.send, bytes(3_000_000))
            received = pieces = 0
            while received < 3_000_000:
                received += len(await pair.theirs.receive())
                pieces += 1
        assert pieces > 100
        return anyio.current_time() - began

    assert talk(about, LinkConfig(latency=0.1, bandwidth="1MB/s")) == pytest.approx(3.1, abs=0.01)
    assert talk(about, LinkConfig(latency=0.1), uplink="16Mbit/s") == pytest.approx(1.6, abs=0.01)


def test_a_sender_waits_until_there_is_room() -> None:
    async def about(pair: Pair) -> None:
        with anyio.move_on_after(60) as scope:
            await pair.ours.send(bytes(1_500))
        assert scope.cancelled_caught
        assert pair.ours.send_nowait(b"x") == 0
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.ours.send, bytes(10))
            await anyio.sleep(1)
            with pytest.raises(BusyResourceError):
                await pair.ours.send(b"x")
            assert len(await pair.theirs.receive()) == 1_000
        assert len(await pair.theirs.receive()) == 10

    talk(about, LinkConfig(latency=0.1, buffer=1_000))


@BACKENDS
def test_a_pump_is_given_all_that_comes_and_the_end(backend: Any) -> None:
    async def about(pair: Pair) -> None:
        taken: list[bytes] = []

        def take(view: memoryview) -> bool:
            taken.append(bytes(view))
            return len(taken) != 2

        pair.theirs.unread(b"a")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pair.theirs.pump, take)
            await pair.ours.send(b"b")
        assert taken == [b"a", b"b"]
        await pair.ours.send(b"c")
        await pair.ours.send_eof()
        with pytest.raises(EndOfStream):
            await pair.theirs.pump(take)
        assert taken == [b"a", b"b", b"c"]

    talk(about, backend=backend)


def test_what_taking_raises_comes_out_of_the_pump() -> None:
    async def about(pair: Pair) -> None:
        await pair.ours.send(b"x")
        with pytest.raises(ZeroDivisionError):
            await pair.theirs.pump(lambda view: 1 // 0 == 0)
        await pair.ours.send(b"y")
        assert await pair.theirs.receive() == b"y"

    talk(about)


def test_what_is_held_goes_with_the_next_or_before_a_wait() -> None:
    async def about(pair: Pair) -> None:
        await pair.ours.send_with_next(b"a")
        await pair.ours.send(b"b")
        assert await pair.theirs.receive() == b"ab"
        await pair.ours.send_with_next(b"c")
        with anyio.move_on_after(1):
            await pair.ours.receive()
        assert await pair.theirs.receive() == b"c"
        await pair.ours.send_with_next(b"d")
        await pair.ours.send_eof()
        assert bytes(await pair.theirs.receive_view()) == b"d"

    talk(about)


def test_a_closed_stream_says_so_on_both_sides() -> None:
    async def about(pair: Pair) -> None:
        await pair.ours.send_with_next(b"bye")
        await pair.ours.aclose()
        await pair.ours.aclose()
        for call in (
            pair.ours.receive(),
            pair.ours.send(b"x"),
            pair.ours.send_eof(),
            pair.ours.pump(lambda view: True),
        ):
            with pytest.raises(ClosedResourceError):
                await call
        assert await pair.theirs.receive() == b"bye"
        with pytest.raises(EndOfStream):
            await pair.theirs.receive()
        await pair.theirs.send(b"nobody is there")
        with pytest.raises(BrokenResourceError, match="reset"):
            for _ in range(10):
                await anyio.sleep(0.1)
                await pair.theirs.send(b"x")
        assert pair.ours not in list(pair.one.streams)

    talk(about)


def test_closing_wakes_who_waits() -> None:
    async def about(pair: Pair) -> None:
        async def receive() -> None:
            with pytest.raises(ClosedResourceError):
                await pair.ours.receive()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            await anyio.sleep(1)
            with pytest.raises(BusyResourceError):
                await pair.ours.receive()
            with pytest.raises(BusyResourceError):
                await pair.ours.pump(lambda view: True)
            pair.ours.close()

    talk(about)


def test_who_closes_with_bytes_unread_resets_the_connection() -> None:
    async def about(pair: Pair) -> None:
        await pair.ours.send(b"never read")
        await anyio.sleep(1)
        await pair.theirs.aclose()
        with pytest.raises(BrokenResourceError, match="reset"):
            await pair.ours.pump(lambda view: True)

    talk(about)


@BACKENDS
def test_a_cut_holds_bytes_back_until_it_heals(backend: Any) -> None:
    async def about(pair: Pair) -> float:
        await pair.ours.send(b"a")
        pair.net.partition([pair.one], [pair.other])
        assert not pair.net.reaches(pair.one, pair.other)
        with anyio.move_on_after(10) as scope:
            await pair.theirs.receive()
        assert scope.cancelled_caught
        pair.net.heal()
        assert pair.net.reaches(pair.one, pair.other)
        await pair.ours.send(b"b")
        received = b""
        while received != b"ab":
            received += await pair.theirs.receive()
        return anyio.current_time()

    # TCP tries again ever more seldom: not at once when the cut is healed.
    assert 10.2 < talk(about, backend=backend) < 25


def test_tcp_gives_up_on_a_cut_that_lasts() -> None:
    async def about(pair: Pair) -> None:
        pair.net.cut(pair.one, pair.other)
        await pair.ours.send(b"a")
        with pytest.raises(BrokenResourceError, match="timed out"):
            await pair.ours.receive()
        assert anyio.current_time() == pytest.approx(30, abs=1)
        with anyio.move_on_after(1_000) as scope:
            await pair.theirs.receive()  # this side sends nothing, and so hears nothing
        assert scope.cancelled_caught

    talk(about, LinkConfig(latency=0.1, give_up=30))


@pytest.mark.parametrize("silently", [False, True])
def test_a_crash_is_told_unless_the_power_fails(silently: bool) -> None:
    async def about(pair: Pair) -> None:
        pair.other.crash(silently=silently)
        with pytest.raises(ClosedResourceError):
            await pair.theirs.receive()
        with anyio.move_on_after(5) as scope:
            with pytest.raises(BrokenResourceError):
                await pair.ours.receive()
        assert scope.cancelled_caught is silently
        pair.other.boot()
        if silently:
            await pair.ours.send(b"are you there")
            with pytest.raises(BrokenResourceError, match="reset"):
                await pair.ours.receive()

    talk(about)


def test_there_is_a_minimum_to_receive() -> None:
    async def about(pair: Pair) -> None:
        with pytest.raises(LocalProtocolError):
            await pair.ours.receive(0)

    talk(about)


def test_a_port_has_one_listener() -> None:
    async def about(pair: Pair) -> None:
        with pytest.raises(ListenError):
            pair.net.listen(pair.other, 4001, lambda stream, endpoints: True)
        assert pair.net.listen(pair.other, 0, lambda stream, endpoints: True) >= 49_152

    talk(about)


def test_a_network_is_entered_before_it_is_used() -> None:
    with pytest.raises(LocalProtocolError, match="async with"):
        _ = SimNetwork().timers
