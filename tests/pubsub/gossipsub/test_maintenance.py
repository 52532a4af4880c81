"""The heartbeat's care for a mesh."""

import pytest

from p2pstack.pubsub.events import Grafted, Pruned
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, ScoreThresholds
from p2pstack.pubsub.rpc import Graft, Prune, Subscribe

from .lab import Lab
from .values import of, peer_id, said

GRAFT = [Graft("t")]


def lab(
    scores: dict[object, float] | None = None, *, config: GossipSubConfig | None = None, better: float = 0.0
) -> Lab:
    """A router in topic t, and what its application thinks of peers."""
    table = {} if scores is None else scores
    made = Lab(
        config,
        score=ScoreConfig(
            app_specific_score=lambda peer: table.get(peer, 0.0),
            thresholds=ScoreThresholds(opportunistic_graft=better),
        ),
    )
    made.router.subscribe("t", made.now)
    return made


def test_too_few_are_filled_up_to_what_a_mesh_should_have() -> None:
    made = lab()
    for number in range(4):
        made.says(made.peer(number, "t"), graft=GRAFT)
    for number in range(4, 20):
        made.peer(number, "t")
    actions = made.beat()
    assert len(made.router.mesh("t")) == 6
    assert len(of(actions, Grafted)) == 2
    assert all(said(actions, event.peer, "graft") == GRAFT for event in of(actions, Grafted))


def test_enough_is_left_alone() -> None:
    made = lab()
    for number in range(5):
        made.says(made.peer(number, "t", outbound=True), graft=GRAFT)
    for number in range(5, 20):
        made.peer(number, "t")
    assert not of(made.wait(10.0), Grafted)


def test_too_many_are_pruned_down_with_the_best_kept_and_those_we_dialled() -> None:
    scores: dict[object, float] = {peer_id(number): 1.0 + number for number in range(4)}
    made = lab(scores)
    made.router.unsubscribe("t", made.now)
    best = [made.peer(number, "t") for number in range(4)]
    strangers = [made.peer(f"stranger {number}", "t") for number in range(8)]
    dialled = [made.peer(f"dialled {number}", "t", outbound=True) for number in range(6)]
    made.wait(2.0)
    made.router.subscribe("t", made.now)
    for peer in (*best, *strangers, *dialled):
        made.says(peer, graft=GRAFT)
    assert len(made.router.mesh("t")) > 12
    made.beat()
    mesh = made.router.mesh("t")
    assert len(mesh) == 6
    assert set(best) <= set(mesh)
    assert len(set(dialled) & set(mesh)) >= 2


def test_a_full_mesh_is_not_too_many() -> None:
    made = lab()
    for number in range(12):
        made.says(made.peer(number, "t", outbound=True), graft=GRAFT)
    assert not of(made.wait(5.0), Pruned)


def test_who_is_pruned_is_told_and_not_grafted_in_the_backoff() -> None:
    made = lab()
    for number in range(14):
        made.says(made.peer(number, "t", outbound=True), graft=GRAFT)
    actions = made.beat()
    pruned = [event.peer for event in of(actions, Pruned)]
    assert len(pruned) == 8
    assert all(said(actions, peer, "prune") == [Prune("t", 60)] for peer in pruned)
    for peer in made.router.mesh("t"):
        made.says(peer, subscriptions=[Subscribe("t", subscribe=False)])
    assert not of(made.wait(58.0), Grafted)
    assert len(of(made.wait(5.0), Grafted)) == 6


def test_members_below_zero_are_pruned_and_others_come_in_their_place() -> None:
    scores: dict[object, float] = {}
    made = lab(scores)
    for number in range(12):
        made.peer(number, "t")
    made.beat()
    bad = list(made.router.mesh("t"))
    scores.update(dict.fromkeys(bad, -1.0))
    actions = made.wait(2.5)
    assert {event.peer for event in of(actions, Pruned)} == set(bad)
    assert {event.reason for event in of(actions, Pruned)} == {"its score is below 0"}
    assert len(made.router.mesh("t")) == 6
    assert not set(bad) & set(made.router.mesh("t"))


def test_nobody_below_zero_is_grafted() -> None:
    scores: dict[object, float] = {peer_id(number): -1.0 for number in range(10)}
    made = lab(scores)
    for number in range(10):
        made.peer(number, "t")
    made.wait(2.0)
    good = made.peer("good", "t")
    made.beat()
    assert list(made.router.mesh("t")) == [good]


def test_peers_that_we_dialled_are_grafted_until_there_are_enough_of_them() -> None:
    made = lab()
    for number in range(10):
        made.says(made.peer(number, "t"), graft=GRAFT)
    dialled = [made.peer(f"dialled {number}", "t", outbound=True) for number in range(5)]
    actions = made.beat()
    grafted = [event.peer for event in of(actions, Grafted)]
    assert len(grafted) == 2
    assert set(grafted) <= set(dialled)


def test_a_full_mesh_of_strangers_makes_room_for_those_that_we_dialled() -> None:
    made = lab()
    for number in range(12):
        made.says(made.peer(number, "t"), graft=GRAFT)
    dialled = [made.peer(f"dialled {number}", "t", outbound=True) for number in range(5)]
    made.beat()
    mesh = made.router.mesh("t")
    assert len(set(dialled) & set(mesh)) == 2
    assert len(mesh) == 6


@pytest.mark.parametrize("better", [0.0, 20.0])
def test_a_mesh_below_what_it_could_be_gets_better_by_and_by(better: float) -> None:
    scores: dict[object, float] = {peer_id(number): 1.0 for number in range(6)}
    scores |= {peer_id(f"good {number}"): 30.0 for number in range(6)}
    made = lab(scores, better=better)
    for number in range(6):
        made.says(made.peer(number, "t", outbound=True), graft=GRAFT)
    good = [made.peer(f"good {number}", "t") for number in range(6)]
    made.wait(55.0)
    assert not set(good) & set(made.router.mesh("t"))
    made.wait(10.0)
    assert len(set(good) & set(made.router.mesh("t"))) == (2 if better else 0)


def test_who_has_just_come_by_a_better_score_is_not_pruned_at_once() -> None:
    scores: dict[object, float] = {peer_id(f"good {number}"): 30.0 for number in range(6)}
    made = lab(scores, better=20.0, config=GossipSubConfig(opportunistic_graft_ticks=1))
    for number in range(12):
        made.says(made.peer(number, "t", outbound=True), graft=GRAFT)
    for number in range(6):
        made.peer(f"good {number}", "t")
    actions = made.wait(2.0)
    grafted = {event.peer for event in of(actions, Grafted)}
    assert grafted <= set(made.router.mesh("t"))
    assert len(grafted) >= 2
    assert len(made.router.mesh("t")) <= 12
