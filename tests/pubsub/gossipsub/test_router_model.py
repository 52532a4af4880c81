"""Random operations: what must hold, holds."""

from collections import Counter
from itertools import count
from math import inf
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Action, Connect, Deliver, Discard, Forward, Send, Validate
from p2pstack.pubsub.events import Grafted, PeerJoined, PeerLeft, Pruned
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.features import PROTOCOLS
from p2pstack.pubsub.gossipsub.parts import PartialTopic
from p2pstack.pubsub.gossipsub.router import GossipSubRouter
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.router import Link
from p2pstack.pubsub.rpc import (
    RPC,
    Extensions,
    Graft,
    IDontWant,
    IHave,
    IWant,
    Partial,
    Prune,
    RawMessage,
    Subscribe,
)

from .lab import Lab
from .net import Net, Node
from .test_partial import Letters
from .values import GOOD, INVALID, USELESS, own_message, peer_id, raw_message

TOPICS = ("t", "u")
SMALL = GossipSubConfig(d=3, d_low=2, d_high=4, d_score=1, d_out=1, d_lazy=2)


class HonestNetwork(RuleBasedStateMachine):
    """Nodes come, go, join, leave and publish. None of them ever does what another one has to charge it for."""

    @initialize(seed=st.integers(0, 999))
    def start(self, seed: int) -> None:
        self.net = Net(seed)
        self.nodes: list[Node] = []
        self.names = count()
        for _ in range(4):
            self.add(0)
        self.net.connect_all(self.nodes)

    def node(self, number: int) -> Node:
        return self.nodes[number % len(self.nodes)]

    @precondition(lambda self: len(self.nodes) < 12)
    @rule(dials=st.integers(0, 3))
    def add(self, dials: int) -> None:
        node = self.net.add(
            config=SMALL,
            score=ScoreConfig(behaviour_penalty_threshold=0.0),
            name=f"node {next(self.names)}",
        )
        self.nodes.append(node)
        for other in self.net.random.sample(self.nodes[:-1], min(dials, len(self.nodes) - 1)):
            self.net.connect(node, other)

    @rule(a=st.integers(0, 99), b=st.integers(0, 99))
    def connect(self, a: int, b: int) -> None:
        self.net.connect(self.node(a), self.node(b))

    @rule(a=st.integers(0, 99), b=st.integers(0, 99))
    def disconnect(self, a: int, b: int) -> None:
        # What is on its way arrives: a PRUNE that does not cannot be heeded.
        self.net.settle()
        self.net.disconnect(self.node(a), self.node(b))

    @precondition(lambda self: len(self.nodes) > 2)
    @rule(number=st.integers(0, 99))
    def kill(self, number: int) -> None:
        self.net.kill(self.nodes.pop(number % len(self.nodes)))

    @rule(number=st.integers(0, 99), topic=st.sampled_from(TOPICS))
    def subscribe(self, number: int, topic: str) -> None:
        self.node(number).subscribe(topic)
        # A GRAFT that crosses a PRUNE breaks the rule, and nobody can help it.
        self.net.settle()

    @rule(number=st.integers(0, 99), topic=st.sampled_from(TOPICS))
    def unsubscribe(self, number: int, topic: str) -> None:
        self.node(number).unsubscribe(topic)
        self.net.settle()

    @rule(number=st.integers(0, 99), topic=st.sampled_from(TOPICS), size=st.sampled_from([10, 2_000]))
    def publish(self, number: int, topic: str, size: int) -> None:
        self.node(number).publish(topic, bytes(size))

    @rule(seconds=st.sampled_from([0.005, 0.05, 1.0, 3.0, 15.0, 70.0]))
    def wait(self, seconds: float) -> None:
        self.net.run(seconds)

    @invariant()
    def a_mesh_holds_peers_of_its_topic_that_are_there_and_not_too_many(self) -> None:
        for node in self.nodes:
            neighbours = {peer for link in self.net.links if node.id in link for peer in link} - {node.id}
            assert set(node.router.peers()) == neighbours
            for topic in TOPICS:
                mesh = set(node.router.mesh(topic))
                assert mesh <= set(node.router.peers(topic)) <= neighbours
                assert topic in node.router.topics or not mesh

    @invariant()
    def no_message_is_delivered_twice_nor_where_it_was_not_wanted(self) -> None:
        for node in self.nodes:
            assert len(set(node.ids)) == len(node.ids)

    @invariant()
    def nobody_breaks_a_rule(self) -> None:
        for node in self.nodes:
            assert node.score is not None
            for peer in node.router.peers():
                assert node.router.score(peer) >= 0, node.score.breakdown(peer)

    @invariant()
    def who_says_who_is_in_the_mesh_says_so_of_each_once(self) -> None:
        for node in self.nodes:
            inside = Counter((event.peer, event.topic) for event in node.of(Grafted))
            inside.subtract((event.peer, event.topic) for event in node.of(Pruned))
            members = {(peer, topic) for topic in TOPICS for peer in node.router.mesh(topic)}
            assert {key: count for key, count in inside.items() if count} == dict.fromkeys(members, 1)
            joined = Counter((event.peer, event.topic) for event in node.of(PeerJoined))
            joined.subtract((event.peer, event.topic) for event in node.of(PeerLeft))
            known = {(peer, topic) for topic in TOPICS for peer in node.router.peers(topic)}
            assert {key: count for key, count in joined.items() if count} == dict.fromkeys(known, 1)

    def teardown(self) -> None:
        """Once it is quiet, and all hang together, everything reaches everybody, over meshes of the right size."""
        if not hasattr(self, "net"):
            return
        self.net.connect_all(self.nodes)
        for node in self.nodes:
            node.subscribe("t")
        self.net.run(75)
        self.net.settle()
        for node in self.nodes:
            mesh = node.router.mesh("t")
            assert min(2, len(self.nodes) - 1) <= len(mesh) <= 4
            assert all(node.id in self.net.nodes[peer].router.mesh("t") for peer in mesh)
        before = {node.id: len(node.ids) for node in self.nodes}
        sent = [node.publish("t", b"last").id for node in self.nodes]
        self.net.run(5)
        for node in self.nodes:
            assert sorted(node.ids[before[node.id] :]) == sorted(sent)
        self.nobody_breaks_a_rule()


