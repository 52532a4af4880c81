"""IHAVE and IWANT."""

from dataclasses import replace

import pytest

from p2pstack.pubsub.actions import Forward, Send
from p2pstack.pubsub.events import Duplicate
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.features import FLOODSUB
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.rpc import Graft, IDontWant, IHave, IWant, Prune

from .lab import Lab
from .values import of, own_message, peer_id, raw_message, said

AUTHOR = peer_id("author")


def ids(count: int, start: int = 0) -> list[bytes]:
    return [AUTHOR.to_bytes() + number.to_bytes(8, "big") for number in range(start, start + count)]


def lab(config: GossipSubConfig | None = None, *, scores: dict[object, float] | None = None) -> Lab:
    table = {} if scores is None else scores
    made = Lab(
        config, score=ScoreConfig(behaviour_penalty_threshold=0.0, app_specific_score=lambda peer: table.get(peer, 0.0))
    )
    made.router.subscribe("t", made.now)
    return made


def outside(made: Lab, count: int) -> list[object]:
    """Peers of the topic that are not in the mesh."""
    made.router.unsubscribe("t", made.now)
    made.router.subscribe("t", made.now)
    peers = [made.peer(f"outside {number}", "t") for number in range(count)]
    for peer in peers:
        made.says(peer, prune=[Prune("t", 3_600)])
    return list(peers)


def told(actions: list[object], peers: list[object]) -> dict[object, list[IHave]]:
    """Who was told of what."""
    return {peer: lists for peer in peers if (lists := said(actions, peer, "ihave"))}  # type: ignore[arg-type]


# --- what we announce


def test_what_was_seen_is_announced_for_three_heartbeats_to_some_outside_the_mesh() -> None:
    made = lab()
    peers = outside(made, 20)
    message = own_message(made.local, 1)
    made.router.publish(message, made.now)
    for expected in (6, 6, 6, 0):
        lists = told(made.beat(), peers)  # type: ignore[arg-type]
        assert len(lists) == expected
        assert all(each == [IHave("t", [message.id])] for each in lists.values())


def test_a_quarter_is_told_where_that_is_more() -> None:
    made = lab()
    peers = outside(made, 100)
    made.router.publish(own_message(made.local, 1), made.now)
    assert len(told(made.beat(), peers)) == 25  # type: ignore[arg-type]


def test_nothing_is_announced_to_the_mesh_to_direct_peers_to_floodsub_and_to_bad_peers() -> None:
    scores: dict[object, float] = {}
    direct = peer_id("direct")
    made = lab(GossipSubConfig(direct_peers=[direct], d_lazy=20), scores=scores)
    (fine,) = outside(made, 1)
    made.peer("direct", "t")
    made.peer("flood", "t", protocol=FLOODSUB)
    made.says(made.peer("member", "t"), graft=[Graft("t")])
    bad, poor = made.peer("bad", "t"), made.peer("poor", "t")
    scores.update({bad: -10.1, poor: -9.9})
    made.wait(2.0)
    made.router.publish(own_message(made.local, 1), made.now)
    actions = made.beat()
    assert {action.peer for action in of(actions, Send) if action.rpc.ihave} == {fine, poor}


def test_of_many_messages_each_peer_is_told_as_many_as_fit_and_all_are_told_to_somebody() -> None:
    made = lab(GossipSubConfig(max_ihave_ids=10))
    peers = outside(made, 6)
    messages = [own_message(made.local, number) for number in range(35)]
    for message in messages:
        made.router.publish(message, made.now)
    lists = told(made.beat(), peers)  # type: ignore[arg-type]
    assert all(len(ihave.ids) <= 10 for each in lists.values() for ihave in each)
    everything = {id_ for each in lists.values() for ihave in each for id_ in ihave.ids}
    assert everything == {message.id for message in messages}


