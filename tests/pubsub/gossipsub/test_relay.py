"""What becomes of messages."""

import pytest

from p2pstack.pubsub.actions import Deliver, Forward, Validate
from p2pstack.pubsub.admission import BLACKLISTED
from p2pstack.pubsub.events import Delivered, Duplicate, Pruned, Rejected
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.features import FLOODSUB
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, TopicScoreConfig
from p2pstack.pubsub.rpc import Graft

from .lab import Lab
from .values import INVALID, of, own_message, peer_id, raw_message

AUTHOR = peer_id("author")


def lab(*members: object, config: GossipSubConfig | None = None, scores: dict[object, float] | None = None) -> Lab:
    table = {} if scores is None else scores
    made = Lab(config, score=ScoreConfig(app_specific_score=lambda peer: table.get(peer, 0.0)))
    made.router.subscribe("t", made.now)
    for member in members:
        made.says(made.peer(member, "t"), graft=[Graft("t")])
    return made


def test_a_valid_message_is_delivered_and_goes_to_the_mesh_but_not_back() -> None:
    made = lab("a", "b", "c", "author")
    made.peer("outside", "t")
    actions = made.brings(peer_id("a"), raw_message(AUTHOR, 1))
    validate, delivered, deliver, forward = actions
    assert [type(action) for action in actions] == [Validate, Delivered, Deliver, Forward]
    assert set(forward.peers) == {peer_id("b"), peer_id("c")}
    assert validate.message is deliver.message is delivered.message is forward.message


def test_who_brought_it_while_it_was_checked_does_not_get_it_either() -> None:
    made = lab("a", "b", "c")
    raw = raw_message(AUTHOR, 1)
    (validate,) = made.says(peer_id("a"), messages=[raw])
    assert made.says(peer_id("b"), messages=[raw]) == [Duplicate(validate.message.id, "t", peer_id("b"))]  # type: ignore[union-attr]
    (forward,) = of(list(made.router.accept(validate.message, made.now)), Forward)  # type: ignore[union-attr]
    assert list(forward.peers) == [peer_id("c")]


def test_direct_peers_and_those_of_floodsub_get_it_too() -> None:
    made = lab("a", config=GossipSubConfig(direct_peers=[peer_id("direct"), peer_id("elsewhere")]))
    direct, flood = made.peer("direct", "t"), made.peer("flood", "t", protocol=FLOODSUB)
    made.peer("elsewhere", "other")
    (forward,) = of(made.brings(peer_id("a"), raw_message(AUTHOR, 1)), Forward)
    assert set(forward.peers) == {direct, flood}


def test_a_peer_of_floodsub_below_the_threshold_gets_nothing_and_a_direct_one_all() -> None:
    scores: dict[object, float] = {peer_id("flood"): -51.0, peer_id("direct"): -99.0}
    made = lab("a", config=GossipSubConfig(direct_peers=[peer_id("direct")]), scores=scores)
    made.peer("flood", "t", protocol=FLOODSUB)
    direct = made.peer("direct", "t")
    made.wait(2.0)
    (forward,) = of(made.brings(peer_id("a"), raw_message(AUTHOR, 1)), Forward)
    assert list(forward.peers) == [direct]
    assert of(made.brings(direct, raw_message(AUTHOR, 2)), Deliver)


def test_our_own_messages_flood_to_all_above_the_threshold() -> None:
    scores: dict[object, float] = {peer_id("bad"): -50.1, peer_id("poor"): -49.9}
    made = lab("a", scores=scores)
    others = {made.peer(name, "t") for name in ("poor", "b", "c")}
    made.peer("bad", "t")
    made.wait(2.0)
    actions = list(made.router.publish(own_message(made.local, 1), made.now))
    assert [type(action) for action in actions] == [Delivered, Deliver, Forward]
    assert set(actions[2].peers) == {peer_id("a"), *others}  # type: ignore[union-attr]


def test_without_flooding_they_go_to_the_mesh() -> None:
    made = lab("a", config=GossipSubConfig(flood_publish=False))
    made.peer("outside", "t")
    (forward,) = of(list(made.router.publish(own_message(made.local, 1), made.now)), Forward)
    assert list(forward.peers) == [peer_id("a")]


def test_the_same_message_is_published_once() -> None:
    made = lab("a")
    message = own_message(made.local, 1)
    made.router.publish(message, made.now)
    assert made.router.publish(message, made.now) == [Duplicate(message.id, "t", made.local)]


def test_messages_of_topics_that_we_are_not_in_are_passed_over() -> None:
    made = lab("a")
    assert made.says(peer_id("a"), messages=[raw_message(AUTHOR, 1, "other")]) == []


def test_a_message_that_was_checked_after_we_left_goes_nowhere() -> None:
    made = lab("a", "b")
    (validate,) = made.says(peer_id("a"), messages=[raw_message(AUTHOR, 1)])
    made.router.unsubscribe("t", made.now)
    assert made.router.accept(validate.message, made.now) == []  # type: ignore[union-attr]


