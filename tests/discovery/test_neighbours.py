"""Knowing others who do the same."""

import pytest
from anyio import fail_after, lowlevel, sleep

from p2pstack import Host, LocalProtocolError, Memory, MemoryNetwork, Messages, Neighbours, PeerId, PrivateKey
from p2pstack.abc.connection import Stream
from p2pstack.discovery.neighbours import MAX_RECORD
from p2pstack.identity.record import PeerRecord
from p2pstack.sim import Simulation, run
from p2pstack.sim.topology import star

PATIENCE = 40


async def until(condition: object) -> None:
    with fail_after(PATIENCE):
        while not condition():  # type: ignore[operator]
            await lowlevel.checkpoint()


def member(
    network: MemoryNetwork, bootstrap: list[str], wanted: int = 8, interval: float = 0.05
) -> tuple[Host, Neighbours]:
    neighbours = Neighbours(bootstrap, network="test", wanted=wanted, interval=interval, patience=1)
    host = Host(listen=["/memory/0"], transports=[Memory(network=network)], services=[neighbours])
    return host, neighbours


async def test_who_knows_one_comes_to_know_the_others() -> None:
    network = MemoryNetwork()
    first, hub = member(network, [])
    async with first:
        bootstrap = [str(first.addrs[0])]
        second, two = member(network, bootstrap)
        third, three = member(network, bootstrap)
        async with second, third:
            await until(lambda: len(hub.connected) == len(two.connected) == len(three.connected) == 2)
            assert set(two.connected) == {first.peer_id, third.peer_id}
            assert not two.failures


async def test_a_bootstrap_address_that_is_not_there_yet_is_called_again() -> None:
    network = MemoryNetwork()
    key = PrivateKey.generate()
    addr = f"/memory/7/p2p/{key.peer_id}"
    host, neighbours = member(network, [addr])
    async with host:
        await until(lambda: neighbours.failures)
        assert list(neighbours.failures) == [addr]
        late = Neighbours(network="test")
        async with Host(key=key, listen=["/memory/7"], transports=[Memory(network=network)], services=[late]):
            await until(lambda: neighbours.connected)
            assert neighbours.connected == [key.peer_id]
            assert not neighbours.failures


async def test_a_peer_that_is_not_of_the_network_is_none_of_its_members() -> None:
    network = MemoryNetwork()
    async with Host(listen=["/memory/0"], transports=[Memory(network=network)]) as other:
        host, neighbours = member(network, [str(other.addrs[0])])
        async with host:
            await until(lambda: host.peers)
            await until(lambda: host.peerstore.protocols(other.peer_id))
            assert neighbours.connected == []


def record(key: PrivateKey, subject: PeerId | None = None) -> bytes:
    return PeerRecord(peer=subject or key.peer_id, sequence=1, addrs=()).seal(key).to_bytes()


@pytest.mark.parametrize("lie", ["foreign", "noise", "oversize", "endless", "silent"])
async def test_a_member_that_answers_with_nonsense_is_survived(lie: str) -> None:
    network = MemoryNetwork()
    liar = Host(listen=["/memory/0"], transports=[Memory(network=network)])
    asked: list[PeerId] = []

    async def answer(stream: Stream) -> None:
        asked.append(stream.remote_peer)
        messages = Messages(stream, limit=1 << 20)
        match lie:
            case "foreign":
                await messages.send(record(PrivateKey.generate(), PrivateKey.generate().peer_id))
            case "noise":
                await messages.send(b"\xff" * 100)
            case "oversize":
                await messages.send(bytes(MAX_RECORD + 1))
            case "endless":
                while True:
                    await messages.send(record(PrivateKey.generate()))
            case _:
                await stream.send(b"\x05\x00")

    host, neighbours = member(network, [])
    liar.handle(neighbours.protocol, handler=answer)
    async with liar, host:
        await host.connect(liar.addrs[0])
        await until(lambda: len(asked) >= 2)
        honest, _ = member(network, [str(host.addrs[0])])
        async with honest:
            await until(lambda: set(neighbours.connected) == {liar.peer_id, honest.peer_id})
    assert len(neighbours._known) <= 256


def test_a_network_outlives_the_one_that_all_knew() -> None:
    async def main() -> int:
        services = [Neighbours(network="test", wanted=6) for _ in range(40)]
        makers = iter(services)
        async with Simulation(
            40, latency="20ms", topology=star, services=lambda: [next(makers)], security="plaintext", seed=1
        ) as net:
            await sleep(60)
            net.kill(net.nodes[0])
            await sleep(60)
            living = net.nodes[1:]
            seen, edge = {living[0].host.peer_id}, [living[0]]
            by_id = {node.host.peer_id: node for node in living}
            while edge:
                for peer in edge.pop().host.peers:
                    if peer in by_id and peer not in seen:
                        seen.add(peer)
                        edge.append(by_id[peer])
            assert all(len(service.connected) >= 6 for service in services[1:])
            return len(seen)

    assert run(main) == 39


def test_senseless_settings_are_refused() -> None:
    for wrong in (
        {"network": ""},
        {"network": "n", "wanted": 0},
        {"network": "n", "interval": 0},
        {"network": "n", "patience": 0},
    ):
        with pytest.raises(LocalProtocolError):
            Neighbours(**wrong)  # type: ignore[arg-type]
