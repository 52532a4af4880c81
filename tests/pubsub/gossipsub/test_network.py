"""Networks of routers: messages reach everybody, once."""

from typing import Any

import pytest


@pytest.mark.parametrize("flood", [True, False])
def test_a_message_reaches_every_subscriber_of_a_sparse_network_once(make_net: Any, flood: bool) -> None:
    from p2pstack.pubsub.gossipsub.config import GossipSubConfig

    net = make_net(1)
    nodes = [net.add(config=GossipSubConfig(flood_publish=flood)) for _ in range(30)]
    net.connect_some(nodes, 8)
    for node in nodes:
        node.subscribe()
    net.run(5)
    sent = [node.publish().id for node in nodes]
    net.run(5)
    assert all(sorted(node.ids) == sorted(sent) for node in nodes)
