"""Attacks. The scenarios are those of go-libp2p-pubsub's gossipsub_spam_test.go, and some more."""

from itertools import pairwise

import pytest

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Forward, Send, Validate
from p2pstack.pubsub.events import Pruned, Rejected
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, ScoreThresholds, TopicScoreConfig
from p2pstack.pubsub.router import Link, Router
from p2pstack.pubsub.rpc import RPC, Graft, IDontWant, IHave, IWant, Prune, Subscribe

from .lab import Lab
from .net import Net, Node
from .values import INVALID, of, own_message, peer_id, raw_message, said

AUTHOR = peer_id("author")


def lab(**options: object) -> tuple[Lab, PeerId]:
    """A router in topic t, and an attacker who is in it, too."""
    made = Lab(score=ScoreConfig(), **options)  # type: ignore[arg-type]
    made.router.subscribe("t", made.now)
    return made, made.peer("attacker", "t")


def test_iwant_for_one_message_without_end_is_answered_three_times() -> None:
    made, attacker = lab()
    message = own_message(made.local, 1)
    made.router.publish(message, made.now)
    answers = [made.says(attacker, iwant=[IWant([message.id])]) for _ in range(20)]
    assert sum(len(of(answer, Forward)) for answer in answers) == 3
    assert made.router.score(attacker) < 0


def test_ihave_without_end_is_asked_about_within_limits_and_paid_for_when_nothing_comes() -> None:
    made, attacker = lab()
    asked = []
    for number in range(30):
        ids = [b"%d %d" % (number, n) for n in range(1_000)]
        asked += said(made.says(attacker, ihave=[IHave("t", ids)]), attacker, "iwant")
    assert sum(len(iwant.ids) for iwant in asked) == 5_000
    assert len(asked) <= 10
    made.wait(3.9)
    assert made.router.score(attacker) < 0

    # The next heartbeat, the same again: it sinks until it is not asked any more.
    for _ in range(5):
        for number in range(10):
            made.says(attacker, ihave=[IHave("t", [b"%f %d" % (made.now, number)])])
        made.wait(4.0)
    assert made.router.score(attacker) < -10
    assert made.says(attacker, ihave=[IHave("t", [b"new"])]) == []


def test_who_connects_anew_owes_what_it_owed() -> None:
    made = Lab(score=ScoreConfig(behaviour_penalty_threshold=0))
    made.router.subscribe("t", made.now)
    attacker = made.peer("attacker", "t")
    made.says(attacker, ihave=[IHave("t", [b"nothing"])])
    made.router.remove_peer(attacker, made.now)
    made.peer("attacker", "t")
    made.wait(2.9)
    assert made.router.score(attacker) == 0.0
    made.wait(1.1)
    assert made.router.score(attacker) < 0
    assert len(made.router._relay._promises) == 0


def test_who_connects_anew_gets_nothing_more_in_the_same_heartbeat() -> None:
    made, attacker = lab()
    asked = []
    for number in range(5):
        ids = [b"%d %d" % (number, n) for n in range(2_000)]
        asked += said(made.says(attacker, ihave=[IHave("t", ids)]), attacker, "iwant")
        made.router.remove_peer(attacker, made.now)
        made.peer("attacker", "t")
    assert [len(iwant.ids) for iwant in asked] == [2_000, 2_000, 1_000]
    made.router.remove_peer(attacker, made.now)
    made.beat()
    assert not made.router._quotas._used
    made.peer("attacker", "t")
    assert said(made.says(attacker, ihave=[IHave("t", [b"new"])]), attacker, "iwant")


def test_grafts_of_topics_that_nobody_has_get_no_answer_and_leave_nothing() -> None:
    made, attacker = lab()
    for number in range(1_000):
        assert made.says(attacker, graft=[Graft(f"topic {number}")]) == []
    assert list(made.router.topics) == ["t"]
    assert len(made.router._mesh._backoff) == 0


def test_who_grafts_again_and_again_in_its_backoff_sinks_until_nobody_listens() -> None:
    made, attacker = lab()
    made.says(attacker, graft=[Graft("t")])
    assert list(made.router.mesh("t")) == [attacker]
    made.says(attacker, prune=[Prune("t", 60)])

    scores = [0.0]
    while scores[-1] >= -80:
        made.now += 2.0
        assert len(said(made.says(attacker, graft=[Graft("t")]), attacker, "prune")) == 1
        assert list(made.router.mesh("t")) == []
        scores.append(made.router.score(attacker))
    assert 3 <= len(scores) <= 6
    assert scores == sorted(scores, reverse=True)
    assert made.says(attacker, graft=[Graft("t")]) == []
    assert made.router.graylisted > 0


