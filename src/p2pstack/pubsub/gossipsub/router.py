"""Gossipsub: decides who gets what. The conductor: it knows who is to be asked, and they know the rest.

==============================  ====================================================================================
what happens                    who has to do with it
==============================  ====================================================================================
a peer comes, or goes           `peers`, `extensions`; `mesh`, `fanout`, `idontwant`, `partial`, the score
we join a topic, or leave it    `fanout`, `mesh`
we publish, a message comes,    `relay`: `admission` tells whether it is new; `message_cache`, `mesh`, `fanout`,
a message was checked           `idontwant`, `promises`, the score
a control message comes         `gossip`, `grafting`, `idontwant`, `partial`
a second is over                `heartbeat`: `quotas`, `backoff`, `maintenance`, `fanout`, `gossip` and all else
==============================  ====================================================================================

Whatever they have to say to peers is gathered by `outgoing`, and said in one RPC a peer at the end of each call.

Source: libp2p specs, pubsub/gossipsub 1.0 to 1.3.
"""

from collections.abc import Callable, Collection, Sequence

from p2pstack.errors import LocalProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Action, Discard
from p2pstack.pubsub.admission import Admission
from p2pstack.pubsub.events import PeerJoined, PeerLeft, Rejected
from p2pstack.pubsub.filter import SubscriptionFilter
from p2pstack.pubsub.gossipsub.choice import Randomness
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.exchange import Exchange
from p2pstack.pubsub.gossipsub.extensions import Handshake
from p2pstack.pubsub.gossipsub.fanout import Fanout
from p2pstack.pubsub.gossipsub.gossip import Gossip
from p2pstack.pubsub.gossipsub.grafting import Grafting
from p2pstack.pubsub.gossipsub.heartbeat import Heartbeat
from p2pstack.pubsub.gossipsub.idontwant import Unwanted
from p2pstack.pubsub.gossipsub.maintenance import Maintenance
from p2pstack.pubsub.gossipsub.mesh import Mesh
from p2pstack.pubsub.gossipsub.partial import Partials
from p2pstack.pubsub.gossipsub.parts import PartialMessage, PartialTopic
from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.relay import Relay
from p2pstack.pubsub.gossipsub.scorer import BREACH, NoScore, Scorer
from p2pstack.pubsub.gossipsub.shared import Shared
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.router import Link, Router
from p2pstack.pubsub.rpc import RPC, Graft, Subscribe

__all__ = ["GossipSubRouter"]


def _no_record(_: PeerId) -> None:
    return None


