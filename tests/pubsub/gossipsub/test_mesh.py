"""Who is in which mesh: joining, leaving, coming and going."""

from p2pstack.pubsub.actions import Send
from p2pstack.pubsub.events import Grafted, PeerJoined, PeerLeft, Pruned
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.features import FLOODSUB, MESHSUB_1_0, MESHSUB_1_2
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.router import Link
from p2pstack.pubsub.rpc import RPC, Extensions, Graft, Prune, Subscribe

from .lab import Lab
from .values import of, own_message, peer_id, said


def test_a_topic_is_joined_with_as_many_peers_as_a_mesh_should_have() -> None:
    lab = Lab()
    peers = [lab.peer(number, "t") for number in range(20)]
    actions = lab.router.subscribe("t", lab.now)
    mesh = list(lab.router.mesh("t"))
    assert len(mesh) == 6
    assert {event.peer for event in of(actions, Grafted)} == set(mesh)
    for peer in peers:
        assert said(actions, peer, "subscriptions") == [Subscribe("t")]
        assert said(actions, peer, "graft") == ([Graft("t")] if peer in mesh else [])
    assert lab.router.subscribe("t", lab.now) == []


def test_all_that_is_said_to_a_peer_at_a_time_is_one_rpc() -> None:
    lab = Lab()
    peer = lab.peer("a", "t", "u")
    for topic in ("t", "u"):
        (send,) = of(lab.router.subscribe(topic, lab.now), Send)
        assert send == Send(peer, RPC(subscriptions=[Subscribe(topic)], graft=[Graft(topic)], **EMPTY))


EMPTY = {"ihave": [], "iwant": [], "prune": [], "idontwant": []}


def test_a_topic_is_left_with_a_short_backoff_that_we_keep_too() -> None:
    lab = Lab()
    peer = lab.peer("a", "t")
    lab.router.subscribe("t", lab.now)
    actions = lab.router.unsubscribe("t", lab.now)
    assert said(actions, peer, "subscriptions") == [Subscribe("t", subscribe=False)]
    assert said(actions, peer, "prune") == [Prune("t", 10)]
    assert of(actions, Pruned) == [Pruned(peer, "t", "we left the topic")]
    assert lab.router.unsubscribe("t", lab.now) == []
    assert not of(lab.router.subscribe("t", lab.now), Grafted)
    assert not of(lab.wait(10.0), Grafted)
    assert not of(lab.wait(2.0), Grafted)
    assert of(lab.wait(1.0), Grafted)


def test_a_peer_that_comes_is_told_what_we_can_and_what_we_are_in_first() -> None:
    lab = Lab()
    lab.router.subscribe("t", lab.now)
    lab.router.subscribe("u", lab.now)
    a, b, c = peer_id("a"), peer_id("b"), peer_id("c")
    (newest,) = lab.router.add_peer(a, Link("/meshsub/1.3.0", outbound=True), lab.now)
    (older,) = lab.router.add_peer(b, Link(MESHSUB_1_2, outbound=True), lab.now)
    (oldest,) = lab.router.add_peer(c, Link(FLOODSUB, outbound=True), lab.now)
    topics = [Subscribe("t"), Subscribe("u")]
    for send, extensions in ((newest, Extensions(partial_messages=True)), (older, None), (oldest, None)):
        assert isinstance(send, Send)
        assert (send.rpc.subscriptions, send.rpc.extensions) == (topics, extensions)


def test_a_peer_is_told_nothing_where_there_is_nothing_to_tell() -> None:
    lab = Lab(GossipSubConfig(partial_messages=False))
    assert lab.router.add_peer(peer_id("a"), Link("/meshsub/1.3.0", outbound=True), lab.now) == []


def test_a_peer_whose_stream_broke_is_told_again_what_we_are_in_and_that_it_is_in_the_mesh() -> None:
    lab = Lab()
    a = lab.peer("a", "t")
    lab.router.subscribe("t", lab.now)
    lab.router.subscribe("u", lab.now)
    (send,) = lab.router.greet_again(a, lab.now)
    assert isinstance(send, Send)
    assert (send.rpc.subscriptions, send.rpc.graft) == ([Subscribe("t"), Subscribe("u")], [Graft("t")])
    assert lab.router.greet_again(peer_id("b"), lab.now) == []


def test_who_is_in_a_topic_is_known_and_told() -> None:
    lab = Lab()
    a = peer_id("a")
    lab.router.add_peer(a, Link("/meshsub/1.2.0", outbound=True), lab.now)
    assert lab.says(a, subscriptions=[Subscribe("t"), Subscribe("t")]) == [PeerJoined(a, "t")]
    assert (list(lab.router.peers("t")), list(lab.router.peers())) == ([a], [a])
    assert lab.says(a, subscriptions=[Subscribe("t", subscribe=False)]) == [PeerLeft(a, "t")]
    assert (list(lab.router.peers("t")), list(lab.router.peers())) == ([], [a])


