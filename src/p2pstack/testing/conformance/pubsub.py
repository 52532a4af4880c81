"""What every pubsub router has to do."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from random import Random
from typing import ClassVar

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Action, Deliver, Forward, Send, Validate
from p2pstack.pubsub.admission import Admission
from p2pstack.pubsub.identifiers import source_and_sequence
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.router import Link, Router
from p2pstack.pubsub.rpc import RPC, Extensions, Graft, IDontWant, IHave, IWant, Partial, Prune, RawMessage, Subscribe
from p2pstack.testing.conformance.base import Conformance

__all__ = ["RouterConformance"]

_TOPIC = "news"
#: how a message begins that no validator lets pass, and one that is of no use
_BAD, _USELESS = b"bad", b"useless"


def _peer(number: int) -> PeerId:
    return PeerId(b"\x12\x20" + sha256(number.to_bytes(4, "big")).digest())


def _raw(source: PeerId, sequence: int, data: bytes, topic: str) -> RawMessage:
    number = sequence.to_bytes(8, "big")
    encoded = b"/".join((source.to_bytes(), number, topic.encode(), data))
    return RawMessage(topic, data, source.to_bytes(), number, b"signed", None, encoded, b"")


def _raw_of(message: Message) -> RawMessage:
    source = None if message.source is None else message.source.to_bytes()
    return RawMessage(message.topic, message.data, source, message.sequence, b"signed", None, message.encoded, b"")


class _Node:
    """A router, what it delivered, and whom it is linked with."""

    def __init__(self, peer: PeerId, router: Router) -> None:
        self.peer = peer
        self.router = router
        self.delivered: list[bytes] = []
        self.links: dict[PeerId, _Node] = {}
        self.sequence = 0


class _Lab:
    """Routers and the links between them. What is sent arrives at once, in its order."""

    def __init__(self, make: Callable[[Admission], Router], size: int) -> None:
        self.now = 0.0
        self._rpcs: list[tuple[_Node, _Node, RPC]] = []
        self.nodes = [self._new(make, _peer(number)) for number in range(size)]

    def _new(self, make: Callable[[Admission], Router], peer: PeerId) -> _Node:
        admission = Admission(local_peer=peer, check=lambda raw: None, message_id=source_and_sequence)
        return _Node(peer, make(admission))

    def link(self, one: _Node, other: _Node) -> None:
        one.links[other.peer], other.links[one.peer] = other, one
        protocol = one.router.protocols[0]
        self.do(one, one.router.add_peer(other.peer, Link(protocol, outbound=True), self.now))
        self.do(other, other.router.add_peer(one.peer, Link(protocol, outbound=False), self.now))
        self.settle()

    def unlink(self, one: _Node, other: _Node) -> None:
        for node, peer in ((one, other.peer), (other, one.peer)):
            del node.links[peer]
            self.do(node, node.router.remove_peer(peer, self.now))
        self.settle()

    def subscribe(self, *nodes: _Node) -> None:
        for node in nodes:
            self.do(node, node.router.subscribe(_TOPIC, self.now))
        self.settle()

    def publish(self, node: _Node, data: bytes) -> None:
        node.sequence += 1
        raw = _raw(node.peer, node.sequence, data, _TOPIC)
        id_ = node.peer.to_bytes() + (raw.sequence or b"")
        message = Message(node.peer, _TOPIC, data, raw.sequence, id_, node.peer, raw.encoded)
        self.do(node, node.router.publish(message, self.now))
        self.settle()

    def settle(self) -> None:
        """Let what was sent arrive."""
        for _ in range(100_000):
            if not self._rpcs:
                return
            source, target, rpc = self._rpcs.pop(0)
            if source.peer in target.links:
                self.do(target, target.router.receive(source.peer, rpc, self.now))
        raise AssertionError("the routers never stop talking to each other")

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            due = [(at, node) for node in self.nodes if (at := node.router.deadline()) is not None and at <= end]
            if not due:
                break
            at, node = min(due, key=lambda pair: pair[0])
            self.now = max(self.now, at)
            self.do(node, node.router.on_deadline(self.now))
            after = node.router.deadline()
            assert after is None or after > self.now, "a deadline that was served is over"
            self.settle()
        self.now = end

    def do(self, node: _Node, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Send(peer, rpc):
                    self._send(node, peer, rpc)
                case Forward(message, peers):
                    assert len(set(peers)) == len(peers), "a message goes to each peer once"
                    for peer in peers:
                        self._send(node, peer, RPC(messages=[_raw_of(message)]))
                case Validate(message, _):
                    self._validate(node, message)
                case Deliver(message):
                    assert message.topic in node.router.topics, "only messages of our topics are delivered"
                    node.delivered.append(message.data)
                case _:
                    pass

    def _send(self, node: _Node, peer: PeerId, rpc: RPC) -> None:
        assert peer in node.links, f"{peer} is no peer of this router"
        self._rpcs.append((node, node.links[peer], rpc))

    def _validate(self, node: _Node, message: Message) -> None:
        router = node.router
        if message.data.startswith(_BAD):
            self.do(node, router.reject(message, "it is bad", self.now))
        elif message.data.startswith(_USELESS):
            self.do(node, router.ignore(message, "it is of no use", self.now))
        else:
            self.do(node, router.accept(message, self.now))


class RouterConformance(Conformance):
    """One line runs it: `class TestMine(RouterConformance): make = MyRouter`.

    Routers are linked in memory and time passes as it is told: nothing is awaited.
    """

    #: makes one; admission tells new messages from others
    make: ClassVar[Callable[[Admission], Router]]
    #: seconds that peers need to find together after one has come or subscribed
    settling: ClassVar[float] = 10.0

    def _lab(self, size: int, *, line: bool = False, subscribe: bool = True) -> _Lab:
        """So many routers, each linked with each, or in a line."""
        lab = _Lab(self._made, size)
        for number, node in enumerate(lab.nodes):
            for other in lab.nodes[number + 1 : number + 2 if line else None]:
                lab.link(node, other)
        if subscribe:
            lab.subscribe(*lab.nodes)
        lab.wait(self.settling)
        return lab

    # --- who is there

    def test_it_speaks_a_protocol(self) -> None:
        (node,) = self._lab(1).nodes
        assert node.router.protocols
        assert all(protocol.startswith("/") for protocol in node.router.protocols)

    def test_peers_learn_of_each_others_topics(self) -> None:
        lab = self._lab(2, subscribe=False)
        one, other = lab.nodes
        assert set(one.router.peers()) == {other.peer}
        assert not one.router.peers(_TOPIC)
        lab.subscribe(other)
        assert set(one.router.peers(_TOPIC)) == {other.peer}
        assert set(other.router.topics) == {_TOPIC}
        lab.do(other, other.router.unsubscribe(_TOPIC, lab.now))
        lab.settle()
        assert not one.router.peers(_TOPIC)
        assert not other.router.topics

    def test_who_comes_later_is_told_of_topics(self) -> None:
        lab = _Lab(self._made, 2)
        lab.subscribe(*lab.nodes)
        lab.link(*lab.nodes)
        for node, other in (lab.nodes, lab.nodes[::-1]):
            assert set(node.router.peers(_TOPIC)) == {other.peer}

    def test_joining_or_leaving_twice_changes_nothing(self) -> None:
        lab = self._lab(2)
        router = lab.nodes[0].router
        assert not router.subscribe(_TOPIC, lab.now)
        router.unsubscribe(_TOPIC, lab.now)
        assert not router.unsubscribe(_TOPIC, lab.now)

    def test_who_is_gone_is_in_no_topic_and_no_mesh(self) -> None:
        lab = self._lab(3)
        one, other, third = lab.nodes
        lab.unlink(one, other)
        assert set(one.router.peers()) == set(one.router.peers(_TOPIC)) == {third.peer}
        assert other.peer not in one.router.mesh(_TOPIC)
        lab.wait(self.settling)
        lab.link(one, other)
        lab.wait(self.settling)
        assert set(one.router.peers(_TOPIC)) == {other.peer, third.peer}

    def test_a_mesh_is_made_of_peers_in_the_topic(self) -> None:
        lab = self._lab(8)
        for node in lab.nodes:
            assert set(node.router.mesh(_TOPIC)) <= set(node.router.peers(_TOPIC))
            assert not node.router.mesh("another topic")
            assert isinstance(node.router.score(lab.nodes[0].peer), float)

    # --- messages

    def test_a_message_reaches_each_subscriber_once(self) -> None:
        lab = self._lab(12)
        for number, node in enumerate(lab.nodes):
            lab.publish(node, b"from %d" % number)
        lab.wait(self.settling)
        for node in lab.nodes:
            assert sorted(node.delivered) == sorted(b"from %d" % number for number in range(12))

    def test_a_message_is_handed_on_from_peer_to_peer(self) -> None:
        lab = self._lab(5, line=True)
        lab.publish(lab.nodes[0], b"pass it on")
        lab.wait(self.settling)
        assert [node.delivered for node in lab.nodes] == [[b"pass it on"]] * 5

    def test_who_is_not_in_a_topic_gets_nothing_and_may_publish(self) -> None:
        lab = self._lab(3, subscribe=False)
        one, other, third = lab.nodes
        lab.subscribe(other)
        lab.wait(self.settling)
        lab.publish(one, b"hello")
        lab.wait(self.settling)
        assert [one.delivered, other.delivered, third.delivered] == [[], [b"hello"], []]

    def test_what_is_bad_or_of_no_use_goes_nowhere(self) -> None:
        lab = self._lab(4, line=True)
        for data in (_BAD, _USELESS):
            lab.publish(lab.nodes[0], data)
        lab.wait(self.settling)
        # The author vouches for its own; nobody else takes it.
        assert [node.delivered for node in lab.nodes[1:]] == [[], [], []]

    def test_after_one_has_left_the_rest_still_hear(self) -> None:
        lab = self._lab(6)
        for other in lab.nodes[1:]:
            lab.unlink(lab.nodes[0], other)
        lab.wait(self.settling)
        lab.publish(lab.nodes[1], b"without you")
        lab.wait(self.settling)
        assert [node.delivered for node in lab.nodes[1:]] == [[b"without you"]] * 5
        assert not lab.nodes[0].delivered

    # --- peers that break the rules

    def test_of_a_peer_that_was_not_added_nothing_is_taken(self) -> None:
        lab = self._lab(2)
        router, stranger = lab.nodes[0].router, _peer(99)
        rpc = RPC(subscriptions=[Subscribe(_TOPIC)], messages=[_raw(stranger, 1, b"hello", _TOPIC)])
        assert not router.receive(stranger, rpc, lab.now)
        assert stranger not in router.peers(_TOPIC)
        router.remove_peer(stranger, lab.now)
        router.restart_peer(stranger)

    def test_nothing_that_a_peer_says_raises(self) -> None:
        lab, random = self._lab(3), Random(1)
        node = lab.nodes[0]
        for _ in range(300):
            lab.do(node, node.router.receive(lab.nodes[1].peer, _any_rpc(random), lab.now))
            lab.do(node, node.router.misbehaved(lab.nodes[1].peer, "it sent no RPC", lab.now))
            lab.settle()
            lab.wait(random.random())
        lab.publish(lab.nodes[2], b"still here")
        lab.wait(self.settling)
        assert b"still here" in node.delivered


def _any_rpc(random: Random) -> RPC:
    """An RPC that says whatever there is to say."""

    def topic() -> str:
        return random.choice((_TOPIC, "", "x" * 300, "another"))

    def ids() -> list[bytes]:
        return [random.randbytes(random.randrange(40)) for _ in range(random.randrange(5))]

    return RPC(
        subscriptions=[Subscribe(topic(), random.random() < 0.7) for _ in range(random.randrange(3))],
        messages=[
            _raw(_peer(random.randrange(200)), random.randrange(1 << 32), random.randbytes(9), topic())
            for _ in range(random.randrange(3))
        ],
        ihave=[IHave(topic(), ids()) for _ in range(random.randrange(3))],
        iwant=[IWant(ids()) for _ in range(random.randrange(3))],
        graft=[Graft(topic()) for _ in range(random.randrange(3))],
        prune=[
            Prune(topic(), random.choice((None, 0, 60, 1 << 40)), [(_peer(7), random.randbytes(3))])
            for _ in range(random.randrange(3))
        ],
        idontwant=[IDontWant(ids()) for _ in range(random.randrange(3))],
        extensions=random.choice((None, Extensions(True, True))),
        partial=random.choice((None, Partial(topic(), b"group", b"part", b"which"))),
    )
