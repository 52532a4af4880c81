"""The router of floodsub."""

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Deliver, Forward, Send, Validate
from p2pstack.pubsub.events import Duplicate, PeerJoined, PeerLeft, Rejected
from p2pstack.pubsub.filter import SubscriptionFilter
from p2pstack.pubsub.floodsub import FloodSubRouter
from p2pstack.pubsub.router import Link
from p2pstack.pubsub.rpc import RPC, Subscribe

from .gossipsub.net import Net
from .gossipsub.values import INVALID, USELESS, make_admission, of, own_message, peer_id, raw_message

LOCAL, A, B, C = (peer_id(name) for name in ("local", "a", "b", "c"))
LINK = Link("/floodsub/1.0.0", outbound=True)


def router(*peers: PeerId, topics: tuple[str, ...] = ("t",)) -> FloodSubRouter:
    """A router in topics, with peers that are in them, too."""
    made = FloodSubRouter(admission=make_admission(LOCAL), subscription_filter=SubscriptionFilter(max_topics=3))
    for topic in topics:
        made.subscribe(topic, 0.0)
    for peer in peers:
        made.add_peer(peer, LINK, 0.0)
        made.receive(peer, RPC(subscriptions=[Subscribe(topic) for topic in topics]), 0.0)
    return made


def test_a_peer_is_told_of_our_topics_and_of_each_change() -> None:
    made = router(topics=("t", "u"))
    assert made.add_peer(A, LINK, 0.0) == [Send(A, RPC(subscriptions=[Subscribe("t"), Subscribe("u")]))]
    assert made.subscribe("v", 0.0) == [Send(A, RPC(subscriptions=(Subscribe("v"),)))]
    assert made.subscribe("v", 0.0) == []
    assert made.unsubscribe("v", 0.0) == [Send(A, RPC(subscriptions=(Subscribe("v", subscribe=False),)))]
    assert made.unsubscribe("v", 0.0) == []
    assert set(made.topics) == {"t", "u"}


def test_a_peer_whose_stream_broke_is_told_again() -> None:
    made = router(A)
    assert made.greet_again(A, 0.0) == [Send(A, RPC(subscriptions=[Subscribe("t")]))]
    assert made.greet_again(B, 0.0) == []


def test_who_is_in_which_topic_is_known_and_told() -> None:
    made = router()
    made.add_peer(A, LINK, 0.0)
    assert made.receive(A, RPC(subscriptions=[Subscribe("x"), Subscribe("y")]), 0.0) == [
        PeerJoined(A, "x"),
        PeerJoined(A, "y"),
    ]
    assert (list(made.peers("x")), list(made.peers()), list(made.peers("z"))) == ([A], [A], [])
    assert made.receive(A, RPC(subscriptions=[Subscribe("x", subscribe=False)]), 0.0) == [PeerLeft(A, "x")]
    assert made.remove_peer(A, 0.0) == [PeerLeft(A, "y")]
    assert (list(made.peers("x")), list(made.peers())) == ([], [])


def test_a_hundred_thousand_topics_of_a_peer_leave_what_the_filter_lets_through() -> None:
    made = router()
    made.add_peer(A, LINK, 0.0)
    for start in range(0, 100_000, 5_000):
        made.receive(A, RPC(subscriptions=[Subscribe(f"topic {n}") for n in range(start, start + 5_000)]), 0.0)
    assert len(made._members) == 3
    made.remove_peer(A, 0.0)
    assert not made._members
    assert not made._peers


def test_our_message_goes_to_all_of_the_topic_and_to_us() -> None:
    made = router(A, B)
    made.add_peer(C, LINK, 0.0)
    message = own_message(LOCAL, 1)
    actions = made.publish(message, 0.0)
    assert of(actions, Deliver) == [Deliver(message)]
    assert of(actions, Forward) == [Forward(message, [A, B])]
    assert isinstance(made.publish(message, 0.0)[0], Duplicate)


def test_our_message_for_a_topic_that_we_are_not_in_is_not_ours_to_get() -> None:
    made = router(A)
    made.receive(A, RPC(subscriptions=[Subscribe("other")]), 0.0)
    assert made.publish(own_message(LOCAL, 1, "other"), 0.0) == [Forward(own_message(LOCAL, 1, "other"), [A])]


def test_a_message_goes_to_all_but_those_who_brought_it_and_its_author() -> None:
    made = router(A, B, C, peer_id("d"))
    raw = raw_message(C, 1)
    (validate,) = made.receive(A, RPC(messages=[raw]), 0.0)
    assert isinstance(validate, Validate)
    made.receive(B, RPC(messages=[raw]), 0.0)
    actions = made.accept(validate.message, 0.0)
    assert of(actions, Forward)[0].peers == [peer_id("d")]
    assert of(actions, Deliver) == [Deliver(validate.message)]


def test_messages_of_topics_that_we_are_not_in_are_passed_over() -> None:
    made = router(A)
    assert made.receive(A, RPC(messages=[raw_message(B, 1, "other")]), 0.0) == []


def test_a_message_that_was_checked_after_we_left_goes_nowhere() -> None:
    made = router(A, B)
    (validate,) = made.receive(A, RPC(messages=[raw_message(C, 1)]), 0.0)
    made.unsubscribe("t", 0.0)
    assert isinstance(validate, Validate)
    assert made.accept(validate.message, 0.0) == []


def test_of_two_messages_with_one_id_one_is_delivered() -> None:
    made = router(A, B)
    (first,) = made.receive(A, RPC(messages=[raw_message(C, 1, data=b"one")]), 0.0)
    (second,) = made.receive(B, RPC(messages=[raw_message(C, 1, data=b"two")]), 0.0)
    assert isinstance(first, Validate)
    assert isinstance(second, Validate)
    assert of(made.accept(first.message, 0.0), Deliver)
    assert made.accept(second.message, 0.0) == [Duplicate(second.message.id, "t", B)]


def test_what_is_invalid_or_useless_or_malformed_is_told() -> None:
    made = router(A)
    raws = [raw_message(C, 1, data=INVALID), raw_message(C, 2, data=USELESS)]
    first, second = made.receive(A, RPC(messages=raws), 0.0)
    assert isinstance(first, Validate)
    assert isinstance(second, Validate)
    assert made.reject(first.message, "bad", 0.0) == [Rejected(first.message.id, "t", A, "bad")]
    assert made.ignore(second.message, "useless", 0.0) == [Rejected(second.message.id, "t", A, "useless")]
    assert made.misbehaved(A, "no RPC", 0.0) == [Rejected(None, "", A, "no RPC")]


def test_it_has_no_mesh_no_scores_nothing_to_wait_for_and_nothing_of_strangers() -> None:
    made = router(A)
    made.restart_peer(A)
    assert (list(made.mesh("t")), made.score(A), made.deadline(), list(made.on_deadline(1.0))) == ([], 0.0, None, [])
    assert list(made.receive(B, RPC(subscriptions=[Subscribe("t")]), 0.0)) == []
    assert list(made.remove_peer(B, 0.0)) == []


def test_a_network_of_floodsub_and_gossipsub_delivers_everything_to_everybody_once() -> None:
    net = Net(3)
    nodes = []
    for number in range(12):
        flood = number % 3 == 0
        router = FloodSubRouter(admission=make_admission(peer_id(number))) if flood else None
        nodes.append(net.add(router=router))
    net.connect_some(nodes, 4)
    for node in nodes:
        node.subscribe()
    net.run(3)
    sent = sorted(node.publish().id for node in nodes)
    net.run(5)
    assert all(sorted(node.ids) == sent for node in nodes)
