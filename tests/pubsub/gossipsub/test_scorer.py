"""Routers that keep no scores."""

from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.rpc import Graft, Prune

from .lab import Lab
from .net import Net
from .values import peer_id, raw_message, said


def test_without_scores_all_peers_are_equal_and_backoffs_hold_nevertheless() -> None:
    lab = Lab()
    lab.router.subscribe("t", lab.now)
    a = lab.peer("a", "t")
    lab.says(a, prune=[Prune("t", 60)])
    for number in range(50):
        lab.brings(a, raw_message(peer_id("author"), number, signature=b"bad"))
        assert said(lab.says(a, graft=[Graft("t")]), a, "prune") == [Prune("t", 60)]
    assert lab.router.score(a) == 0.0
    assert lab.router.graylisted == 0
    lab.router.misbehaved(a, "no RPC", lab.now)
    lab.router.remove_peer(a, lab.now)
    assert lab.router.score(a) == 0.0


def test_a_network_without_scores_delivers_everything() -> None:
    net = Net(1)
    nodes = [net.add(config=GossipSubConfig(flood_publish=False)) for _ in range(15)]
    net.connect_some(nodes, 5)
    for node in nodes:
        node.subscribe()
    net.run(4)
    sent = sorted(node.publish().id for node in nodes)
    net.run(5)
    assert all(sorted(node.ids) == sent for node in nodes)
