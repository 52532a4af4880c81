"""Who reaches whom, and how: across cuts, losses and NATs."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Any

import anyio
import pytest
from multiaddr import Multiaddr

from p2pstack import Host
from p2pstack.abc.transport import Endpoints
from p2pstack.errors import DialError, ListenError, LocalProtocolError
from p2pstack.sim import LinkConfig, SimNetwork, SimTransport, run
from p2pstack.sim.machine import Machine
from p2pstack.sim.nat import Nat, NatKind
from p2pstack.sim.stream import SimStream

KINDS: list[NatKind] = ["full-cone", "restricted", "port-restricted", "symmetric"]


class Listener:
    """What came in on a port."""

    def __init__(self, net: SimNetwork, machine: Machine, port: int = 4001) -> None:
        self.came: list[Endpoints] = []
        self.streams: list[SimStream] = []
        self.full = False
        net.listen(machine, port, self.take)

    def take(self, stream: SimStream, endpoints: Endpoints) -> bool:
        if self.full:
            return False
        self.came.append(endpoints)
        self.streams.append(stream)
        return True


def play(about: Callable[[SimNetwork], Awaitable[Any]], link: LinkConfig | None = None) -> Any:
    async def main() -> Any:
        async with SimNetwork(link or LinkConfig(latency=0.1)) as net:
            return await about(net)

    return run(main)


def outside(endpoints: Endpoints) -> tuple[int, int]:
    data = endpoints.remote.to_bytes()
    return int.from_bytes(data[1:5], "big"), int.from_bytes(data[6:], "big")


async def reached(net: SimNetwork, machine: Machine, target: tuple[int, int], **options: Any) -> bool:
    with anyio.move_on_after(5), suppress(ConnectionRefusedError):
        await net.connect(machine, target, **options)
        return True
    return False


def test_nobody_listens() -> None:
    async def about(net: SimNetwork) -> None:
        one, other = net.machine(), net.machine("other")
        with pytest.raises(ConnectionRefusedError):
            await net.connect(one, (other.ip, 4001))
        assert anyio.current_time() == pytest.approx(0.2)
        assert repr(other) == "<Machine other 11.0.0.2>"

    play(about)


def test_nobody_is_there() -> None:
    async def about(net: SimNetwork) -> None:
        with pytest.raises(TimeoutError):
            await net.connect(net.machine(), (int(IPv4Address("203.0.113.1")), 4001))
        assert anyio.current_time() == pytest.approx(127)

    play(about)


def test_a_machine_that_is_down_dials_nobody_and_answers_nobody() -> None:
    async def about(net: SimNetwork) -> None:
        one, other = net.machine(), net.machine()
        Listener(net, other)
        one.crash()
        with pytest.raises(OSError, match="down"):
            await net.connect(one, (other.ip, 4001))
        one.boot()
        other.crash(silently=True)
        assert not await reached(net, one, (other.ip, 4001))
        other.boot()
        Listener(net, other)
        assert await reached(net, one, (other.ip, 4001))

    play(about)


def test_a_connection_is_tried_again_until_the_cut_heals() -> None:
    async def about(net: SimNetwork) -> None:
        one, other = net.machine(), net.machine()
        Listener(net, other)
        net.cut(one, other)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(net.connect, one, (other.ip, 4001))
            await anyio.sleep(2)
            net.heal()
        assert anyio.current_time() == pytest.approx(3.2)  # tried at 0, 1 and 3 s

    play(about)


def test_what_is_lost_is_sent_again() -> None:
    async def about(net: SimNetwork) -> float:
        one, other = net.machine(), net.machine()
        Listener(net, other)
        for _ in range(20):
            await net.connect(one, (other.ip, 4001))
        return anyio.current_time()

    assert play(about, LinkConfig(latency=0.1, loss=0.3)) > 20 * 0.2 + 3


def test_who_has_no_room_for_a_connection_lets_it_wait() -> None:
    async def about(net: SimNetwork) -> None:
        one, other = net.machine(), net.machine()
        listener = Listener(net, other)
        listener.full = True
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(net.connect, one, (other.ip, 4001))
            await anyio.sleep(0.5)
            listener.full = False
        assert anyio.current_time() == pytest.approx(1.2)
        assert len(listener.came) == 1

    play(about)


def test_both_dial_at_once_and_have_one_connection() -> None:
    async def about(net: SimNetwork) -> None:
        one, other = net.machine(), net.machine()
        ends: list[SimStream] = []

        async def dial(machine: Machine, target: Machine) -> None:
            stream, _ = await net.connect(machine, (target.ip, 4001), port=4001)
            ends.append(stream)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dial, one, other)
            tasks.start_soon(dial, other, one)
        await ends[0].send(b"hello")
        assert await ends[1].receive() == b"hello"

    play(about)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_gets_through_a_nat_unasked(kind: NatKind) -> None:
    async def about(net: SimNetwork) -> None:
        nat = net.nat(kind)
        inner, stranger = net.machine(nat=nat), net.machine()
        Listener(net, inner)
        assert str(IPv4Address(inner.ip)) == "192.168.0.2"
        assert not await reached(net, stranger, (nat.ip, 4001))
        assert not await reached(net, stranger, (inner.ip, 4001))
        nat.forward(4001, (inner.ip, 4001))
        assert await reached(net, stranger, (nat.ip, 4001))
        assert nat.outbound((inner.ip, 4001), (stranger.ip, 1), 0) == (nat.ip, 4001)

    play(about)


@pytest.mark.parametrize(("kind", "same_host", "others"), [
    ("full-cone", True, True),
    ("restricted", True, False),
    ("port-restricted", False, False),
    ("symmetric", False, False),
])  # fmt: skip
def test_whom_a_nat_lets_in(kind: NatKind, same_host: bool, others: bool) -> None:
    async def about(net: SimNetwork) -> None:
        nat = net.nat(kind)
        inner, server, other = net.machine(nat=nat), net.machine(), net.machine()
        Listener(net, inner)
        seen = Listener(net, server)
        await net.connect(inner, (server.ip, 4001), port=4001)
        assert outside(seen.came[0])[0] == nat.ip
        assert await reached(net, server, outside(seen.came[0]), port=4001)
        assert await reached(net, server, outside(seen.came[0])) is same_host
        assert await reached(net, other, outside(seen.came[0])) is others

    play(about)


@pytest.mark.parametrize("kind", KINDS)
def test_the_port_outside_depends_on_the_destination_behind_a_symmetric_nat_only(kind: NatKind) -> None:
    async def about(net: SimNetwork) -> None:
        inner, servers = net.machine(nat=net.nat(kind)), [net.machine(), net.machine()]
        seen = [Listener(net, server) for server in servers]
        for server in servers:
            await net.connect(inner, (server.ip, 4001), port=4001)
        ports = {outside(listener.came[0]) for listener in seen}
        assert len(ports) == (2 if kind == "symmetric" else 1)

    play(about)


@pytest.mark.parametrize(("kind", "through"), [("port-restricted", True), ("symmetric", False)])
def test_two_behind_nats_get_through_by_dialling_each_other(kind: NatKind, through: bool) -> None:
    async def about(net: SimNetwork) -> None:
        server = net.machine()
        seen = Listener(net, server)
        inner = [net.machine(nat=net.nat(kind)) for _ in range(2)]
        for machine in inner:
            await net.connect(machine, (server.ip, 4001), port=4001)
        targets = [outside(endpoints) for endpoints in seen.came]
        results: list[bool] = []

        async def punch(machine: Machine, target: tuple[int, int]) -> None:
            results.append(await reached(net, machine, target, port=4001))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(punch, inner[0], targets[1])
            tasks.start_soon(punch, inner[1], targets[0])
        assert results == [through, through]

    play(about)


def test_machines_behind_one_nat_reach_each_other_by_their_private_addresses() -> None:
    async def about(net: SimNetwork) -> None:
        nat = net.nat("symmetric")
        one, other = net.machine(nat=nat), net.machine(nat=nat)
        Listener(net, other)
        assert await reached(net, one, (other.ip, 4001))
        nat.forward(4001, (other.ip, 4001))
        assert not await reached(net, one, (nat.ip, 4001))  # no hairpins

    play(about)


def test_a_mapping_is_forgotten_when_nobody_uses_it() -> None:
    nat = Nat(1, "full-cone", lifetime=60)
    _, port = nat.outbound((2, 4001), (3, 1), now=0)
    assert nat.inbound(port, (3, 1), now=50) == (2, 4001)
    assert nat.inbound(port, (3, 1), now=100) == (2, 4001)
    assert nat.inbound(port, (3, 1), now=200) is None


def test_a_nat_that_runs_out_of_ports_uses_old_ones_again() -> None:
    nat = Nat(1, "symmetric", lifetime=1)
    ports = {nat.outbound((2, 4001), (3, number), now=number)[1] for number in range(70_000)}
    assert len(ports) <= 65_536
    with pytest.raises(LocalProtocolError, match="symmetric"):
        Nat(1, "sieve")  # type: ignore[arg-type]


def test_a_machine_uses_its_ports_again() -> None:
    machine = SimNetwork().machine()
    assert len({machine.free_port() for _ in range(20_000)}) == 16_384


def test_the_transport_takes_addresses_of_its_kind_only() -> None:
    async def about(net: SimNetwork) -> None:
        transport = SimTransport(net.machine())
        assert transport.can_dial(Multiaddr("/ip4/11.0.0.1/tcp/1"))
        for addr in ("/ip4/11.0.0.1/udp/1", "/ip6/::1/tcp/1", "/memory/1", "/ip4/11.0.0.1/tcp/1/ws"):
            assert not transport.can_listen(Multiaddr(addr))
        upgrader: Any = None
        with pytest.raises(ListenError, match=r"0\.0\.0\.0"):
            await transport.listen(Multiaddr("/ip4/11.0.0.9/tcp/1"), upgrader=upgrader)
        with pytest.raises(LocalProtocolError):
            await transport.dial(Multiaddr("/memory/1"), upgrader=upgrader)

    play(about)


def test_a_listener_that_is_closed_refuses_who_waits() -> None:
    async def about(net: SimNetwork) -> None:
        one, other = net.machine(), net.machine()
        upgrader: Any = None
        listener = await SimTransport(other).listen(Multiaddr("/ip4/0.0.0.0/tcp/4001"), upgrader=upgrader)
        async with anyio.create_task_group() as tasks:
            for _ in range(130):
                tasks.start_soon(reached, net, one, (other.ip, 4001))
            await anyio.sleep(0.3)
            arrival = await listener.accept()
            assert arrival.remote_ip == "11.0.0.1"
            await listener.aclose()
            await listener.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await listener.accept()

    play(about)


def test_a_host_tells_why_it_reached_nobody() -> None:
    async def about(net: SimNetwork) -> None:
        async with Host(transports=[SimTransport(net.machine(), reuse_port=True)]) as host:
            other = net.machine()
            with pytest.raises(DialError, match="refused"):
                await host.connect(f"/ip4/{IPv4Address(other.ip)}/tcp/4001")

    play(about)
