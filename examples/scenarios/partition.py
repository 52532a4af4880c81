"""A network falls into two and grows together again: `p2pstack sim examples/scenarios/partition.py`."""

import anyio

from p2pstack import GossipSub
from p2pstack.sim import Stage, scenario


@scenario(nodes=40, lasts=50)
async def partition(stage: Stage, *, seconds: float = 20.0) -> None:
    """Each half goes on by itself; and soon after they can reach each other again, all hear everything."""
    async with (
        stage.network(latency="20ms±5ms", services=lambda: [GossipSub()]) as net,
        stage.audience(net, "news") as news,
    ):
        half = len(net.nodes) // 2
        sides = net.nodes[:half], net.nodes[half:]
        await anyio.sleep(5)
        await news.publish(net.nodes[0])
        await anyio.sleep(2)

        net.partition(*sides)
        apart = anyio.current_time() + seconds
        while anyio.current_time() < apart:
            for side in sides:
                await news.publish(stage.random.choice(side), readers=side)
            await anyio.sleep(1)
        stage.facts["missing while apart"] = news.missing

        net.heal()
        await anyio.sleep(15)
        for side in sides:
            await news.publish(stage.random.choice(side))
        await anyio.sleep(8)
        assert news.missing == 0, f"{news.missing} of {news.expected} deliveries were not made"
