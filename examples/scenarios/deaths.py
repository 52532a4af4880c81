"""A third of the nodes die at once: `p2pstack sim examples/scenarios/deaths.py --nodes 100 --seeds 20`."""

import anyio

from p2pstack import GossipSub, GossipSubConfig
from p2pstack.sim import SimNode, Stage, scenario

HEARTBEAT = GossipSubConfig().heartbeat_interval


def connected(node: SimNode) -> list[SimNode]:
    """Those that live, and that messages can come to from `node`."""
    found, reached = {node: None}, [node]
    while reached:
        one = reached.pop()
        for other in (*one.dials, *one.dialled_by):
            if other.running and other not in found:
                found[other] = None
                reached.append(other)
    return list(found)


@scenario(nodes=50, lasts=25)
async def deaths(stage: Stage, *, part: float = 0.3, silently: bool = False, publishings: int = 10) -> None:
    """Whoever is still connected hears everything that is said from that moment on, within three heartbeats."""
    async with (
        stage.network(latency="30ms±5ms", services=lambda: [GossipSub()]) as net,
        stage.audience(net, "news") as news,
    ):
        await anyio.sleep(8)
        for node in stage.random.sample(net.nodes, round(part * len(net.nodes))):
            net.kill(node, silently=silently)
        for _ in range(publishings):
            author = stage.random.choice(net.running)
            await news.publish(author, readers=connected(author))
            await anyio.sleep(0.3)
        await anyio.sleep(8)
        slowest = max(delay for story in news.stories for delay in story.delays)
        stage.facts |= {"living": len(net.running), "slowest delivery, s": round(slowest, 3)}
        assert news.missing == 0, f"{news.missing} of {news.expected} deliveries were not made"
        assert slowest <= 3 * HEARTBEAT, f"a delivery took {slowest:.1f} s"
