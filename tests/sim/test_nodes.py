"""What may happen to nodes and to their network."""

import io
from typing import Any

import anyio
import pytest

from p2pstack import GossipSub
from p2pstack.abc.events import ConnectionEnded, PeerConnected
from p2pstack.errors import LocalProtocolError
from p2pstack.pubsub.events import Delivered
from p2pstack.sim import Latency, LinkConfig, SimNode, Simulation, Trace, run
from p2pstack.sim.regions import in_regions
from p2pstack.sim.topology import full, line, nobody, ring, star
from p2pstack.sim.units import parse_rate, parse_seconds

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
TOPIC = "news"


def peers(net: Simulation) -> list[int]:
    return [len(node.host.peers) for node in net.running]


async def hear(node: SimNode, heard: dict[int, list[bytes]], *, task_status: Any) -> None:
    async with node.services[0].subscribe(TOPIC) as messages:  # type: ignore[attr-defined]
        task_status.started()
        async for message in messages:
            heard.setdefault(node.index, []).append(message.data)


@BACKENDS
def test_nodes_are_connected_as_the_topology_says(backend: Any) -> None:
    async def main() -> None:
        async with Simulation(5, topology=ring) as net:
            assert peers(net) == [2] * 5
            assert {str(node.host.addrs[0]).split("/p2p/")[0] for node in net.nodes} == {
                f"/ip4/11.0.0.{number}/tcp/4001" for number in range(1, 6)
            }

    run(main, backend=backend)


@BACKENDS
def test_a_partition_keeps_messages_in_and_healing_lets_them_out(backend: Any) -> None:
    async def main() -> tuple[list[int], list[int]]:
        heard: dict[int, list[bytes]] = {}
        async with Simulation(8, services=lambda: [GossipSub()]) as net, anyio.create_task_group() as tasks:
            for node in net.nodes:
                await tasks.start(hear, node, heard)
            await anyio.sleep(3)
            net.partition(net.nodes[:4], net.nodes[4:])
            await net.nodes[0].services[0].publish(TOPIC, b"split")  # type: ignore[attr-defined]
            await anyio.sleep(2)
            inside = sorted(heard)
            net.heal()
            await anyio.sleep(10)
            tasks.cancel_scope.cancel()
            return inside, sorted(heard)

    assert run(main, backend=backend) == ([0, 1, 2, 3], list(range(8)))


@pytest.mark.parametrize("silently", [False, True])
def test_peers_hear_of_a_death_at_once_unless_it_is_silent(silently: bool) -> None:
    async def main() -> None:
        async with Simulation(4, topology=full, latency="50ms") as net:
            dead = net.nodes[1]
            net.kill(dead, silently=silently)
            net.kill(dead)
            assert not dead.running
            with pytest.raises(LocalProtocolError, match="does not run"):
                _ = dead.host
            await anyio.sleep(0.2)
            assert peers(net) == ([3] * 3 if silently else [2] * 3)
            await anyio.sleep(60)  # keepalive finds out
            assert peers(net) == [2] * 3
            await net.restart(dead)
            await anyio.sleep(1)
            assert peers(net) == [3] * 4

    run(main)


@BACKENDS
def test_a_node_keeps_its_identity_and_its_peerstore(backend: Any) -> None:
    async def main() -> None:
        async with Simulation(3, topology=star) as net:
            await anyio.sleep(1)
            hub = net.nodes[0]
            identity, known = hub.host.peer_id, hub.host.peerstore
            await net.stop(hub)
            await net.stop(hub)
            assert net.running == net.nodes[1:]
            await net.restart(hub, reconnect=False)
            assert hub.host.peer_id == identity
            assert hub.host.peerstore is known
            await hub.host.connect(net.nodes[1].key.peer_id)
            assert len(hub.host.peers) == 1

    run(main, backend=backend)


def test_who_cannot_be_reached_after_a_restart_is_noted() -> None:
    async def main() -> list[Any]:
        trace = Trace(keep=True)
        async with Simulation(3, topology=full, trace=trace) as net:
            net.kill(net.nodes[2])
            await anyio.sleep(1)
            net.cut(net.nodes[2], net.nodes[0])
            await net.restart(net.nodes[2])
            await anyio.sleep(1)
            assert peers(net) == [1, 2, 1]
        return [event["kind"] for event in trace.events]

    assert run(main)[3:] == ["kill", "cut", "restart", "not connected", "connection"]


@BACKENDS
def test_churn_kills_and_revives_and_is_the_same_each_time(backend: Any) -> None:
    async def main() -> tuple[int, str]:
        async with Simulation(5, topology=ring, seed=5) as net:
            churn = net.churn(up="10s", down="3s", nodes=net.nodes[:3])
            await anyio.sleep(40)
            churn.stop()
            deaths = churn.deaths
            await anyio.sleep(40)
            assert deaths == churn.deaths
            assert all(node.running for node in net.nodes[3:])
        return deaths, net.trace.hash

    deaths, _ = first = run(main, backend=backend)
    assert deaths > 5
    assert run(main, backend=backend) == first


