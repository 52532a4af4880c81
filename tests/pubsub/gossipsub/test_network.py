"""Networks of routers: messages reach everybody, once."""

import pytest

from p2pstack.pubsub.gossipsub.config import GossipSubConfig

from .net import Net


@pytest.mark.parametrize("flood", [True, False])
def test_a_message_reaches_every_subscriber_of_a_sparse_network_once(flood: bool) -> None:
    net = Net(1)
    nodes = [net.add(config=GossipSubConfig(flood_publish=flood)) for _ in range(30)]
    net.connect_some(nodes, 8)
    for node in nodes:
        node.subscribe()
    net.run(5)
    sent = [node.publish().id for node in nodes]
    net.run(5)
    assert all(sorted(node.ids) == sorted(sent) for node in nodes)
