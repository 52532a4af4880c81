"""Networks of routers: messages reach everybody, once."""

from itertools import pairwise
from random import Random
from typing import Any

import pytest

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.features import FLOODSUB, MESHSUB_1_0, MESHSUB_1_1, MESHSUB_1_2, PROTOCOLS
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.rpc import RPC

from .net import Net, Node
from .values import USELESS


def started(net: Net, count: int, degree: int = 6, **options: Any) -> list[Node]:
    """Nodes that are connected, in topic t, and have a mesh."""
    nodes = [net.add(**options) for _ in range(count)]
    net.connect_some(nodes, degree)
    for node in nodes:
        node.subscribe()
    net.run(4)
    return nodes


def assert_delivered(nodes: list[Node], sent: list[bytes]) -> None:
    for node in nodes:
        assert sorted(node.ids) == sorted(sent)


@pytest.mark.parametrize("flood", [True, False])
def test_a_message_reaches_every_subscriber_of_a_sparse_network_once(flood: bool) -> None:
    net = Net(1)
    nodes = started(net, 30, config=GossipSubConfig(flood_publish=flood))
    sent = [node.publish().id for node in nodes]
    net.run(5)
    assert_delivered(nodes, sent)


def test_a_mesh_is_the_same_on_both_sides_and_within_its_bounds() -> None:
    net = Net(2)
    nodes = started(net, 40, degree=14)
    net.run(30)
    for node in nodes:
        assert 5 <= len(node.router.mesh("t")) <= 12
        for peer in node.router.mesh("t"):
            assert node.id in net.nodes[peer].router.mesh("t")


def test_a_message_goes_down_a_line_of_nodes_one_by_one() -> None:
    net = Net(3)
    nodes = [net.add(score=ScoreConfig()) for _ in range(10)]
    for a, b in pairwise(nodes):
        net.connect(a, b)
    for node in nodes:
        node.subscribe()
    net.run(3)
    sent = [nodes[0].publish().id, nodes[9].publish().id, nodes[5].publish().id]
    net.run(2)
    assert_delivered(nodes, sent)
    assert net.traffic["messages"] == 3 * 9


def test_nodes_of_all_versions_hear_each_other() -> None:
    net = Net(4)
    versions = [PROTOCOLS, (MESHSUB_1_2, FLOODSUB), (MESHSUB_1_1, FLOODSUB), (MESHSUB_1_0, FLOODSUB)]
    nodes = [net.add(protocols=versions[number % 4]) for number in range(16)]
    for i, a in enumerate(nodes):
        for b in nodes[i + 1 :]:
            if net.random.random() < 0.4:
                net.connect(a, b)
    for node in nodes:
        node.subscribe()
    net.run(5)
    sent = [node.publish(data=bytes(3_000)).id for node in nodes]
    net.run(5)
    assert_delivered(nodes, sent)


def test_a_node_that_comes_late_hears_what_comes_later() -> None:
    net = Net(5)
    nodes = started(net, 10)
    nodes[0].publish()
    late = net.add()
    for node in nodes[:6]:
        net.connect(late, node)
    late.subscribe()
    net.run(3)
    message = nodes[3].publish()
    net.run(2)
    assert message.id in late.ids


@pytest.mark.parametrize("seed", range(3))
def test_the_rest_goes_on_when_half_of_the_nodes_die(seed: int) -> None:
    net = Net(seed)
    nodes = started(net, 30, degree=8)
    for node in nodes[::2]:
        net.kill(node)
    rest = nodes[1::2]
    for i, node in enumerate(rest):
        net.connect(node, rest[(i + 1) % len(rest)])
    net.run(3)
    sent = [node.publish(data=b"after").id for node in rest]
    net.run(5)
    for node in rest:
        assert set(sent) <= set(node.ids)
        assert len(node.ids) == len(set(node.ids))


def test_what_the_mesh_loses_gossip_finds() -> None:
    """A node's mesh brings it nothing for a time; it asks for what others announce."""
    net = Net(6)
    nodes = started(net, 20, degree=12, config=GossipSubConfig(flood_publish=False))
    deaf = nodes[0]
    mesh = set(deaf.router.mesh("t"))
    net.loses = lambda source, target, rpc: target == deaf.id and source in mesh and bool(rpc.messages)
    sent = [node.publish().id for node in nodes[1:10]]
    net.run(4)
    assert set(sent) <= set(deaf.ids)
    assert net.traffic["iwant"] > 0
    assert len(deaf.ids) == len(set(deaf.ids))