class GossipSubRouter(Router):
    """The router of gossipsub.

    :param config: its figures
    :param admission: tells new messages from others
    :param random: where chance comes from
    :param score: what peers are worth; all the same where it is None
    :param subscription_filter: which subscriptions of peers are taken
    :param records: the signed record of a peer, sealed, for peer exchange
    """

    def __init__(
        self,
        config: GossipSubConfig,
        *,
        admission: Admission,
        random: Randomness,
        score: Scorer | None = None,
        subscription_filter: SubscriptionFilter | None = None,
        records: Callable[[PeerId], bytes | None] = _no_record,
    ) -> None:
        self.protocols = tuple(config.protocols)
        self._filter = subscription_filter or SubscriptionFilter()
        self._score = score or NoScore()
        shared = Shared(config, admission, random, self._score)
        self._peers = shared.peers
        self._quotas = shared.quotas
        self._outgoing = shared.outgoing
        self._handshake = Handshake(shared)
        self._unwanted = unwanted = Unwanted(shared)
        self._partials = partials = Partials(shared)
        self._fanout = fanout = Fanout(shared)
        exchange = Exchange(shared, records)
        self._mesh = mesh = Mesh(shared, exchange)
        self._grafting = Grafting(shared, mesh, exchange)
        self._relay = Relay(shared, fanout=fanout, mesh=mesh, partials=partials, unwanted=unwanted)
        self._gossip = gossip = Gossip(shared, mesh=mesh, partials=partials, unwanted=unwanted)
        self._heartbeat = Heartbeat(
            shared,
            fanout=fanout,
            gossip=gossip,
            maintenance=Maintenance(shared, mesh),
            mesh=mesh,
            partials=partials,
            unwanted=unwanted,
        )
        #: RPCs that were not listened to, for their senders are too bad
        self.graylisted = 0

    # --- peers

    def add_peer(self, peer: PeerId, link: Link, now: float) -> Sequence[Action]:
        added = self._peers.add(peer, link)
        self._score.add_peer(peer, link.ip, now)
        self._greet(added)
        return self._outgoing.take()

    def greet_again(self, peer: PeerId, now: float) -> Sequence[Action]:
        known = self._peers.get(peer)
        if known is not None:
            self._greet(known)
            for topic, members in self._mesh.topics.items():
                if known in members:
                    self._outgoing.to(known).graft.append(Graft(topic))
        return self._outgoing.take()

    def _greet(self, peer: Peer) -> None:
        self._handshake.greet(peer)
        if self._mesh.topics:
            self._outgoing.to(peer).subscriptions.extend(map(self._partials.subscription, self._mesh.topics))

    def remove_peer(self, peer: PeerId, now: float) -> Sequence[Action]:
        gone = self._peers.get(peer)
        if gone is not None:
            for topic in sorted(gone.topics):
                self._left(gone, topic, "the peer is gone")
            self._unwanted.forget(gone)
            self._partials.forget(gone)
            self._peers.remove(gone)
            self._score.remove_peer(peer, now)
        return self._outgoing.take()

    def restart_peer(self, peer: PeerId) -> None:
        restarted = self._peers.get(peer)
        if restarted is not None:
            restarted.greeted = False

    # --- what we do

    def subscribe(self, topic: str, now: float) -> Sequence[Action]:
        if topic not in self._mesh.topics:
            subscription = self._partials.subscription(topic)
            for peer in self._peers:
                self._outgoing.to(peer).subscriptions.append(subscription)
            self._mesh.join(topic, self._fanout.join(topic), now)
        return self._outgoing.take()

    def unsubscribe(self, topic: str, now: float) -> Sequence[Action]:
        if topic in self._mesh.topics:
            for peer in self._peers:
                self._outgoing.to(peer).subscriptions.append(Subscribe(topic, subscribe=False))
            self._mesh.leave(topic, now)
            self._gossip.leave(topic)
        return self._outgoing.take()

    def publish(self, message: Message, now: float) -> Sequence[Action]:
        return self._relay.publish(message, now)

    # --- messages in parts

    def enable_partial(self, topic: str, how: PartialTopic) -> None:
        """Have messages in parts in a topic. To be called before we join it, for peers are told as we do.

        :raises LocalProtocolError: we are in the topic already, or the configuration has messages in parts turned off
        """
        if topic in self._mesh.topics:
            raise LocalProtocolError(
                f"expected to enable messages in parts before joining {topic!r}: leave it, and join anew"
            )
        self._partials.enable(topic, how)

    def publish_partial(self, topic: str, message: PartialMessage, now: float) -> Sequence[Action]:
        """Send what we have of a message to peers who lack it: whenever there is more of it.

        :raises LocalProtocolError: messages in parts are not enabled in the topic
        """
        self._partials.publish(topic, message, self._relay.members(topic, now))
        return self._outgoing.take()

    def reject_partial(self, peer: PeerId, topic: str) -> None:
        """The application found that parts which a peer sent are wrong: it pays, as for an invalid message."""
        self._score.reject_untracked(peer, topic)

    # --- what others do

    def receive(self, peer: PeerId, rpc: RPC, now: float) -> Sequence[Action]:
        sender = self._peers.get(peer)
        if sender is None:
            return ()
        if not sender.greeted or rpc.extensions is not None:
            self._handshake.received(sender, rpc)
        if rpc.subscriptions:
            self._take_subscriptions(sender, rpc, now)
        if self._score.score(peer) < self._score.thresholds.graylist and not sender.direct:
            self.graylisted += 1
            return self._outgoing.take()
        if rpc.messages:
            self._relay.take(sender, rpc.messages, now)
        if sender.features.mesh:
            self._take_control(sender, rpc, now)
        return self._outgoing.take()

    def misbehaved(self, peer: PeerId, reason: str, now: float) -> Sequence[Action]:
        self._score.add_penalty(peer, BREACH)
        return [Rejected(None, "", peer, reason)]

    def verified(self, message: Message) -> Sequence[Action]:
        return self._relay.verified(message)

    def accept(self, message: Message, now: float) -> Sequence[Action]:
        return self._relay.accept(message, now)

    def reject(self, message: Message, reason: str, now: float) -> Sequence[Action]:
        return self._relay.reject(message, reason, now)

    def ignore(self, message: Message, reason: str, now: float) -> Sequence[Action]:
        return self._relay.ignore(message, reason, now)

    # --- the parts of these

    def _left(self, peer: Peer, topic: str, reason: str) -> None:
        """A peer left a topic."""
        self._mesh.forget(peer, topic, reason)
        self._fanout.forget(peer, topic)
        self._partials.leave(peer, topic)
        self._peers.leave(peer, topic)
        self._outgoing.do(PeerLeft(peer.id, topic))

    def _take_subscriptions(self, peer: Peer, rpc: RPC, now: float) -> None:
        admitted, refused = self._filter.admit(rpc.subscriptions, peer.topics)
        self._quotas.take(self._quotas.subscribed, peer, len(rpc.subscriptions))
        self._quotas.take(self._quotas.refused, peer, refused)
        for subscription in admitted:
            topic = subscription.topic
            if not subscription.subscribe:
                if all(prune.topic != topic for prune in rpc.prune):
                    self._grafting.deserted(peer, topic, now)
                self._left(peer, topic, "the peer left the topic")
            elif self._peers.join(peer, subscription):
                self._outgoing.do(PeerJoined(peer.id, topic))

    def _take_control(self, peer: Peer, rpc: RPC, now: float) -> None:
        if rpc.ihave:
            self._gossip.announced(peer, rpc.ihave, now)
        if rpc.iwant:
            self._gossip.asked(peer, rpc.iwant)
        for graft in rpc.graft:
            self._grafting.grafted(peer, graft.topic, now)
        for prune in rpc.prune:
            self._grafting.pruned(peer, prune, now)
        if rpc.partial is not None:
            self._partials.received(peer, rpc.partial)
        if rpc.idontwant and (ids := self._unwanted.received(peer, rpc.idontwant)):
            self._outgoing.do(Discard(peer.id, ids))

    # --- time

    def deadline(self) -> float:
        return min(self._heartbeat.due, self._score.next_refresh)

    def on_deadline(self, now: float) -> Sequence[Action]:
        if now >= self._score.next_refresh:
            self._score.refresh(now)
        if now >= self._heartbeat.due:
            self._heartbeat.beat(now)
        return self._outgoing.take()

    # --- to look at

    @property
    def topics(self) -> Collection[str]:
        return self._mesh.topics.keys()

    def peers(self, topic: str | None = None) -> Collection[PeerId]:
        return self._peers.ids if topic is None else [peer.id for peer in self._peers.in_topic(topic)]

    def mesh(self, topic: str) -> Collection[PeerId]:
        return [peer.id for peer in self._mesh.topics.get(topic, ())]

    def score(self, peer: PeerId) -> float:
        return self._score.score(peer)