def test_clocks_differ_and_drift() -> None:
    async def main() -> tuple[float, float]:
        async with Simulation(2, topology=nobody, clock_offset="2s", clock_drift=1_000) as net:
            one, other = net.nodes
            before = one.clock() - other.clock()
            await anyio.sleep(10_000)
            return before, one.host.clock() - other.host.clock()

    before, after = run(main)
    assert 0 < abs(before) < 10
    assert 0.1 < abs(after - before) < 100


def test_nodes_behind_nats_dial_and_are_not_dialled() -> None:
    async def main() -> None:
        async with Simulation(4, topology=full, nat=lambda index: "symmetric" if index < 2 else None) as net:
            assert peers(net) == [2, 2, 3, 3]
            directions = {connection.direction.value for connection in net.nodes[0].host.connections}
            assert directions == {"outbound"}

    run(main)


@BACKENDS
def test_an_exception_comes_out_as_it_is(backend: Any) -> None:
    async def main() -> None:
        async with Simulation(2) as net:
            raise ValueError(net.nodes[0].name)

    with pytest.raises(ValueError, match="node0"):
        run(main, backend=backend)


def test_regions_make_some_far_and_some_near() -> None:
    async def main() -> float:
        async with Simulation(2, topology=nobody, link_of=in_regions(("sydney", "madrid"), jitter=0)) as net:
            began = anyio.current_time()
            await net.connect(net.nodes[0], net.nodes[1])
            return anyio.current_time() - began

    assert run(main) > 2 * 0.275


def test_plaintext_saves_the_cryptography() -> None:
    async def main() -> str:
        async with Simulation(2, security="plaintext") as net:
            return net.nodes[0].host.connections[0].security

    assert run(main) == "/plaintext/2.0.0"


def test_what_hosts_tell_is_in_the_trace_and_can_be_read_again() -> None:
    async def main() -> Trace:
        trace = Trace(keep_arrivals=True)
        kinds = [PeerConnected, Delivered, ConnectionEnded]
        async with Simulation(3, topology=line, services=lambda: [GossipSub()], trace=trace, watch=kinds) as net:
            gossip = net.nodes[2].services[0]
            assert net.nodes[2].service(GossipSub) is gossip
            async with gossip.subscribe(TOPIC), net.nodes[1].services[0].subscribe(TOPIC):  # type: ignore[attr-defined]
                await anyio.sleep(3)
                await gossip.publish(TOPIC, b"x")  # type: ignore[attr-defined]
                await anyio.sleep(1)
            net.kill(net.nodes[0])
            await anyio.sleep(1)
        return trace

    trace = run(main)
    found = [event for event in trace.events if event["kind"] == "Delivered"]
    assert [event["node"] for event in found] == ["node2", "node1"]
    assert found[0]["message"]["data"] == b"x".hex()  # type: ignore[index]
    assert found[0]["message"]["source"] == "node2"  # type: ignore[index]
    assert {event["peer"] for event in trace.events if event["kind"] == "PeerConnected"} == {"node0", "node1", "node2"}
    assert sum(event["kind"] == "arrival" for event in trace.events) == trace.arrivals > 0
    file = io.StringIO()
    trace.write(file)
    assert Trace.read(file.getvalue().splitlines()) == trace.events


def test_a_long_trace_has_a_hash_of_all_of_it() -> None:
    hashes: set[str] = set()
    for last in (1, 2):
        trace = Trace()
        for number in range(10_000):
            trace.delivered(number / 7, (1, 0), number)
        trace.delivered(0, (1, 0), last)
        hashes.add(trace.hash)
        assert trace.hash == trace.hash
        assert trace.events == []
    assert len(hashes) == 2


def test_a_simulation_runs_before_it_is_changed() -> None:
    with pytest.raises(LocalProtocolError, match="async with"):
        Simulation(1).churn(up=1, down=1)
    with pytest.raises(LocalProtocolError, match="one node"):
        Simulation(0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20ms", 0.02), ("1.5 s", 1.5), ("2min", 120), ("1h", 3_600), ("7", 7), (0.5, 0.5)],
)
def test_times(text: str | float, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "rate"), [("8Mbit/s", 1e6), ("1MB/s", 1e6), ("1MiB/s", 1 << 20), (5e5, 5e5), ("100 kbit/s", 12_500)]
)
def test_rates(text: str | float, rate: float) -> None:
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize("text", ["", "ms", "20 parsecs", "-1s", -1, "1e", "8 Mb/s"])
def test_what_is_no_quantity(text: str | float) -> None:
    with pytest.raises(LocalProtocolError, match="expected"):
        parse_seconds(text)
    with pytest.raises(LocalProtocolError, match="expected"):
        parse_rate(text)


def test_latencies() -> None:
    assert Latency.parse("20ms±5ms") == Latency(0.02, 0.005)
    assert Latency.parse(Latency(1, 2)) == Latency(1, 2)
    assert Latency.parse(0.1) == Latency(0.1)


@pytest.mark.parametrize(
    "options", [{"latency": "soon"}, {"loss": 1}, {"loss": -0.1}, {"bandwidth": 0}, {"segment": 0}, {"give_up": 0}]
)
def test_what_is_no_link(options: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError):
        LinkConfig(**options)