def test_who_waits_for_the_end_of_its_backoff_comes_in_again() -> None:
    made, attacker = lab()
    made.says(attacker, prune=[Prune("t", 60)])
    made.now += 60.0
    assert not of(made.says(attacker, graft=[Graft("t")]), Send)
    assert list(made.router.mesh("t")) == [attacker]


def test_who_sends_invalid_messages_is_pruned_then_not_listened_to() -> None:
    made, attacker = lab()
    made.says(attacker, graft=[Graft("t")])
    for number in range(100):
        made.brings(attacker, raw_message(AUTHOR, number, data=INVALID))
    assert made.router.score(attacker) < -80
    assert made.says(attacker, messages=[raw_message(AUTHOR, 1_000)]) == []
    assert [event.peer for event in of(made.beat(), Pruned)] == [attacker]


def test_bad_and_missing_and_foreign_signatures_are_paid_for() -> None:
    for raw in (
        raw_message(AUTHOR, 1, signature=b"bad"),
        raw_message(AUTHOR, 1, signature=None),
    ):
        made, attacker = lab()
        (rejected,) = of(made.brings(attacker, raw), Rejected)
        assert rejected.received_from == attacker
        assert made.router.score(attacker) == -1.0


def test_idontwant_without_end_is_remembered_within_limits() -> None:
    made, attacker = lab()
    for number in range(50):
        made.says(attacker, idontwant=[IDontWant([b"%d %d" % (number, n) for n in range(5_000)])])
    (said_of_it,) = made.router._unwanted._said.values()
    assert sum(map(len, said_of_it)) == 1_000
    assert made.router.score(attacker) < 0


def test_subscriptions_that_come_and_go_without_end_cost() -> None:
    made, attacker = lab()
    for _ in range(300):
        made.says(attacker, subscriptions=[Subscribe("x"), Subscribe("x", subscribe=False)] * 2)
    assert made.router.score(attacker) < 0
    assert "x" not in made.router._peers._topics


def test_a_peer_that_does_all_of_this_at_once_disturbs_nobody_else() -> None:
    made, attacker = lab()
    good = [made.peer(number, "t") for number in range(4)]
    for peer in good:
        made.says(peer, graft=[Graft("t")])
    for number in range(200):
        made.says(
            attacker,
            subscriptions=[Subscribe(f"s{number}"), Subscribe("t")],
            messages=[raw_message(AUTHOR, number, data=INVALID, signature=b"bad")],
            ihave=[IHave("t", [b"%d" % number])],
            iwant=[IWant([b"%d" % number])],
            graft=[Graft("t"), Graft(f"g{number}")],
            prune=[Prune("t", 2**64 - 1), Prune(f"p{number}", 1)],
            idontwant=[IDontWant([b"%d" % number])],
        )
    actions = made.brings(good[0], raw_message(AUTHOR, 1_000_000))
    (forward,) = of(actions, Forward)
    assert set(forward.peers) >= set(good[1:])
    made.wait(5.0)
    assert set(made.router.mesh("t")) == set(good)


# --- networks


class Spammer(Router):
    """Says what no honest peer says to everybody, as often as it can."""

    protocols = ("/meshsub/1.2.0",)

    def __init__(self, local: PeerId) -> None:
        self._local = local
        self._peers: list[PeerId] = []
        self._next = 0.0
        self._number = 0

    def add_peer(self, peer: PeerId, link: Link, now: float) -> list[Send]:
        self._peers.append(peer)
        return [Send(peer, RPC(subscriptions=[Subscribe("t")]))]

    def remove_peer(self, peer: PeerId, now: float) -> list[Send]:
        self._peers.remove(peer)
        return []

    def deadline(self) -> float:
        return self._next

    def on_deadline(self, now: float) -> list[Send]:
        self._next = now + 0.1
        actions = []
        for peer in self._peers:
            self._number += 1
            invalid = raw_message(self._local, self._number, data=INVALID)
            ihave = IHave("t", [b"%b %d" % (self._local.to_bytes(), self._number)])
            actions.append(Send(peer, RPC(messages=[invalid], graft=[Graft("t")], ihave=[ihave])))
        return actions

    def _nothing(self, *args: object, **options: object) -> list[Send]:
        return []

    restart_peer = subscribe = unsubscribe = publish = receive = misbehaved = accept = reject = ignore = _nothing  # type: ignore[assignment]
    peers = mesh = _nothing  # type: ignore[assignment]
    topics = ()  # type: ignore[assignment]

    def score(self, peer: PeerId) -> float:
        return 0.0


