"""A network of routers without a network: RPCs are carried from one to the other in virtual time."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Action, Connect, Deliver, DeliverPartial, Discard, Forward, Send, Validate
from p2pstack.pubsub.events import PubSubEvent
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.features import PROTOCOLS
from p2pstack.pubsub.gossipsub.router import GossipSubRouter
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, TopicScoreConfig
from p2pstack.pubsub.gossipsub.score.score import PeerScore
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.router import Link, Router
from p2pstack.pubsub.rpc import RPC, RawMessage

from .values import GOOD, INVALID, USELESS, make_admission, own_message, peer_id, raw_of


@dataclass
class Node:
    """A router, and what drives it."""

    net: "Net"
    id: PeerId
    router: Router
    score: PeerScore | None
    protocols: Sequence[str]
    #: messages that the application got
    delivered: list[Message] = field(default_factory=list)
    events: list[PubSubEvent] = field(default_factory=list)
    partials: list[DeliverPartial] = field(default_factory=list)
    connects: list[Connect] = field(default_factory=list)
    discards: list[Discard] = field(default_factory=list)
    #: RPCs of control, and messages, that came
    heard: list[tuple[PeerId, RPC]] = field(default_factory=list)
    alive: bool = True
    numbers: Iterator[int] = field(default_factory=count)
    #: seconds that a check takes
    validation: float = 0.0

    def publish(self, topic: str = "t", data: bytes = b"data") -> Message:
        message = own_message(self.id, next(self.numbers), topic, data)
        self.do(self.router.publish(message, self.net.now))
        return message

    def subscribe(self, topic: str = "t") -> None:
        self.do(self.router.subscribe(topic, self.net.now))

    def unsubscribe(self, topic: str = "t") -> None:
        self.do(self.router.unsubscribe(topic, self.net.now))

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def ids(self) -> list[bytes]:
        return [message.id for message in self.delivered]

    def do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Send(peer, rpc):
                    self.net.carry(self.id, peer, rpc)
                case Forward(message, peers):
                    for peer in peers:
                        self.net.carry(self.id, peer, RPC(messages=[raw_of(message)]))
                case Validate(message, raw):
                    if self.validation and raw.signature == GOOD:
                        self.do(self.router.verified(message))
                    self.net.at(self.net.now + self.validation, lambda m=message, r=raw: self.settle(m, r))
                case Deliver(message):
                    self.delivered.append(message)
                case DeliverPartial():
                    self.partials.append(action)
                    self.net.on_partial(self, action)
                case Connect():
                    self.connects.append(action)
                case Discard():
                    self.discards.append(action)
                case PubSubEvent():
                    self.events.append(action)

    def settle(self, message: Message, raw: RawMessage) -> None:
        now = self.net.now
        if raw.signature != GOOD:
            self.do(self.router.reject(message, "its signature is bad", now))
        elif message.data.startswith(INVALID):
            self.do(self.router.reject(message, "a validator refused it", now))
        elif message.data.startswith(USELESS):
            self.do(self.router.ignore(message, "a validator ignored it", now))
        else:
            self.do(self.router.accept(message, now))

    def receive(self, peer: PeerId, rpc: RPC) -> None:
        self.heard.append((peer, rpc))
        self.do(self.router.receive(peer, rpc, self.net.now))


class Net:
    """Routers, the links between them, and a clock."""

    def __init__(self, seed: int = 0) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self.latency: Callable[[PeerId, PeerId], float] = lambda a, b: 0.01
        #: whether an RPC gets lost
        self.loses: Callable[[PeerId, PeerId, RPC], bool] = lambda a, b, rpc: False
        self.nodes: dict[PeerId, Node] = {}
        #: who is connected, each connection with a number of its own
        self.links: dict[frozenset[PeerId], int] = {}
        self.traffic: Counter[str] = Counter()
        #: RPCs on their way
        self.in_flight = 0
        self.on_partial: Callable[[Node, DeliverPartial], None] = lambda node, action: None
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    # --- who is there

    def add(
        self,
        *,
        router: Router | None = None,
        config: GossipSubConfig | None = None,
        score: ScoreConfig | None = None,
        topics: dict[str, TopicScoreConfig] | None = None,
        protocols: Sequence[str] = PROTOCOLS,
        name: object = None,
        admission: dict[str, Any] | None = None,
        **options: Any,
    ) -> Node:
        local = peer_id(len(self.nodes) if name is None else name)
        scorer = None if score is None else PeerScore(score, topics or {})
        router = router or GossipSubRouter(
            config or GossipSubConfig(protocols=protocols),
            admission=make_admission(local, **(admission or {})),
            random=Random(self.random.random()),
            score=scorer,
            **options,
        )
        node = self.nodes[local] = Node(self, local, router, scorer, router.protocols)
        # They do not all beat at the same time.
        self.at(self.now + self.random.random(), lambda: self._tick(node))
        return node

    def connect(self, a: Node, b: Node, *, protocol: str | None = None, ips: tuple[str, str] | None = None) -> None:
        """Connect two nodes; `a` dials."""
        link = frozenset((a.id, b.id))
        if a is b or link in self.links:
            return
        self.links[link] = next(self._numbers)
        protocol = protocol or next(p for p in a.protocols if p in b.protocols)
        ip_a, ip_b = ips or (None, None)
        a.do(a.router.add_peer(b.id, Link(protocol, outbound=True, ip=ip_b), self.now))
        b.do(b.router.add_peer(a.id, Link(protocol, outbound=False, ip=ip_a), self.now))

    def disconnect(self, a: Node, b: Node) -> None:
        link = frozenset((a.id, b.id))
        if link in self.links:
            del self.links[link]
            a.do(a.router.remove_peer(b.id, self.now))
            b.do(b.router.remove_peer(a.id, self.now))

    def kill(self, node: Node) -> None:
        for other in list(self.nodes.values()):
            self.disconnect(node, other)
        node.alive = False
        del self.nodes[node.id]

    def connect_all(self, nodes: Sequence[Node]) -> None:
        for i, a in enumerate(nodes):
            for b in nodes[i + 1 :]:
                self.connect(*((a, b) if self.random.random() < 0.5 else (b, a)))

    def connect_some(self, nodes: Sequence[Node], degree: int) -> None:
        """Each dials `degree` others, one of them its neighbour, so that all hang together."""
        for i, a in enumerate(nodes):
            self.connect(a, nodes[(i + 1) % len(nodes)])
            for b in self.random.sample(list(nodes), degree - 1):
                self.connect(a, b)

    # --- time

    def at(self, time: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time, next(self._numbers), what))

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, what = heapq.heappop(self._due)
            what()
        self.now = end

    def settle(self) -> None:
        """Let what is on its way arrive."""
        while self.in_flight:
            self.run(0.001)

    def _tick(self, node: Node) -> None:
        if node.alive:
            node.do(node.router.on_deadline(self.now))
            due = node.router.deadline()
            if due is not None:
                assert due > self.now, "a deadline that was served is over"
                self.at(due, lambda: self._tick(node))

    # --- the wire

    def carry(self, source: PeerId, target: PeerId, rpc: RPC) -> None:
        """Bring an RPC to where it goes, in order."""
        for kind in RPC.__slots__:
            value = getattr(rpc, kind)
            self.traffic[kind] += 1 if kind in ("extensions", "partial") and value else len(value or ())
        if not self.loses(source, target, rpc):
            self.in_flight += 1
            link = self.links.get(frozenset((source, target)))
            self.at(self.now + self.latency(source, target), lambda: self._arrive(source, target, link, rpc))

    def _arrive(self, source: PeerId, target: PeerId, link: int | None, rpc: RPC) -> None:
        self.in_flight -= 1
        node = self.nodes.get(target)
        if node is not None and link is not None and self.links.get(frozenset((source, target))) == link:
            node.receive(source, rpc)
