"""Peer exchange."""

import pytest

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Connect
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.features import MESHSUB_1_0, MESHSUB_1_1
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, ScoreThresholds
from p2pstack.pubsub.rpc import Graft, Prune

from .lab import Lab
from .values import of, peer_id, said

GRAFT = [Graft("t")]


def record_of(peer: PeerId) -> bytes:
    return b"record of " + peer.to_bytes()


def lab(*, names: bool = True, accept_px: float = 0.0, scores: dict[object, float] | None = None) -> Lab:
    table = {} if scores is None else scores
    made = Lab(
        GossipSubConfig(peer_exchange=names),
        score=ScoreConfig(
            thresholds=ScoreThresholds(accept_px=accept_px), app_specific_score=lambda peer: table.get(peer, 0.0)
        ),
        records=lambda peer: None if peer == peer_id("no record") else record_of(peer),
    )
    made.router.subscribe("t", made.now)
    return made


def full(made: Lab) -> None:
    """Fill the mesh with peers, some of which have no record or are bad."""
    for number in range(12):
        made.says(made.peer(number, "t"), graft=GRAFT)


def test_who_finds_the_mesh_full_is_named_others_with_their_records() -> None:
    made = lab()
    full(made)
    made.peer("no record", "t")
    (prune,) = said(made.says(made.peer("a", "t", protocol=MESHSUB_1_1), graft=GRAFT), peer_id("a"), "prune")
    named = dict(prune.peers)
    assert set(named) == {peer_id(number) for number in range(12)}
    assert all(record == record_of(peer) for peer, record in named.items())


def test_at_most_sixteen_are_named_and_none_below_zero() -> None:
    scores: dict[object, float] = {peer_id(f"bad {number}"): -1.0 for number in range(10)}
    made = lab(scores=scores)
    full(made)
    for number in range(20):
        made.peer(f"more {number}", "t")
        made.peer(f"bad {number}", "t")
    scores |= {peer_id(f"bad {number}"): -1.0 for number in range(20)}
    made.now += 1.0
    made.router._score.refresh(made.now)
    (prune,) = said(made.says(made.peer("a", "t"), graft=GRAFT), peer_id("a"), "prune")
    assert len(prune.peers) == 16
    assert not set(scores) & {peer for peer, _ in prune.peers}


def test_nobody_is_named_unless_it_is_turned_on_or_to_those_who_do_not_know_it_or_are_at_fault() -> None:
    made = lab(names=False)
    full(made)
    (prune,) = said(made.says(made.peer("a", "t"), graft=GRAFT), peer_id("a"), "prune")
    assert prune == Prune("t", 60)
    made = lab()
    full(made)
    (prune,) = said(made.says(made.peer("a", "t", protocol=MESHSUB_1_0), graft=GRAFT), peer_id("a"), "prune")
    assert prune == Prune("t")
    b = made.peer("b", "t")
    made.says(b, prune=[Prune("t", 60)])
    assert said(made.says(b, graft=GRAFT), b, "prune") == [Prune("t", 60)]


def test_who_has_no_records_names_nobody() -> None:
    made = Lab(GossipSubConfig(peer_exchange=True))
    made.router.subscribe("t", made.now)
    full(made)
    (prune,) = said(made.says(made.peer("a", "t"), graft=GRAFT), peer_id("a"), "prune")
    assert not prune.peers


def test_peers_that_are_named_with_a_record_are_connected_to_unless_they_are() -> None:
    made = lab()
    a, b = made.peer("a", "t"), made.peer("b", "t")
    new, bare = peer_id("new"), peer_id("bare")
    actions = made.says(a, prune=[Prune("t", 60, [(new, b"record"), (bare, None), (b, b"record")])])
    assert of(actions, Connect) == [Connect(new, b"record")]


def test_of_many_that_are_named_sixteen_are_connected_to() -> None:
    made = lab()
    a = made.peer("a", "t")
    actions = made.says(a, prune=[Prune("t", 60, [(peer_id(f"new {n}"), b"record") for n in range(100)])])
    assert len({action.peer for action in of(actions, Connect)}) == 16


@pytest.mark.parametrize(("score", "topic", "connects"), [(5.0, "t", 1), (4.9, "t", 0), (5.0, "other", 0)])
def test_only_peers_of_high_enough_score_are_listened_to_and_of_our_topics(
    score: float, topic: str, connects: int
) -> None:
    a = peer_id("a")
    made = lab(accept_px=5.0, scores={a: score})
    made.peer("a", "t")
    made.wait(2.0)
    actions = made.says(a, prune=[Prune(topic, 60, [(peer_id("new"), b"record")])])
    assert len(of(actions, Connect)) == connects