HonestNetwork.TestCase.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestHonestNetwork = HonestNetwork.TestCase


PEERS = [peer_id(number) for number in range(6)]
IDS = st.lists(st.sampled_from([peer_id("x").to_bytes() + n.to_bytes(8, "big") for n in range(6)]), max_size=4)
ANY_TOPIC = st.sampled_from([*TOPICS, "v", ""])
DATA = st.sampled_from([b"good", INVALID, USELESS, bytes(2_000)])
BACKOFFS = st.sampled_from([None, 0, 1, 60, 3_600, 2**63, 2**64 - 1])
RPCS = st.builds(
    RPC,
    subscriptions=st.lists(st.builds(Subscribe, ANY_TOPIC, st.booleans(), st.booleans(), st.booleans()), max_size=3),
    messages=st.lists(
        st.one_of(
            st.builds(
                raw_message,
                st.sampled_from([peer_id("x"), peer_id("local"), PEERS[0]]),
                st.integers(0, 5),
                ANY_TOPIC,
                DATA,
                signature=st.sampled_from([GOOD, b"bad", None]),
            ),
            st.builds(RawMessage, ANY_TOPIC, st.binary(max_size=3), st.binary(max_size=3), signature=st.just(GOOD)),
        ),
        max_size=3,
    ),
    ihave=st.lists(st.builds(IHave, ANY_TOPIC, IDS), max_size=2),
    iwant=st.lists(st.builds(IWant, IDS), max_size=2),
    graft=st.lists(st.builds(Graft, ANY_TOPIC), max_size=2),
    prune=st.lists(
        st.builds(
            Prune,
            ANY_TOPIC,
            BACKOFFS,
            st.lists(st.tuples(st.sampled_from(PEERS), st.sampled_from([None, b"record"])), max_size=2),
        ),
        max_size=2,
    ),
    idontwant=st.lists(st.builds(IDontWant, IDS), max_size=2),
    extensions=st.sampled_from([None, None, Extensions(), Extensions(partial_messages=True)]),
    partial=st.one_of(
        st.none(),
        st.builds(
            Partial,
            ANY_TOPIC,
            st.sampled_from([b"one", b"two"]),
            st.sampled_from([None, b"\0a", b"?"]),
            st.one_of(st.none(), st.binary(max_size=2)),
        ),
    ),
)