def test_a_peer_that_leaves_the_topic_or_us_is_out_of_the_mesh_and_told_nothing() -> None:
    lab = Lab()
    a, b = lab.peer("a", "t"), lab.peer("b", "t")
    lab.router.subscribe("t", lab.now)
    left = lab.says(a, subscriptions=[Subscribe("t", subscribe=False)], prune=[Prune("t", 10)])
    assert left == [Pruned(a, "t", "the peer left the topic"), PeerLeft(a, "t")]
    gone = lab.router.remove_peer(b, lab.now)
    assert list(gone) == [Pruned(b, "t", "the peer is gone"), PeerLeft(b, "t")]
    assert list(lab.router.mesh("t")) == []
    assert list(lab.router.remove_peer(b, lab.now)) == []


def test_a_peer_that_left_and_joined_again_before_our_graft_came_does_not_believe_that_it_is_in_the_mesh() -> None:
    lab = Lab()
    a = lab.peer("a", "t")
    lab.router.subscribe("t", lab.now)
    again = [Subscribe("t", subscribe=False), Subscribe("t")]
    assert said(lab.says(a, subscriptions=again), a, "prune") == [Prune("t", 1)]
    assert list(lab.router.mesh("t")) == []
    assert not of(lab.wait(2.0), Grafted)
    lab.wait(1.0)
    assert list(lab.router.mesh("t")) == [a]


def test_a_prune_that_comes_just_after_we_left_is_heeded_when_we_join_again() -> None:
    lab = Lab()
    a = lab.peer("a", "t")
    lab.router.subscribe("t", lab.now)
    lab.says(a, prune=[Prune("t", 60)])
    lab.wait(70.0)
    lab.router.unsubscribe("t", lab.now)
    lab.now += 5.0
    b = lab.peer("b", "t")
    lab.says(b, prune=[Prune("t", 60)])
    lab.router.subscribe("t", lab.now)
    lab.wait(30.0)
    assert list(lab.router.mesh("t")) == [a]
    lab.wait(40.0)
    assert set(lab.router.mesh("t")) == {a, b}


def test_a_hundred_thousand_topics_of_a_peer_leave_a_hundred_and_nothing_once_it_is_gone() -> None:
    lab = Lab(score=ScoreConfig())
    a = lab.peer("a")
    for start in range(0, 100_000, 5_000):
        lab.says(a, subscriptions=[Subscribe(f"topic {n}") for n in range(start, start + 5_000)])
    assert len(lab.router._peers._topics) == 100
    assert lab.router.score(a) < 0
    lab.router.remove_peer(a, lab.now)
    assert not lab.router._peers._topics


def test_peers_of_all_versions_are_in_the_mesh_but_not_those_that_speak_floodsub() -> None:
    lab = Lab()
    old, flood = lab.peer("old", "t", protocol=MESHSUB_1_0), lab.peer("flood", "t", protocol=FLOODSUB)
    lab.router.subscribe("t", lab.now)
    lab.wait(3.0)
    assert list(lab.router.mesh("t")) == [old]
    assert flood in lab.router.peers("t")


def test_direct_peers_are_in_no_mesh_and_connected_to_again_and_again() -> None:
    a, b = peer_id("a"), peer_id("b")
    lab = Lab(GossipSubConfig(direct_peers=[a, b], direct_connect_ticks=10))
    lab.peer("a", "t")
    lab.router.subscribe("t", lab.now)
    actions = lab.wait(25.0)
    assert [action.peer for action in actions if type(action).__name__ == "Connect"] == [b, b]
    assert list(lab.router.mesh("t")) == []


def test_missing_direct_peers_are_connected_to_at_once() -> None:
    a = peer_id("a")
    made = Lab(GossipSubConfig(direct_peers=[a]))
    fresh = type(made.router)(
        GossipSubConfig(direct_peers=[a]),
        admission=made.router._relay._admission,
        random=made.router._fanout._random,
    )
    assert [action.peer for action in fresh.on_deadline(0.0)] == [a]  # type: ignore[union-attr]


def test_a_heartbeat_that_comes_late_is_not_made_up_for() -> None:
    lab = Lab()
    assert lab.router.deadline() == lab.now + 0.5
    lab.now += 100.0
    lab.router.on_deadline(lab.now)
    assert lab.router.deadline() == lab.now + 0.5


def test_nothing_is_taken_of_a_peer_that_was_not_added() -> None:
    lab = Lab()
    lab.router.restart_peer(peer_id("nobody"))
    assert lab.says(peer_id("nobody"), subscriptions=[Subscribe("t")]) == []
    assert list(lab.router.peers("t")) == []


def test_a_message_of_our_own_is_no_reason_to_join() -> None:
    lab = Lab()
    lab.peer("a", "t")
    lab.router.publish(own_message(lab.local, 1), lab.now)
    assert list(lab.router.topics) == []
    assert list(lab.router.mesh("t")) == []
