"""A quarter of the network is hostile: `p2pstack sim examples/scenarios/attackers.py --seeds 100`."""

import anyio

from p2pstack import GossipSub, Message, Verdict
from p2pstack.pubsub import Validator
from p2pstack.sim import SimNode, Stage, scenario

RUBBISH = b"\xff" * 256


def is_news(message: Message) -> Verdict:
    """What honest nodes make of a message."""
    return Verdict.REJECT if message.data == RUBBISH else Verdict.ACCEPT


def is_rubbish(message: Message) -> Verdict:
    """What attackers make of it: they let nothing through but their own."""
    return Verdict.ACCEPT if message.data == RUBBISH else Verdict.IGNORE


def services(validator: Validator) -> list[GossipSub]:
    """Those of a node that passes on what `validator` accepts."""
    pubsub = GossipSub()
    pubsub.add_validator("news", validator)
    return [pubsub]


async def attack(node: SimNode, every: float) -> None:
    """Join the mesh, swallow what comes, and send what nobody wants."""
    pubsub = node.service(GossipSub)
    async with pubsub.subscribe("news"):
        while True:
            await pubsub.publish("news", RUBBISH)
            await anyio.sleep(every)


@scenario(nodes=20, lasts=40)
async def attackers(stage: Stage, *, part: float = 0.25, every: float = 0.5, publishings: int = 30) -> None:
    """What honest nodes publish has to come to honest nodes, and the attackers have to be found out."""
    net = stage.network(latency="20ms±5ms", services=lambda: services(is_news))
    honest = net.nodes[: len(net.nodes) - round(part * len(net.nodes))]
    hostile = net.nodes[len(honest) :]
    for node in hostile:
        node.make_services = lambda: services(is_rubbish)
    async with net, stage.audience(net, "news", honest) as news, anyio.create_task_group() as tasks:
        for node in hostile:
            tasks.start_soon(attack, node, every)
        for _ in range(publishings):
            await anyio.sleep(1)
            await news.publish(stage.random.choice(honest))
        await anyio.sleep(8)
        tasks.cancel_scope.cancel()
        names = {node.key.peer_id for node in hostile}
        welcome = sum(peer in names for node in honest for peer in node.service(GossipSub).mesh("news"))
        stage.facts["attackers in meshes of honest nodes"] = welcome
        assert news.delivered >= 0.999 * news.expected, f"{news.missing} of {news.expected} deliveries were not made"
        assert welcome == 0, f"attackers are in the mesh of honest nodes {welcome} times"
