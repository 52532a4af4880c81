"""Who is connected, and what that costs."""

import gc
import tracemalloc

from p2pstack.pubsub.gossipsub.features import FLOODSUB, MESHSUB_1_3
from p2pstack.pubsub.gossipsub.peers import Peers
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.router import Link
from p2pstack.pubsub.rpc import Graft, Prune, Subscribe

from .lab import Lab
from .values import peer_id

LINK = Link(MESHSUB_1_3, outbound=True)


def test_peers_are_found_by_id_and_by_topic() -> None:
    peers = Peers(direct=[peer_id("direct"), peer_id("missing")])
    a, direct = peers.add(peer_id("a"), LINK), peers.add(peer_id("direct"), LINK)
    flood = peers.add(peer_id("flood"), Link(FLOODSUB, outbound=False))
    assert (list(peers), len(peers)) == ([a, direct, flood], 3)
    assert (peers.get(peer_id("a")), peers.get(peer_id("b"))) == (a, None)
    assert peers.meshless == {direct, flood}
    assert list(peers.missing) == [peer_id("missing")]
    assert peers.join(a, Subscribe("t"))
    assert not peers.join(a, Subscribe("t"))
    assert peers.in_topic("t") == {a}
    assert peers.leave(a, "t")
    assert not peers.leave(a, "t")
    assert not peers.in_topic("t")
    assert str(a.id) in repr(a)
    peers.join(a, Subscribe("t"))
    peers.remove(a)
    assert not peers.in_topic("t")
    assert (len(peers), peers.get(a.id)) == (2, None)


def test_a_peer_of_an_unknown_protocol_is_one_of_floodsub() -> None:
    assert not Peers().add(peer_id("a"), Link("/meshsub/9.0.0", outbound=True)).meshes


def test_a_pair_of_peer_and_topic_takes_a_quarter_of_a_kibibyte_at_most() -> None:
    peers, topics = 200, [f"topic {number}" for number in range(100)]
    gc.collect()
    tracemalloc.start()
    try:
        made = Lab(score=ScoreConfig())
        for topic in topics:
            made.router.subscribe(topic, made.now)
        for number in range(peers):
            peer = made.peer(number, *(topic.encode().decode() for topic in topics), ip=f"10.0.0.{number}")
            made.says(peer, graft=[Graft(topic) for topic in topics[:10]])
            made.says(peer, prune=[Prune(topic, 60) for topic in topics[10:20]])
        made.wait(5.0)
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / (peers * len(topics)) < 256