@pytest.mark.parametrize("seed", range(3))
def test_five_spammers_of_twenty_nodes_are_graylisted_and_everything_is_delivered(seed: int) -> None:
    net = Net(seed)
    honest = [net.add(score=ScoreConfig(), name=f"honest {n}") for n in range(15)]
    spammers = [net.add(router=Spammer(peer_id(f"spammer {n}")), name=f"spammer {n}") for n in range(5)]
    net.connect_some([*honest, *spammers], 7)
    for node in honest:
        node.subscribe()
    net.run(5)
    sent = []
    for number in range(150):
        sent.append(honest[number % 15].publish(data=b"%d" % number).id)
        net.run(0.1)
    net.run(5)
    assert all(sorted(set(sent)) == sorted(node.ids) for node in honest)
    for node in honest:
        for spammer in spammers:
            if frozenset((node.id, spammer.id)) in net.links:
                assert node.router.score(spammer.id) < -80
                assert spammer.id not in node.router.mesh("t")
        for other in honest:
            assert node.router.score(other.id) >= 0


def test_sybils_that_take_the_mesh_and_forward_nothing_lose_it_again() -> None:
    """They graft first, so that the whole mesh is theirs; P3 and peers that were dialled get it back."""
    topic = TopicScoreConfig(
        first_message_deliveries_weight=1.0,
        mesh_message_deliveries_weight=-1.0,
        mesh_message_deliveries_threshold=5.0,
        mesh_message_deliveries_activation=2.0,
        mesh_message_deliveries_window=0.5,
    )
    net = Net(9)
    config = GossipSubConfig(flood_publish=False)
    thresholds = ScoreThresholds(opportunistic_graft=1.0)
    nodes = [
        net.add(score=ScoreConfig(thresholds=thresholds), topics={"t": topic}, config=config, name=f"node {n}")
        for n in range(10)
    ]
    victim = nodes[0]
    victim.subscribe()

    class Silent(Spammer):
        def on_deadline(self, now: float) -> list[Send]:
            self._next = now + 1e9
            return [Send(peer, RPC(graft=[Graft("t")])) for peer in self._peers]

    sybils = [net.add(router=Silent(peer_id(f"sybil {n}")), name=f"sybil {n}") for n in range(12)]
    for sybil in sybils:
        net.connect(sybil, victim)
    net.run(2)
    assert set(victim.router.mesh("t")) <= {sybil.id for sybil in sybils}
    net.connect_some(nodes, 5)
    for node in nodes[1:]:
        node.subscribe()
    for number in range(200):
        nodes[1 + number % 9].publish(data=b"%d" % number)
        net.run(0.1)
    assert not set(victim.router.mesh("t")) & {sybil.id for sybil in sybils}
    late = [nodes[1 + n % 9].publish(data=b"late %d" % n).id for n in range(20)]
    net.run(1.0)
    assert set(late) <= set(victim.ids)


def test_who_announces_everything_and_sends_nothing_is_found_out() -> None:
    net = Net(4)
    nodes = [net.add(score=ScoreConfig(), name=f"node {n}") for n in range(5)]
    liar = net.add(router=_Liar(peer_id("liar")), name="liar")
    net.connect_all([*nodes, liar])
    for node in nodes:
        node.subscribe()
    for number in range(100):
        nodes[number % 5].publish(data=b"%d" % number)
        net.run(0.2)
    assert all(node.router.score(liar.id) < -10 for node in nodes)


class _Liar(Spammer):
    def on_deadline(self, now: float) -> list[Send]:
        self._next = now + 0.5
        self._number += 1
        ids = [b"lie %d %d" % (self._number, n) for n in range(10)]
        return [Send(peer, RPC(ihave=[IHave("t", ids)])) for peer in self._peers]


def test_it_takes_a_message_to_be_checked_before_others_hear_of_it() -> None:
    """An invalid message goes no further than to the first honest node."""
    net = Net(2)
    nodes: list[Node] = [net.add(score=ScoreConfig()) for _ in range(6)]
    for a, b in pairwise(nodes):
        net.connect(a, b)
    for node in nodes:
        node.subscribe()
    net.run(2)
    bad = raw_message(nodes[0].id, 77, data=INVALID)
    net.carry(nodes[0].id, nodes[1].id, RPC(messages=[bad]))
    net.run(3)
    assert [sum(len(rpc.messages) for _, rpc in node.heard) for node in nodes] == [0, 1, 0, 0, 0, 0]
    assert nodes[1].router.score(nodes[0].id) < 0


def test_a_message_that_the_application_is_slow_to_check_is_checked_once() -> None:
    made, attacker = lab()
    raw = raw_message(AUTHOR, 1)
    checks = [of(made.says(attacker, messages=[raw]), Validate) for _ in range(50)]
    assert sum(map(len, checks)) == 1
