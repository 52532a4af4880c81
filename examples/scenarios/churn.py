"""Nodes that die and come back: `p2pstack sim examples/scenarios/churn.py --nodes 50`."""

import anyio

from p2pstack import GossipSub
from p2pstack.sim import Stage, scenario


@scenario(nodes=50, lasts=70)
async def churn(
    stage: Stage, *, up: str = "40s", down: str = "5s", silently: bool = False, publishings: int = 50
) -> None:
    """Half of the nodes live for 40 seconds at a time. Whoever lives long enough has to hear everything."""
    async with (
        stage.network(latency="30ms±5ms", services=lambda: [GossipSub()]) as net,
        stage.audience(net, "news") as news,
    ):
        await anyio.sleep(5)
        steady = net.nodes[: len(net.nodes) // 2]
        comings = net.churn(up=up, down=down, nodes=net.nodes[len(steady) :], silently=silently)
        for _ in range(publishings):
            await news.publish(stage.random.choice(steady), readers=steady)
            await anyio.sleep(1)
        comings.stop()
        await anyio.sleep(10)
        stage.facts["deaths"] = comings.deaths
        assert news.missing == 0, f"{news.missing} of {news.expected} deliveries to nodes that stayed were not made"
