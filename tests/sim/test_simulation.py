"""Many nodes on one network."""

import gc
import os
import subprocess
import sys

import anyio
import pytest

from p2pstack.protocols.ping import ping
from p2pstack.sim import Simulation, run

PROGRAM = """
import sys, anyio
from p2pstack import GossipSub
from p2pstack.sim import Simulation, run

async def main():
    async with Simulation(12, latency="20ms±5ms", loss=0.02, services=lambda: [GossipSub()], seed=3) as net:
        async with net.nodes[5].services[0].subscribe("t") as messages, net.nodes[1].services[0].subscribe("t"):
            await anyio.sleep(2)
            await net.nodes[1].services[0].publish("t", b"hello")
            async for message in messages:
                break
    return net.trace.hash

print(run(main, backend=sys.argv[1]))
"""


def hash_of_another_process(backend: str, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, backend], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_same_seed_gives_the_same_run_in_another_process_with_another_hash_seed(backend: str) -> None:
    first, second = hash_of_another_process(backend, "1"), hash_of_another_process(backend, "2")
    assert len(first) == 64
    assert first == second


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_hosts_ping_each_other_in_virtual_time(backend: str) -> None:
    async def main() -> tuple[float, str]:
        async with Simulation(2, latency="30ms") as net:
            one, other = net.nodes
            rtts = [rtt async for rtt in ping(one.host, other.host.peer_id, count=3, clock=anyio.current_time)]
        assert all(rtt == pytest.approx(0.06) for rtt in rtts[1:])
        return anyio.current_time(), net.trace.hash

    assert run(main, backend=backend) == run(main, backend=backend)


def test_another_seed_gives_another_run() -> None:
    async def main(seed: int) -> str:
        async with Simulation(3, latency="20ms±5ms", seed=seed) as net:
            return net.trace.hash

    assert run(main, 1) != run(main, 2)


def test_the_garbage_collector_is_spared_the_sight_of_many_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pstack.sim.simulation._MANY", 2)
    frozen = gc.get_freeze_count()
    gc.unfreeze()

    async def main() -> tuple[int, bool]:
        async with Simulation(nodes=3):
            return gc.get_freeze_count(), gc.isenabled()

    kept, enabled = run(main)
    assert kept > 1_000
    assert enabled
    assert gc.get_freeze_count() == 0
    if frozen:
        gc.freeze()  # as those found it who are here, too
