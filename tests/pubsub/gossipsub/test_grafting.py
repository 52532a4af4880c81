"""What becomes of a GRAFT or a PRUNE that comes."""

import math

import pytest

from p2pstack.pubsub.actions import Send
from p2pstack.pubsub.events import Grafted, Pruned
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.features import FLOODSUB, MESHSUB_1_0
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.gossipsub.scorer import BREACH
from p2pstack.pubsub.rpc import Graft, Prune, Subscribe

from .lab import Lab
from .values import of, peer_id, said

GRAFT, PRUNE = [Graft("t")], [Prune("t", 60)]


def lab(*, forgives: float = 0.0, **options: object) -> Lab:
    made = Lab(score=ScoreConfig(behaviour_penalty_threshold=forgives), **options)  # type: ignore[arg-type]
    made.router.subscribe("t", made.now)
    return made


def penalty(made: Lab, peer: object) -> float:
    """How many rules a peer broke."""
    breakdown = made.score.breakdown(peer)  # type: ignore[union-attr,arg-type]
    return math.sqrt(breakdown.behaviour_penalty.value)


def test_a_graft_is_taken_in_without_an_answer() -> None:
    made = lab()
    a = made.peer("a", "t")
    assert made.says(a, graft=GRAFT) == [Grafted(a, "t")]
    assert list(made.router.mesh("t")) == [a]
    assert made.says(a, graft=GRAFT) == []


def test_a_graft_of_a_topic_that_we_are_not_in_leaves_nothing_and_gets_no_answer() -> None:
    made = lab()
    a = made.peer("a", "t")
    for start in range(0, 100_000, 1_000):
        assert made.says(a, graft=[Graft(f"topic {n}") for n in range(start, start + 1_000)]) == []
    assert list(made.router.topics) == ["t"]
    assert list(made.router.peers("topic 1")) == []
    assert len(made.router._mesh._backoff) == 0
    assert penalty(made, a) == BREACH


def test_a_hundred_grafts_of_topics_that_we_may_just_have_left_cost_nothing() -> None:
    made = lab()
    a = made.peer("a", "t")
    made.says(a, graft=[Graft(f"topic {n}") for n in range(100)])
    assert penalty(made, a) == 0.0


def test_a_peer_that_is_not_in_the_topic_is_pruned() -> None:
    made = lab()
    a = made.peer("a")
    assert said(made.says(a, graft=GRAFT), a, "prune") == PRUNE
    assert list(made.router.mesh("t")) == []
    b = peer_id("b")
    made.peer("b")
    assert made.says(b, subscriptions=[Subscribe("t")], graft=GRAFT)[-1] == Grafted(b, "t")


def test_a_direct_peer_is_pruned() -> None:
    made = lab(config=GossipSubConfig(direct_peers=[peer_id("a")]))
    a = made.peer("a", "t")
    assert said(made.says(a, graft=GRAFT), a, "prune") == PRUNE
    assert list(made.router.mesh("t")) == []


def test_a_graft_before_the_backoff_is_over_is_pruned_and_costs() -> None:
    made = lab()
    a = made.peer("a", "t")
    made.says(a, graft=GRAFT)
    made.says(a, prune=PRUNE)
    made.wait(30.0)
    assert said(made.says(a, graft=GRAFT), a, "prune") == PRUNE
    assert penalty(made, a) == pytest.approx(1.0)
    assert list(made.router.mesh("t")) == []


def test_a_graft_in_the_last_second_of_the_backoff_is_pruned_and_costs_nothing() -> None:
    made = lab()
    a = made.peer("a", "t")
    made.says(a, prune=PRUNE)
    made.now += 59.1
    assert said(made.says(a, graft=GRAFT), a, "prune") == PRUNE
    assert penalty(made, a) == 0.0


def test_a_graft_right_after_the_prune_costs_twice() -> None:
    made = lab()
    a = made.peer("a", "t")
    made.says(a, prune=PRUNE)
    made.now += 9.9
    made.says(a, graft=GRAFT)
    assert penalty(made, a) == pytest.approx(2.0)