class AnyPeers(RuleBasedStateMachine):
    """Peers say anything at all to one router, which raises nothing, and keeps its order."""

    def __init__(self) -> None:
        super().__init__()
        self.lab = Lab(
            GossipSubConfig(
                d=3, d_low=2, d_high=4, d_score=1, d_out=1, d_lazy=2, peer_exchange=True, direct_peers=[PEERS[5]]
            ),
            score=ScoreConfig(),
            records=lambda peer: b"record",
        )
        self.router: GossipSubRouter = self.lab.router
        self.router.enable_partial("u", PartialTopic())
        self.there: set[PeerId] = set()
        self.delivered: dict[bytes, float] = {}
        self.unchecked: list[Validate] = []
        self.pruned: dict[tuple[PeerId, str], float] = {}

    def carry_out(self, actions: Any) -> None:
        sent = Counter[PeerId]()
        for action in list[Action](actions):
            match action:
                case Send(peer, rpc):
                    assert peer in self.there
                    assert any(getattr(rpc, name) for name in RPC.__slots__), "an RPC that says nothing"
                    sent[peer] += rpc.partial is None
                    self.check_backoffs(peer, rpc)
                case Forward(_, peers):
                    assert set(peers) <= self.there
                    assert len(set(peers)) == len(peers)
                case Discard(peer):
                    assert peer in self.there
                case Validate():
                    self.unchecked.append(action)
                case Deliver(message):
                    before = self.delivered.get(message.id, -inf)
                    assert before <= self.lab.now - 120, "a message is delivered twice"
                    self.delivered[message.id] = self.lab.now
                case Connect(peer):
                    assert peer not in self.there
                case _:
                    pass
        assert all(count <= 1 for count in sent.values()), "more than one RPC of control to a peer"

    def check_backoffs(self, peer: PeerId, rpc: RPC) -> None:
        """We graft nobody whom we pruned, or who pruned us, before the time is over."""
        now = self.lab.now
        for graft in rpc.graft:
            assert self.pruned.get((peer, graft.topic), 0.0) <= now
        for prune in rpc.prune:
            self.remember(peer, prune, now)

    def remember(self, peer: PeerId, prune: Prune, now: float) -> None:
        key = peer, prune.topic
        until = now + min(prune.backoff or 60, 3_600)
        self.pruned[key] = max(self.pruned.get(key, 0.0), until)

    @rule(peer=st.sampled_from(PEERS), protocol=st.sampled_from(PROTOCOLS), outbound=st.booleans())
    def come(self, peer: PeerId, protocol: str, outbound: bool) -> None:
        if peer not in self.there:
            self.there.add(peer)
            self.carry_out(self.router.add_peer(peer, Link(protocol, outbound=outbound, ip="1.2.3.4"), self.lab.now))

    @rule(peer=st.sampled_from(PEERS))
    def go(self, peer: PeerId) -> None:
        self.there.discard(peer)
        self.carry_out(self.router.remove_peer(peer, self.lab.now))

    @rule(peer=st.sampled_from(PEERS), ours=st.booleans())
    def stream_breaks(self, peer: PeerId, ours: bool) -> None:
        if ours:
            self.carry_out(self.router.greet_again(peer, self.lab.now))
        else:
            self.router.restart_peer(peer)

    @rule(peer=st.sampled_from(PEERS), rpc=RPCS)
    def say(self, peer: PeerId, rpc: RPC) -> None:
        actions = self.router.receive(peer, rpc, self.lab.now)
        record = self.router._peers.get(peer)
        heard = record is not None and record.features.mesh and self.router.score(peer) >= -80
        if heard or peer == PEERS[5]:
            for prune in rpc.prune:
                if prune.topic in self.router.topics:
                    self.remember(peer, prune, self.lab.now)
        self.carry_out(actions)

    @rule(topic=st.sampled_from(TOPICS))
    def subscribe(self, topic: str) -> None:
        self.carry_out(self.router.subscribe(topic, self.lab.now))

    @rule(topic=st.sampled_from(TOPICS))
    def unsubscribe(self, topic: str) -> None:
        self.carry_out(self.router.unsubscribe(topic, self.lab.now))

    @rule(number=st.integers(0, 20), topic=st.sampled_from([*TOPICS, "v"]))
    def publish(self, number: int, topic: str) -> None:
        self.carry_out(self.router.publish(own_message(self.lab.local, number, topic), self.lab.now))

    @rule(have=st.integers(0, 255), eager=st.booleans(), group=st.sampled_from([b"one", b"two"]))
    def publish_partial(self, have: int, eager: bool, group: bytes) -> None:
        self.carry_out(
            self.router.publish_partial("u", Letters(b"abcdefgh", have, eager=eager, group=group), self.lab.now)
        )

    @rule(number=st.integers(0, 99))
    def check_one(self, number: int) -> None:
        if self.unchecked:
            action = self.unchecked.pop(number % len(self.unchecked))
            message, now = action.message, self.lab.now
            if action.raw.signature != GOOD or message.data == INVALID:
                self.carry_out(self.router.reject(message, "bad", now))
            elif message.data == USELESS:
                self.carry_out(self.router.ignore(message, "useless", now))
            else:
                self.carry_out(self.router.accept(message, now))

    @rule(number=st.integers(0, 99))
    def find_signature_good(self, number: int) -> None:
        if self.unchecked:
            action = self.unchecked[number % len(self.unchecked)]
            if action.raw.signature == GOOD:
                self.carry_out(self.router.verified(action.message))

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 61.0, 130.0]))
    def wait(self, seconds: float) -> None:
        end = self.lab.now + seconds
        while (due := self.router.deadline()) <= end:
            self.lab.now = max(due, self.lab.now)
            self.carry_out(self.router.on_deadline(self.lab.now))
            assert all(len(self.router.mesh(topic)) <= 4 for topic in self.router.topics)
        self.lab.now = end

    @invariant()
    def a_mesh_holds_those_who_can_be_in_it(self) -> None:
        for topic in self.router.topics:
            for peer in self.router.mesh(topic):
                record = self.router._peers.get(peer)
                assert record is not None
                assert topic in record.topics
                assert record.meshes
        assert not self.router.mesh("v")

    @invariant()
    def nothing_is_left_of_those_who_are_gone(self) -> None:
        assert set(self.router.peers()) == self.there
        for topic in (*TOPICS, "v"):
            assert set(self.router.peers(topic)) <= self.there
        assert self.router._relay._called_off <= {action.message.id for action in self.unchecked}
        known = {peer.id for peer in self.router._unwanted._said}
        known |= {
            peer.id
            for groups in self.router._partials._groups._topics.values()
            for g in groups.values()
            for peer in g.peers
        }
        known |= {peer.id for _, members in self.router._fanout for peer in members}
        assert known <= self.there
        assert all(peer.draft is None for peer in self.router._peers)


AnyPeers.TestCase.settings = settings(
    max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyPeers = AnyPeers.TestCase
