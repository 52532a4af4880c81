"""A hundred nodes that fetch the same from one, in virtual time."""

from pathlib import Path
from types import SimpleNamespace

from anyio import create_task_group, current_time, fail_after, sleep

from p2pstack.apps.share.service import Share, ShareConfig
from p2pstack.sim import SimNode, Simulation, run
from p2pstack.sim.scenario import Script
from p2pstack.sim.topology import k_regular

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "scenarios"

PIECES = 4
CONFIG = ShareConfig(threads=False, slots=4, window=2, neighbours=4)


def swarm(memory: SimpleNamespace, nodes: int, **options: object) -> Simulation:
    source = memory.source(PIECES)

    def share() -> list[Share]:
        return [Share(source.manifest.id, memory.sink(source.manifest), config=CONFIG)]

    net = Simulation(
        nodes,
        topology=k_regular(4),
        security="plaintext",
        services=share,
        **options,  # pyright: ignore
    )
    net.nodes[0].make_services = lambda: [Share(source.manifest.id, source, config=CONFIG)]
    return net


async def all_done(nodes: list[SimNode]) -> None:
    for node in nodes:
        await node.service(Share).finished.wait()


def test_a_hundred_nodes_get_all_though_a_third_of_them_dies_and_comes_back(memory: SimpleNamespace) -> None:
    async def main() -> tuple[float, float]:
        async with swarm(memory, 100, bandwidth="256kbit/s") as net:
            mortal = net.random.sample(net.nodes[1:], 30)
            steady = [node for node in net.nodes if node not in mortal]
            began_at, took = current_time(), 0.0
            async with create_task_group() as tasks:
                for node in mortal:  # all at some moment of the first seconds, and back a little later

                    async def die(node: SimNode = node) -> None:
                        await sleep(net.random.uniform(0, 10))
                        net.kill(node, silently=net.random.random() < 0.5)
                        await sleep(net.random.uniform(0, 5))
                        await net.restart(node)

                    tasks.start_soon(die)
                with fail_after(120):
                    await all_done(steady)
                took = current_time() - began_at
            with fail_after(120):
                await all_done(net.nodes)
            return took, sum(node.service(Share).sent for node in net.nodes[1:])

    took, given = run(main)
    size = PIECES << 14
    assert took < 30  # from the source alone: 70 times 2 seconds
    assert given > 50 * size


def test_the_same_seed_gives_the_same_run(memory: SimpleNamespace) -> None:
    async def main() -> str:
        async with swarm(memory, 8, bandwidth="1Mbit/s", seed=3) as net:
            await all_done(net.nodes)
            return net.trace.hash

    assert run(main) == run(main)


def test_it_runs_on_trio_in_virtual_time(memory: SimpleNamespace) -> None:
    async def main() -> None:
        async with swarm(memory, 6) as net:
            with fail_after(60):
                await all_done(net.nodes)

    run(main, backend="trio")


def test_the_scenario_of_the_examples_does_what_it_says_and_the_same_again() -> None:
    swarm = Script.read(EXAMPLES / "swarm.py").load()
    first, second = (swarm.play(nodes=8, seed=2, parameters={"pieces": 8}) for _ in range(2))
    assert first.failure is None
    assert first.trace_hash == second.trace_hash
    assert first.facts["copies all sent"] >= 7
    assert first.facts["seconds"] < 20  # one after the other: 30
