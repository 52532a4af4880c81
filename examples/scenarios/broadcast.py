"""One node tells a thousand: `p2pstack sim examples/scenarios/broadcast.py --nodes 1000 --seed 7`."""

import anyio

from p2pstack import GossipSub
from p2pstack.sim import Stage, scenario


@scenario(nodes=1000, lasts=16)
async def broadcast(stage: Stage, *, messages: int = 10, latency: str = "50ms±10ms", loss: float = 0.0) -> None:
    """Each message has to come to everybody, from whichever node publishes it."""
    async with (
        stage.network(latency=latency, loss=loss, services=lambda: [GossipSub()]) as net,
        stage.audience(net, "news") as news,
    ):
        await anyio.sleep(5)  # until there is a mesh
        for _ in range(messages):
            await news.publish(stage.random.choice(net.nodes))
            await anyio.sleep(0.5)
        await anyio.sleep(5)
        assert news.missing == 0, f"{news.missing} of {news.expected} deliveries were not made"
