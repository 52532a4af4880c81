"""What costs peers their score, and what does not."""

import pytest

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Send, Validate
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.rpc import Extensions, Graft, IHave, IWant, RawMessage, Subscribe

from .lab import Lab

AUTHOR = PeerId(b"\x12\x20" + bytes([7]) * 32)


def raw(source: PeerId, number: int, topic: str) -> RawMessage:
    sequence = number.to_bytes(8, "big")
    return RawMessage(topic, b"", source.to_bytes(), sequence, b"good", None, sequence + topic.encode(), b"")


def asked_for(lab: Lab, peer: PeerId, id_: bytes, topic: str) -> bool:
    """Whether a peer is asked for what it announces."""
    actions = lab.says(peer, ihave=[IHave(topic, [id_])])
    return any(isinstance(action, Send) and action.rpc.iwant for action in actions)


@pytest.mark.parametrize("what", ["no RPC", "IWANT", "extensions again", "subscriptions", "unknown grafts"])
def test_a_single_breach_that_no_honest_peer_commits_costs_the_score(what: str) -> None:
    lab = Lab(score=ScoreConfig())
    lab.router.subscribe("t", lab.now)
    peer = lab.peer("a", "t")
    match what:
        case "no RPC":
            lab.router.misbehaved(peer, "its RPC is none", lab.now)
        case "IWANT":
            for part in range(3):
                lab.says(peer, iwant=[IWant([b"%d" % number for number in range(part * 5_000, part * 5_000 + 5_000)])])
        case "extensions again":
            lab.says(peer, extensions=Extensions())
        case "subscriptions":
            lab.says(peer, subscriptions=[Subscribe("x", subscribe=number % 2 == 0) for number in range(4_000)])
        case _:
            lab.says(peer, graft=[Graft(f"unknown {number}") for number in range(4_000)])
    assert lab.score.score(peer) < lab.score.thresholds.gossip


def test_a_peer_may_announce_each_topic_in_an_rpc_of_its_own() -> None:
    lab = Lab(score=ScoreConfig())
    topics = [f"topic {number}" for number in range(50)]
    for topic in topics:
        lab.router.subscribe(topic, lab.now)
    peer = lab.peer("a", *topics)
    for number in range(10):
        for topic in topics:
            message = raw(AUTHOR, number, topic)
            if asked_for(lab, peer, AUTHOR.to_bytes() + message.sequence, topic):
                lab.brings(peer, message)
        lab.beat()
    assert lab.score.score(peer) == 0.0


def test_a_peer_that_brings_a_message_of_ours_from_before_we_forgot_it_keeps_its_promise() -> None:
    lab = Lab(score=ScoreConfig(behaviour_penalty_threshold=0))
    lab.router.subscribe("t", lab.now)
    peer = lab.peer("a", "t")
    message = raw(lab.local, 7, "t")
    assert asked_for(lab, peer, lab.local.to_bytes() + message.sequence, "t")
    assert not any(isinstance(action, Validate) for action in lab.brings(peer, message))
    lab.wait(5)
    assert lab.score.score(peer) == 0.0


def test_a_peer_that_brings_what_it_was_asked_for_keeps_its_promise_though_the_author_is_blacklisted() -> None:
    lab = Lab(score=ScoreConfig(behaviour_penalty_threshold=0), admission={"blacklist": {AUTHOR}})
    lab.router.subscribe("t", lab.now)
    peer = lab.peer("a", "t")
    message = raw(AUTHOR, 7, "t")
    assert asked_for(lab, peer, AUTHOR.to_bytes() + message.sequence, "t")
    assert not any(isinstance(action, Validate) for action in lab.brings(peer, message))
    lab.wait(5)
    assert lab.score.score(peer) == 0.0


def test_who_was_asked_for_a_message_owes_it_no_more_once_we_left_its_topic() -> None:
    lab = Lab(score=ScoreConfig(behaviour_penalty_threshold=0))
    for topic in ("t", "u"):
        lab.router.subscribe(topic, lab.now)
    good, bad = lab.peer("good", "t"), lab.peer("bad", "u")
    message = raw(AUTHOR, 7, "t")
    assert asked_for(lab, good, AUTHOR.to_bytes() + message.sequence, "t")
    assert asked_for(lab, bad, b"nothing", "u")
    lab.router.unsubscribe("t", lab.now)
    lab.brings(good, message)
    lab.router.subscribe("t", lab.now)
    lab.wait(5)
    assert lab.score.score(good) == 0.0
    assert lab.score.score(bad) < 0


def test_a_backoff_of_less_than_a_second_is_told_as_one() -> None:
    lab = Lab(GossipSubConfig(prune_backoff=0.4, d_high=6))
    lab.router.subscribe("t", lab.now)
    peers = [lab.peer(number, "t") for number in range(8)]
    actions = [action for peer in peers for action in lab.says(peer, graft=[Graft("t")])]
    prunes = [prune for action in actions if isinstance(action, Send) for prune in action.rpc.prune]
    assert [prune.backoff for prune in prunes] == [1, 1]