def test_of_two_valid_messages_with_one_id_the_first_is_delivered() -> None:
    made = lab("a", "b")
    (first,) = made.says(peer_id("a"), messages=[raw_message(AUTHOR, 1, data=b"one")])
    (second,) = made.says(peer_id("b"), messages=[raw_message(AUTHOR, 1, data=b"two")])
    assert of(list(made.router.accept(second.message, made.now)), Deliver)  # type: ignore[union-attr]
    late = made.router.accept(first.message, made.now)  # type: ignore[union-attr]
    assert late == [Duplicate(first.message.id, "t", peer_id("a"))]  # type: ignore[union-attr]


def test_all_who_brought_an_invalid_message_pay_and_those_of_the_true_one_do_not() -> None:
    made = lab("a", "b", "c", "d")
    a, b, c, d = map(peer_id, "abcd")
    forged, true = raw_message(AUTHOR, 1, data=b"forged", signature=b"bad"), raw_message(AUTHOR, 1)
    (first,) = made.says(a, messages=[forged])
    made.says(b, messages=[forged])
    (second,) = made.says(c, messages=[true])
    made.says(d, messages=[true])
    rejected = made.router.reject(first.message, "its signature is bad", made.now)  # type: ignore[union-attr]
    assert rejected == [Rejected(first.message.id, "t", a, "its signature is bad")]  # type: ignore[union-attr]
    accepted = list(made.router.accept(second.message, made.now))  # type: ignore[union-attr]
    assert of(accepted, Deliver)[0].message.data == b"data"
    assert [made.router.score(peer) < 0 for peer in (a, b, c, d)] == [True, True, False, False]


def test_who_brings_again_what_was_refused_pays_again() -> None:
    made = lab("a", "b")
    a, b = map(peer_id, "ab")
    raw = raw_message(AUTHOR, 1, data=INVALID)
    made.brings(a, raw)
    for expected in (-1.0, -4.0):
        (rejected,) = made.says(b, messages=[raw])
        assert isinstance(rejected, Rejected)
        assert made.router.score(b) == pytest.approx(expected)


def test_what_breaks_the_policy_is_paid_for_at_once() -> None:
    made = lab("a")
    a = peer_id("a")
    assert made.says(a, messages=[raw_message(AUTHOR, 1, signature=None)]) == [
        Rejected(None, "t", a, "it is not signed")
    ]
    assert made.router.score(a) < 0


def test_what_is_ignored_or_blacklisted_is_paid_for_by_nobody() -> None:
    made = Lab(score=ScoreConfig(), admission={"blacklist": {peer_id("bad")}})
    made.router.subscribe("t", made.now)
    a = made.peer("a", "t")
    (validate,) = made.says(a, messages=[raw_message(AUTHOR, 1)])
    ignored = made.router.ignore(validate.message, "useless", made.now)  # type: ignore[union-attr]
    assert ignored == [Rejected(validate.message.id, "t", a, "useless")]  # type: ignore[union-attr]
    id_ = peer_id("bad").to_bytes() + (1).to_bytes(8, "big")
    assert made.says(a, messages=[raw_message(peer_id("bad"), 1)]) == [Rejected(id_, "t", a, BLACKLISTED)]
    assert made.router.score(a) == 0.0


def test_the_first_who_brings_a_message_is_credited_and_the_mesh_for_what_it_brings() -> None:
    topic = TopicScoreConfig(
        first_message_deliveries_weight=1.0,
        mesh_message_deliveries_weight=-1.0,
        mesh_message_deliveries_threshold=0.5,
        mesh_message_deliveries_activation=3.0,
    )
    made = Lab(score=ScoreConfig(), topics={"t": topic})
    made.router.subscribe("t", made.now)
    peers = [made.peer(name, "t") for name in "abc"]
    for peer in peers:
        made.says(peer, graft=[Graft("t")])
    a, b, c = peers
    raw = raw_message(AUTHOR, 1)
    (validate,) = made.says(a, messages=[raw])
    made.says(b, messages=[raw])
    made.router.accept(validate.message, made.now)  # type: ignore[union-attr]
    pruned = of(made.wait(6.0), Pruned)
    assert [event.peer for event in pruned] == [c]
    assert made.router.score(a) > 0.9
    assert made.router.score(b) == 0.0


def test_who_is_graylisted_is_not_listened_to_but_for_its_topics() -> None:
    scores: dict[object, float] = {peer_id("a"): -80.1, peer_id("direct"): -80.1}
    made = lab("b", config=GossipSubConfig(direct_peers=[peer_id("direct")]), scores=scores)
    a, direct = made.peer("a", "t"), made.peer("direct", "t")
    made.wait(2.0)
    before = made.router.graylisted
    assert made.says(a, messages=[raw_message(AUTHOR, 1)], graft=[Graft("t")]) == []
    assert made.router.graylisted == before + 1
    assert of(made.says(direct, messages=[raw_message(AUTHOR, 1)]), Validate)


def test_who_sends_what_is_no_rpc_pays() -> None:
    made = lab("a")
    a = peer_id("a")
    assert made.router.misbehaved(a, "expected an RPC", made.now) == [Rejected(None, "", a, "expected an RPC")]
    assert made.router.score(a) < 0