def test_topics_that_we_only_publish_to_are_announced_too() -> None:
    made = lab(GossipSubConfig(flood_publish=False))
    peers = [made.peer(number, "fanout") for number in range(20)]
    message = own_message(made.local, 1, "fanout")
    (forward,) = of(list(made.router.publish(message, made.now)), Forward)
    assert len(forward.peers) == 6
    lists = told(made.beat(), list(peers))
    assert len(lists) == 6
    assert not set(lists) & set(forward.peers)


# --- what others announce


def test_what_is_not_here_is_asked_for() -> None:
    made = lab()
    a = made.peer("a", "t")
    made.brings(made.peer("b", "t"), raw_message(AUTHOR, 1))
    actions = made.says(a, ihave=[IHave("t", ids(4)), IHave("other", ids(4, 10)), IHave("t", ids(2))])
    (iwant,) = said(actions, a, "iwant")
    assert sorted(iwant.ids) == [id_ for id_ in ids(4) if id_ != ids(1, 1)[0]]


def test_ids_above_1_kib_are_neither_asked_for_nor_remembered() -> None:
    made = lab()
    a = made.peer("a", "t")
    assert made.says(a, ihave=[IHave("t", [bytes([n]) * 500_000 for n in range(10)])]) == []
    assert len(made.router._relay._promises) == 0
    ids = [bytes([n]) * length for n in range(10) for length in (1_024, 1_025)]
    (iwant,) = said(made.says(a, ihave=[IHave("t", ids)]), a, "iwant")
    assert iwant.ids == ids[::2]


def test_ids_above_1_kib_are_not_answered() -> None:
    made = lab()
    a = made.peer("a", "t")
    message, long = (replace(own_message(made.local, 1), id=bytes(length)) for length in (1_024, 1_025))
    for each in (message, long):
        made.router.publish(each, made.now)
    assert of(made.says(a, iwant=[IWant([long.id, message.id])]), Forward) == [Forward(message, (a,))]


def test_what_is_being_checked_is_not_asked_for() -> None:
    made = lab()
    a, b = made.peer("a", "t"), made.peer("b", "t")
    made.says(b, messages=[raw_message(AUTHOR, 1)])
    assert made.says(a, ihave=[IHave("t", ids(1, 1))]) == []


def test_at_most_five_thousand_messages_are_asked_for_in_a_heartbeat() -> None:
    made = lab()
    a = made.peer("a", "t")
    asked = []
    for start in (0, 3_000, 6_000):
        asked += said(made.says(a, ihave=[IHave("t", ids(3_000, start))]), a, "iwant")
    assert [len(iwant.ids) for iwant in asked] == [3_000, 2_000]
    assert len({id_ for iwant in asked for id_ in iwant.ids}) == 5_000
    made.wait(1.0)
    assert len(said(made.says(a, ihave=[IHave("t", ids(10, 9_000))]), a, "iwant")) == 1


def test_the_eleventh_announcement_in_a_heartbeat_is_passed_over() -> None:
    made = lab()
    a = made.peer("a", "t")
    answers = [made.says(a, ihave=[IHave("t", ids(1, number))]) for number in range(12)]
    assert [bool(answer) for answer in answers] == [True] * 10 + [False] * 2
    made.wait(1.0)
    assert made.says(a, ihave=[IHave("t", ids(1, 99))])


def test_a_peer_below_the_threshold_is_neither_asked_nor_answered() -> None:
    scores: dict[object, float] = {}
    made = lab(scores=scores)
    a = made.peer("a", "t")
    made.brings(made.peer("b", "t"), raw_message(AUTHOR, 1))
    scores[a] = -10.1
    made.wait(2.0)
    assert made.says(a, ihave=[IHave("t", ids(5, 10))]) == []
    assert made.says(a, iwant=[IWant(ids(1, 1))]) == []


# --- promises


def broken(made: Lab, peer: object) -> float:
    return made.router.score(peer)  # type: ignore[arg-type]


