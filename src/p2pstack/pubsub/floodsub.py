"""Floodsub: every message goes to every peer of its topic.

It has no mesh, no gossip and no scores, and so nothing to attack but bandwidth: a message crosses every connection
between two subscribers once. For small networks, and for peers that speak nothing else.

Source: libp2p specs, pubsub, "Stream management" and "The RPC".
"""

from collections.abc import Collection, Sequence

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Action, Deliver, Forward, Send
from p2pstack.pubsub.admission import Admission
from p2pstack.pubsub.events import Delivered, Duplicate, PeerJoined, PeerLeft, Rejected
from p2pstack.pubsub.filter import SubscriptionFilter
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.router import Link, Router
from p2pstack.pubsub.rpc import RPC, Subscribe

__all__ = ["FloodSubRouter"]


class FloodSubRouter(Router):
    """The router of floodsub.

    :param admission: tells new messages from others
    :param subscription_filter: which subscriptions of peers are taken
    """

    protocols = ("/floodsub/1.0.0",)

    def __init__(self, *, admission: Admission, subscription_filter: SubscriptionFilter | None = None) -> None:
        self._admission = admission
        self._filter = subscription_filter or SubscriptionFilter()
        self._topics: dict[str, None] = {}
        #: the topics of each peer
        self._peers: dict[PeerId, dict[str, None]] = {}
        #: the peers in each topic
        self._members: dict[str, dict[PeerId, None]] = {}

    # --- peers

    def add_peer(self, peer: PeerId, link: Link, now: float) -> Sequence[Action]:
        self._peers[peer] = {}
        return self._greet(peer)

    def greet_again(self, peer: PeerId, now: float) -> Sequence[Action]:
        return self._greet(peer) if peer in self._peers else []

    def _greet(self, peer: PeerId) -> Sequence[Action]:
        return [Send(peer, RPC(subscriptions=[Subscribe(topic) for topic in self._topics]))] if self._topics else []

    def remove_peer(self, peer: PeerId, now: float) -> Sequence[Action]:
        actions = [self._left(peer, topic) for topic in tuple(self._peers.get(peer, ()))]
        self._peers.pop(peer, None)
        return actions

    def restart_peer(self, peer: PeerId) -> None:
        pass

    # --- what we do

    def subscribe(self, topic: str, now: float) -> Sequence[Action]:
        if topic in self._topics:
            return []
        self._topics[topic] = None
        return self._announce(Subscribe(topic))

    def unsubscribe(self, topic: str, now: float) -> Sequence[Action]:
        if topic not in self._topics:
            return []
        del self._topics[topic]
        return self._announce(Subscribe(topic, subscribe=False))

    def publish(self, message: Message, now: float) -> Sequence[Action]:
        if not self._admission.publish(message, now):
            return [Duplicate(message.id, message.topic, message.received_from)]
        return self._spread(message, ())

    def _announce(self, subscription: Subscribe) -> Sequence[Action]:
        return [Send(peer, RPC(subscriptions=(subscription,))) for peer in self._peers]

    # --- what others do

    def receive(self, peer: PeerId, rpc: RPC, now: float) -> Sequence[Action]:
        topics = self._peers.get(peer)
        if topics is None:
            return ()
        actions: list[Action] = []
        if rpc.subscriptions:
            admitted, _ = self._filter.admit(rpc.subscriptions, topics)
            for subscription in admitted:
                topic = subscription.topic
                if not subscription.subscribe:
                    actions.append(self._left(peer, topic))
                elif topic not in topics:
                    topics[topic] = None
                    self._members.setdefault(topic, {})[peer] = None
                    actions.append(PeerJoined(peer, topic))
        actions += [self._admission.admit(raw, peer, now) for raw in rpc.messages if raw.topic in self._topics]
        return actions

    def misbehaved(self, peer: PeerId, reason: str, now: float) -> Sequence[Action]:
        return [Rejected(None, "", peer, reason)]

    def accept(self, message: Message, now: float) -> Sequence[Action]:
        senders = self._admission.accept(message, now)
        if senders is None:
            return [Duplicate(message.id, message.topic, message.received_from)]
        return self._spread(message, senders) if message.topic in self._topics else []

    def reject(self, message: Message, reason: str, now: float) -> Sequence[Action]:
        self._admission.reject(message, now)
        return [Rejected(message.id, message.topic, message.received_from, reason)]

    def ignore(self, message: Message, reason: str, now: float) -> Sequence[Action]:
        self._admission.ignore(message, now)
        return [Rejected(message.id, message.topic, message.received_from, reason)]

    def _left(self, peer: PeerId, topic: str) -> PeerLeft:
        del self._peers[peer][topic]
        members = self._members[topic]
        del members[peer]
        if not members:
            del self._members[topic]
        return PeerLeft(peer, topic)

    def _spread(self, message: Message, senders: Collection[PeerId]) -> Sequence[Action]:
        members = self._members.get(message.topic, ())
        forward = Forward(message, [peer for peer in members if peer not in senders and peer != message.source])
        return [Delivered(message), Deliver(message), forward] if message.topic in self._topics else [forward]

    # --- time

    def deadline(self) -> None:
        """None: nothing is ever due. What is remembered of messages is forgotten as others come."""

    def on_deadline(self, now: float) -> Sequence[Action]:
        return ()

    # --- to look at

    @property
    def topics(self) -> Collection[str]:
        return self._topics.keys()

    def peers(self, topic: str | None = None) -> Collection[PeerId]:
        return self._peers.keys() if topic is None else self._members.get(topic, {}).keys()

    def mesh(self, topic: str) -> Collection[PeerId]:
        return ()

    def score(self, peer: PeerId) -> float:
        return 0.0