@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_lost_where_every_tenth_message_is(seed: int) -> None:
    net = Net(seed)
    chance = Random(seed)
    nodes = started(net, 20, degree=10)

    def loses(source: PeerId, target: PeerId, rpc: RPC) -> bool:
        return bool(rpc.messages) and chance.random() < 0.1

    net.loses = loses
    sent = []
    for number in range(60):
        sent.append(nodes[number % 20].publish(data=b"%d" % number).id)
        net.run(0.05)
    net.run(6)
    assert_delivered(nodes, sent)


def test_large_messages_are_called_off_and_come_seldom_twice() -> None:
    """While the application checks a message, others tell that they have it."""
    small, large = (_copies(size) for size in (100, 100_000))
    assert large < 0.6 * small


def _copies(size: int) -> int:
    """How many copies of messages of a size go through a network."""
    net = Net(7)
    nodes = started(net, 20, degree=12, config=GossipSubConfig(flood_publish=False))
    random = Random(1)
    net.latency = lambda a, b: 0.005 + random.random() / 50
    for node in nodes:
        node.validation = 0.05
    for node in nodes:
        node.publish(data=bytes(size))
        net.run(1)
    assert all(len(set(node.ids)) == len(node.ids) == len(nodes) for node in nodes)
    return net.traffic["messages"]


def test_a_slow_validator_does_not_multiply_messages() -> None:
    net = Net(8)
    nodes = [net.add() for _ in range(12)]
    for node in nodes:
        node.validation = 0.3
    net.connect_some(nodes, 6)
    for node in nodes:
        node.subscribe()
    net.run(3)
    sent = [node.publish().id for node in nodes]
    net.run(10)
    assert_delivered(nodes, sent)


def test_a_message_that_is_ignored_goes_no_further_and_nobody_pays() -> None:
    net = Net(9)
    nodes = started(net, 10, score=ScoreConfig(), config=GossipSubConfig(flood_publish=False))
    message = nodes[0].publish(data=USELESS)
    net.run(3)
    assert [message.id in node.ids for node in nodes] == [True] + [False] * 9
    assert all(node.router.score(other.id) >= 0 for node in nodes for other in nodes)


def test_a_node_that_leaves_and_comes_back_is_in_the_mesh_again_after_its_backoff() -> None:
    net = Net(10)
    nodes = started(net, 8, degree=7)
    nodes[0].unsubscribe()
    net.run(2)
    assert all(nodes[0].id not in node.router.mesh("t") for node in nodes)
    nodes[0].subscribe()
    net.run(3)
    assert not nodes[0].router.mesh("t")
    net.run(12)
    assert nodes[0].router.mesh("t")
    assert all(node.router.score(nodes[0].id) >= 0 for node in nodes)


def test_publishers_that_are_no_subscribers_reach_all_of_them() -> None:
    net = Net(11)
    nodes = started(net, 15, config=GossipSubConfig(flood_publish=False))
    publisher = net.add(config=GossipSubConfig(flood_publish=False))
    for node in nodes:
        net.connect(publisher, node)
    net.run(1)
    sent = [publisher.publish().id for _ in range(5)]
    net.run(3)
    assert_delivered(nodes, sent)
    assert publisher.ids == []


def test_who_knows_one_node_comes_to_know_the_network_by_peer_exchange() -> None:
    net = Net(12)

    def record(peer: PeerId) -> bytes:
        return b"record"

    hub = net.add(config=GossipSubConfig(peer_exchange=True, d=4, d_low=3, d_high=5, d_score=2), records=record)
    leaves = [net.add() for _ in range(25)]
    hub.subscribe()
    for leaf in leaves:
        net.connect(leaf, hub)
        leaf.subscribe()
    for _ in range(20):
        net.run(1)
        for node in list(net.nodes.values()):
            for order in node.connects:
                assert order.record == b"record"
                net.connect(node, net.nodes[order.peer])
            node.connects.clear()
    assert sum(len(leaf.router.peers()) > 1 for leaf in leaves) >= 18
    net.kill(hub)
    net.run(10)
    reached = [leaf for leaf in leaves if len(leaf.router.peers()) >= 1]
    message = reached[0].publish()
    net.run(5)
    assert sum(message.id in leaf.ids for leaf in leaves) >= 18


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> tuple[Any, ...]:
        net = Net(seed)
        nodes = started(net, 20, score=ScoreConfig())
        for node in nodes:
            node.publish()
        net.run(20)
        return tuple((node.events, node.heard) for node in nodes)

    assert run(1) == run(1)
    assert run(1) != run(2)