def test_a_promise_that_is_kept_in_time_costs_nothing() -> None:
    made = lab()
    a = made.peer("a", "t")
    made.says(a, ihave=[IHave("t", ids(1, 1))])
    made.now += 2.9
    made.brings(a, raw_message(AUTHOR, 1))
    made.wait(5.0)
    assert broken(made, a) == 0.0


def test_a_promise_is_kept_whoever_brings_the_message() -> None:
    made = lab()
    a, b = made.peer("a", "t"), made.peer("b", "t")
    made.says(a, ihave=[IHave("t", ids(1, 1))])
    made.brings(b, raw_message(AUTHOR, 1))
    made.wait(5.0)
    assert broken(made, a) == 0.0


def test_a_promise_that_is_broken_costs_once_for_all_that_was_announced_at_a_time() -> None:
    made = lab()
    a, b = made.peer("a", "t"), made.peer("b", "t")
    made.says(a, ihave=[IHave("t", ids(100))])
    made.wait(2.9)
    assert broken(made, a) == 0.0
    made.wait(2.0)
    assert broken(made, a) == pytest.approx(-5.0, rel=0.05)
    made.wait(10.0)
    assert broken(made, a) == pytest.approx(-5.0, rel=0.2)
    assert broken(made, b) == 0.0
    assert len(made.router._relay._promises) == 0
    assert not made.router._relay._promises._open


def test_who_goes_owes_nothing() -> None:
    made = lab()
    a = made.peer("a", "t")
    made.says(a, ihave=[IHave("t", ids(1, 1))])
    made.router.remove_peer(a, made.now)
    made.wait(5.0)
    assert broken(made, a) == 0.0


def test_a_promise_made_again_has_its_time_anew() -> None:
    made = lab()
    a = made.peer("a", "t")
    made.says(a, ihave=[IHave("t", ids(1, 1))])
    made.now += 2.0
    made.brings(a, raw_message(AUTHOR, 1, signature=b"bad"))
    made.says(a, ihave=[IHave("t", ids(1, 1))])
    before = made.router.score(a)
    made.wait(1.5)
    assert made.router.score(a) >= before


# --- what others ask for


def test_a_message_is_sent_three_times_to_a_peer_that_asks_for_it() -> None:
    made = lab()
    a, b = made.peer("a", "t"), made.peer("b", "t")
    message = own_message(made.local, 1)
    made.router.publish(message, made.now)
    answers = [of(made.says(a, iwant=[IWant([message.id, message.id])]), Forward) for _ in range(5)]
    assert answers == [[Forward(message, (a,))]] * 3 + [[]] * 2
    assert of(made.says(b, iwant=[IWant([message.id])]), Forward) == [Forward(message, (b,))]


def test_what_is_not_here_or_not_wanted_is_not_sent() -> None:
    made = lab()
    a = made.peer("a", "t")
    message = own_message(made.local, 1)
    made.router.publish(message, made.now)
    made.says(a, idontwant=[IDontWant([message.id])])
    assert made.says(a, iwant=[IWant([message.id, b"unknown"])]) == []
    made.wait(6.0)
    assert made.says(a, iwant=[IWant([message.id])]) == []


def test_who_asks_for_the_same_again_and_again_or_for_more_than_anybody_announces_pays() -> None:
    made = lab()
    a, b = made.peer("a", "t"), made.peer("b", "t")
    message = own_message(made.local, 1)
    made.router.publish(message, made.now)
    for _ in range(9):
        made.says(a, iwant=[IWant([message.id])])
    assert made.router.score(a) < 0
    for start in range(0, 15_000, 5_000):
        made.says(b, iwant=[IWant(ids(5_000, start))])
    assert made.router.score(b) < 0


def test_a_message_that_comes_again_is_told() -> None:
    made = lab()
    a, b = made.peer("a", "t"), made.peer("b", "t")
    made.brings(a, raw_message(AUTHOR, 1))
    assert of(made.brings(b, raw_message(AUTHOR, 1)), Duplicate) == [Duplicate(ids(1, 1)[0], "t", b)]
