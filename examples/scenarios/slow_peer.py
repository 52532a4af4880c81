"""One node in a village with a modem: `p2pstack sim examples/scenarios/slow_peer.py`."""

import anyio

from p2pstack import GossipSub
from p2pstack.sim import LinkConfig, Machine, Stage, scenario


@scenario(nodes=20, lasts=40)
async def slow_peer(stage: Stage, *, bandwidth: str = "56kbit/s", size: int = 16_384, publishings: int = 50) -> None:
    """Node 0 cannot keep up with what is published. Nobody else may feel that."""
    normal = LinkConfig(latency="20ms±5ms", bandwidth="10Mbit/s")
    slow = LinkConfig(latency="150ms±30ms", bandwidth=bandwidth)

    def link_of(one: Machine, other: Machine) -> LinkConfig:
        return slow if 0 in (one.index, other.index) else normal

    async with (
        stage.network(link_of=link_of, services=lambda: [GossipSub()]) as net,
        stage.audience(net, "news") as news,
    ):
        await anyio.sleep(5)
        others = net.nodes[1:]
        for _ in range(publishings):
            await news.publish(stage.random.choice(others), size=size, readers=others)
            await anyio.sleep(0.2)
        await anyio.sleep(5)
        worst = max(delay for story in news.stories for delay in story.delays)
        stage.facts["slowest delivery to the others, s"] = round(worst, 3)
        assert news.missing == 0, f"{news.missing} of {news.expected} deliveries to the others were not made"
        assert worst < 5, f"a delivery to the others took {worst:.1f} s"
