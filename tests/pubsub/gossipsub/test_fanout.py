"""Peers for topics that we publish to and are not in."""

from itertools import count

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Deliver, Forward
from p2pstack.pubsub.events import Grafted
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.rpc import Subscribe

from .lab import Lab
from .values import of, own_message

NUMBERS = count()


def lab(*, scores: dict[object, float] | None = None) -> Lab:
    table = {} if scores is None else scores
    return Lab(
        GossipSubConfig(flood_publish=False),
        score=ScoreConfig(app_specific_score=lambda peer: table.get(peer, 0.0)),
    )


def publish(made: Lab) -> list[PeerId]:
    """Who gets a message of ours."""
    actions = list(made.router.publish(own_message(made.local, next(NUMBERS)), made.now))
    assert not of(actions, Deliver)
    (forward,) = of(actions, Forward)
    return list(forward.peers)


def test_our_messages_go_to_the_same_six_peers_while_we_publish() -> None:
    made = lab()
    for number in range(20):
        made.peer(number, "t")
    first = publish(made)
    assert len(first) == 6
    for _ in range(5):
        made.wait(30.0)
        assert publish(made) == first


def test_they_are_forgotten_a_minute_after_the_last_message() -> None:
    made = lab()
    for number in range(20):
        made.peer(number, "t")
    publish(made)
    made.wait(58.0)
    assert dict(made.router._fanout)
    made.wait(3.0)
    assert not dict(made.router._fanout)
    assert not made.router._fanout._last_published


def test_others_come_in_the_place_of_those_who_leave() -> None:
    made = lab()
    for number in range(20):
        made.peer(number, "t")
    first = publish(made)
    made.router.remove_peer(first[0], made.now)
    made.says(first[1], subscriptions=[Subscribe("t", subscribe=False)])
    assert set(publish(made)) == set(first[2:])
    made.beat()
    second = publish(made)
    assert len(second) == 6
    assert set(first[2:]) < set(second)


def test_nobody_below_the_threshold_gets_them() -> None:
    scores: dict[object, float] = {}
    made = lab(scores=scores)
    peers = [made.peer(number, "t") for number in range(8)]
    first = publish(made)
    scores.update(dict.fromkeys(first, -50.1))
    made.wait(2.5)
    assert set(publish(made)) == set(peers) - set(first)


def test_they_are_the_first_of_the_mesh_when_we_join() -> None:
    made = lab()
    for number in range(20):
        made.peer(number, "t")
    first = publish(made)
    actions = list(made.router.subscribe("t", made.now))
    assert {event.peer for event in of(actions, Grafted)} == set(first) == set(made.router.mesh("t"))
    assert not dict(made.router._fanout)


def test_those_below_zero_do_not_come_into_the_mesh() -> None:
    scores: dict[object, float] = {}
    made = lab(scores=scores)
    for number in range(20):
        made.peer(number, "t")
    first = publish(made)
    scores[first[0]] = -1.0
    made.wait(2.0)
    made.router.subscribe("t", made.now)
    mesh = made.router.mesh("t")
    assert len(mesh) == 6
    assert first[0] not in mesh
    assert set(first[1:]) < set(mesh)


def test_a_topic_without_peers_has_nobody_until_one_comes() -> None:
    made = lab()
    assert publish(made) == []
    a = made.peer("a", "t")
    assert publish(made) == [a]
