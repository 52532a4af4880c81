"""A quarter of the network is hostile: `p2pstack sim examples/scenarios/attackers.py --seeds 100`."""

import anyio

from p2pstack import GossipSub
from p2pstack.sim import Stage, scenario
from p2pstack.sim.hostile import KINDS


@scenario(nodes=20, lasts=45)
async def attackers(
    stage: Stage, *, part: float = 0.25, kinds: str = "", every: float = 0.5, publishings: int = 30
) -> None:
    """What honest nodes publish has to come to all honest nodes.

    `kinds` are names of classes in `p2pstack.sim.hostile`; where there are none, chance picks a kind for each attacker.
    """
    net = stage.network(latency="20ms±5ms", services=lambda: [GossipSub()])
    honest = net.nodes[: len(net.nodes) - round(part * len(net.nodes))]
    chosen = [kind for kind in KINDS if not kinds or kind.__name__ in kinds.split(",")]
    hostile = {node: stage.random.choice(chosen) for node in net.nodes[len(honest) :]}
    for node, kind in hostile.items():
        node.make_services = lambda kind=kind, node=node: [kind("news", random=node.random, every=every)]
    async with net, stage.audience(net, "news", honest) as news:
        await anyio.sleep(5)
        for _ in range(publishings):
            await news.publish(stage.random.choice(honest))
            await anyio.sleep(1)
        await anyio.sleep(8)
        names = {node.key.peer_id: kind.__name__ for node, kind in hostile.items()}
        stage.facts["attackers"] = sorted(names.values())
        stage.facts["attackers in meshes of honest nodes"] = sorted(
            names[peer] for node in honest for peer in node.service(GossipSub).mesh("news") if peer in names
        )
        stage.facts["slowest delivery, s"] = round(max(delay for story in news.stories for delay in story.delays), 3)
        assert news.delivered >= 0.999 * news.expected, f"{news.missing} of {news.expected} deliveries were not made"