def test_each_graft_in_the_backoff_begins_it_anew() -> None:
    made = lab(forgives=2.0)
    a = made.peer("a", "t")
    made.says(a, prune=PRUNE)
    made.now += 50.0
    made.says(a, graft=GRAFT)
    made.now += 50.0
    assert said(made.says(a, graft=GRAFT), a, "prune") == PRUNE
    made.now += 60.0
    assert of(made.says(a, graft=GRAFT), Grafted)


def test_a_backoff_outlasts_the_connection() -> None:
    made = lab()
    a = made.peer("a", "t")
    made.says(a, prune=PRUNE)
    made.router.remove_peer(a, made.now)
    made.peer("a", "t")
    assert said(made.says(a, graft=GRAFT), a, "prune") == PRUNE
    assert penalty(made, a) == pytest.approx(2.0)


def test_a_peer_with_a_score_below_zero_is_pruned() -> None:
    made = lab()
    a = made.peer("a", "t")
    assert made.score is not None
    made.score.add_penalty(a, 3)
    assert made.router.score(a) < 0
    assert said(made.says(a, graft=GRAFT), a, "prune") == PRUNE
    assert list(made.router.mesh("t")) == []


def test_a_full_mesh_takes_in_only_those_that_we_dialled() -> None:
    made = lab()
    for number in range(12):
        made.says(made.peer(number, "t"), graft=GRAFT)
    assert len(made.router.mesh("t")) == 12
    stranger, dialled = made.peer("stranger", "t"), made.peer("dialled", "t", outbound=True)
    assert said(made.says(stranger, graft=GRAFT), stranger, "prune") == PRUNE
    assert penalty(made, stranger) == 0.0
    assert of(made.says(dialled, graft=GRAFT), Grafted)


def test_a_prune_takes_the_peer_out_and_its_backoff_holds() -> None:
    made = lab()
    a = made.peer("a", "t")
    made.says(a, graft=GRAFT)
    assert of(made.says(a, prune=[Prune("t", 300)]), Pruned) == [Pruned(a, "t", "the peer pruned us")]
    for seconds in (100.0, 200.0):
        made.wait(seconds)
        assert list(made.router.mesh("t")) == []
    made.wait(5.0)
    assert list(made.router.mesh("t")) == [a]


@pytest.mark.parametrize("backoff", [2**64 - 1, 9_223_372_036_854_674_580])
def test_an_absurd_backoff_is_an_hour_and_the_heart_beats_on(backoff: int) -> None:
    made = lab()
    a = made.peer("a", "t")
    made.says(a, prune=[Prune("t", backoff)])
    made.wait(75.0)
    made.wait(3_600.0 - 75.0)
    assert list(made.router.mesh("t")) == []
    made.wait(3.0)
    assert list(made.router.mesh("t")) == [a]


@pytest.mark.parametrize("backoff", [None, 0])
def test_a_prune_without_backoff_means_a_minute(backoff: int | None) -> None:
    made = lab()
    a = made.peer("a", "t", protocol=MESHSUB_1_0)
    made.says(a, graft=GRAFT)
    made.says(a, prune=[Prune("t", backoff)])
    made.wait(60.0)
    assert list(made.router.mesh("t")) == []
    made.wait(3.0)
    assert list(made.router.mesh("t")) == [a]


def test_a_prune_for_a_topic_that_we_are_not_in_is_passed_over() -> None:
    made = lab()
    a = made.peer("a", "t")
    assert made.says(a, prune=[Prune(f"topic {n}", 60) for n in range(1_000)]) == []
    assert len(made.router._mesh._backoff) == 0


def test_a_peer_of_1_0_is_told_no_backoff() -> None:
    made = lab()
    a = made.peer("a", protocol=MESHSUB_1_0)
    assert said(made.says(a, graft=GRAFT), a, "prune") == [Prune("t")]


def test_a_peer_that_speaks_floodsub_has_no_control_messages() -> None:
    made = lab()
    a = made.peer("a", "t", protocol=FLOODSUB)
    assert made.says(a, graft=GRAFT, prune=PRUNE) == []
    assert not [action for action in made.wait(5.0) if isinstance(action, Send)]
