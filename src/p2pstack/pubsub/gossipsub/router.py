"""Gossipsub: decides who gets what. The conductor: it knows who is to be asked, and they know the rest.

==============================  ====================================================================================
what happens                    who has to do with it
==============================  ====================================================================================
a peer comes, or goes           `peers`, `extensions`; `mesh`, `fanout`, `idontwant`, the score
we join a topic, or leave it    `fanout`, `mesh`
a message comes                 `admission` (is it new?), `promises`, `idontwant`, the score
it was checked                  `admission`, the score, `message_cache`; then it goes to the mesh
we publish                      `admission`, `message_cache`; to all, or the mesh, or `fanout`
a control message comes         `gossip`, `grafting`, `idontwant`
a second is over                `quotas`, `backoff`, `idontwant`, `promises`; `maintenance`, `fanout`, `gossip`;
                                `message_cache`
==============================  ====================================================================================

Whatever they have to say to peers is gathered by `outgoing`, and said in one RPC a peer at the end of each call.

Source: libp2p specs, pubsub/gossipsub 1.0 to 1.3.
"""

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from math import inf

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Action, Connect, Deliver, Discard, Forward, Validate
from p2pstack.pubsub.admission import BLACKLISTED, Admission
from p2pstack.pubsub.events import Delivered, Duplicate, PeerJoined, PeerLeft, Rejected
from p2pstack.pubsub.filter import SubscriptionFilter
from p2pstack.pubsub.gossipsub.backoff import Backoff
from p2pstack.pubsub.gossipsub.choice import Randomness
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.exchange import Exchange
from p2pstack.pubsub.gossipsub.extensions import Handshake
from p2pstack.pubsub.gossipsub.fanout import Fanout
from p2pstack.pubsub.gossipsub.gossip import Gossip
from p2pstack.pubsub.gossipsub.grafting import Grafting
from p2pstack.pubsub.gossipsub.idontwant import Unwanted
from p2pstack.pubsub.gossipsub.maintenance import Maintenance
from p2pstack.pubsub.gossipsub.mesh import Mesh
from p2pstack.pubsub.gossipsub.message_cache import MessageCache
from p2pstack.pubsub.gossipsub.outgoing import Outgoing
from p2pstack.pubsub.gossipsub.peers import Peer, Peers
from p2pstack.pubsub.gossipsub.promises import Promises
from p2pstack.pubsub.gossipsub.quotas import Quotas
from p2pstack.pubsub.gossipsub.scorer import NoScore, Scorer
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.router import Link, Router
from p2pstack.pubsub.rpc import RPC, RawMessage, Subscribe

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
        self._config = config
        self._admission = admission
        self._score = score = score or NoScore()
        self._filter = subscription_filter or SubscriptionFilter()
        self._peers = peers = Peers(config.direct_peers)
        self._outgoing = outgoing = Outgoing()
        self._quotas = quotas = Quotas(config, score)
        self._backoff = backoff = Backoff(
            longest=config.max_backoff, slack=config.backoff_slack, limit=config.backoff_limit
        )
        self._messages = messages = MessageCache(
            length=config.history_length, gossip=config.history_gossip, limit=config.history_bytes
        )
        self._handshake = Handshake(config, score, outgoing)
        self._promises = promises = Promises(config.iwant_followup)
        self._unwanted = unwanted = Unwanted(config, quotas, outgoing)
        exchange = Exchange(config, peers, score, random, outgoing, records)
        self._mesh = mesh = Mesh(config, peers, backoff, exchange, score, random, outgoing)
        self._grafting = Grafting(config, mesh, backoff, exchange, quotas, score)
        self._maintenance = Maintenance(config, mesh, score, random)
        self._fanout = Fanout(config, peers, score, random)
        self._gossip = Gossip(
            config, peers, mesh, messages, promises, unwanted, admission, quotas, score, random, outgoing
        )
        self._ticks = 0
        self._next_heartbeat = -inf
        #: RPCs that were not listened to, for their senders are too bad
        self.graylisted = 0

    # --- peers

    def add_peer(self, peer: PeerId, link: Link, now: float) -> Sequence[Action]:
        added = self._peers.add(peer, link)
        self._score.add_peer(peer, link.ip, now)
        self._handshake.greet(added)
        if self._mesh.topics:
            self._outgoing.to(added).subscriptions.extend(Subscribe(topic) for topic in self._mesh.topics)
        return self._outgoing.take()

    def remove_peer(self, peer: PeerId, now: float) -> Sequence[Action]:
        gone = self._peers.get(peer)
        if gone is not None:
            for topic in sorted(gone.topics):
                self._left(gone, topic, "the peer is gone")
            self._unwanted.forget(gone)
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
            for peer in self._peers:
                self._outgoing.to(peer).subscriptions.append(Subscribe(topic))
            self._mesh.join(topic, self._fanout.join(topic), now)
        return self._outgoing.take()

    def unsubscribe(self, topic: str, now: float) -> Sequence[Action]:
        if topic in self._mesh.topics:
            for peer in self._peers:
                self._outgoing.to(peer).subscriptions.append(Subscribe(topic, subscribe=False))
            self._mesh.leave(topic, now)
        return self._outgoing.take()

    def publish(self, message: Message, now: float) -> Sequence[Action]:
        topic = message.topic
        if not self._admission.publish(message, now):
            return [Duplicate(message.id, topic, message.received_from)]
        self._promises.keep(message.id)
        self._score.deliver(message, now)
        self._messages.put(message)
        if self._config.flood_publish:
            members = self._peers.in_topic(topic)
            least, score = self._score.thresholds.publish, self._score.score
            chosen = {peer for peer in members if peer.direct or score(peer.id) >= least}
        else:
            chosen = self._mesh.topics[topic] if topic in self._mesh.topics else self._fanout.publish(topic, now)
        forward = Forward(message, self._recipients(message, chosen, ()))
        return [Delivered(message), Deliver(message), forward] if topic in self._mesh.topics else [forward]

    # --- what others do

    def receive(self, peer: PeerId, rpc: RPC, now: float) -> Sequence[Action]:
        sender = self._peers.get(peer)
        if sender is None:
            return ()
        if not sender.greeted or rpc.extensions is not None:
            self._handshake.received(sender, rpc)
        if rpc.subscriptions:
            self._take_subscriptions(sender, rpc.subscriptions)
        if self._score.score(peer) < self._score.thresholds.graylist and not sender.direct:
            self.graylisted += 1
            return self._outgoing.take()
        if rpc.messages:
            self._take_messages(sender, rpc.messages, now)
        if sender.features.mesh:
            self._take_control(sender, rpc, now)
        return self._outgoing.take()

    def misbehaved(self, peer: PeerId, reason: str, now: float) -> Sequence[Action]:
        self._score.add_penalty(peer, 1)
        return [Rejected(None, "", peer, reason)]

    def accept(self, message: Message, now: float) -> Sequence[Action]:
        senders = self._admission.accept(message, now)
        topic, received_from = message.topic, message.received_from
        if senders is None:
            self._score.duplicate(received_from, topic, message.id, now)
            return [Duplicate(message.id, topic, received_from)]
        self._score.deliver(message, now)
        for other in senders[1:]:
            self._score.duplicate(other, topic, message.id, now)
        self._messages.put(message)
        members = self._mesh.topics.get(topic)
        if members is None:
            # We left the topic while the message was checked.
            return []
        return [Delivered(message), Deliver(message), Forward(message, self._recipients(message, members, senders))]

    def reject(self, message: Message, reason: str, now: float) -> Sequence[Action]:
        for sender in self._admission.reject(message, now):
            self._score.reject_untracked(sender, message.topic)
        return [Rejected(message.id, message.topic, message.received_from, reason)]

    def ignore(self, message: Message, reason: str, now: float, *, checked: bool = True) -> Sequence[Action]:
        self._admission.ignore(message, now, checked=checked)
        return [Rejected(message.id, message.topic, message.received_from, reason)]

    # --- the parts of these

    def _left(self, peer: Peer, topic: str, reason: str) -> None:
        """A peer left a topic."""
        self._mesh.forget(peer, topic, reason)
        self._fanout.forget(peer, topic)
        self._peers.leave(peer, topic)
        self._outgoing.do(PeerLeft(peer.id, topic))

    def _take_subscriptions(self, peer: Peer, subscriptions: Sequence[Subscribe]) -> None:
        admitted, refused = self._filter.admit(subscriptions, peer.topics)
        self._quotas.take(self._quotas.subscribed, peer, len(subscriptions))
        self._quotas.take(self._quotas.refused, peer, refused)
        for subscription in admitted:
            topic = subscription.topic
            if not subscription.subscribe:
                self._left(peer, topic, "the peer left the topic")
            elif self._peers.join(peer, subscription):
                self._outgoing.do(PeerJoined(peer.id, topic))

    def _take_messages(self, peer: Peer, messages: Sequence[RawMessage], now: float) -> None:
        topics, admit, do = self._mesh.topics, self._admission.admit, self._outgoing.do
        large: dict[str, list[bytes]] = {}
        for raw in messages:
            topic = raw.topic
            if topic not in topics:
                continue
            action = admit(raw, peer.id, now)
            do(action)
            match action:
                case Validate(message=message):
                    self._promises.keep(message.id)
                    if len(raw.data) >= self._config.idontwant_threshold:
                        large.setdefault(topic, []).append(message.id)
                case Duplicate(id=id_):
                    self._score.duplicate(peer.id, topic, id_, now)
                case Rejected(reason=reason):
                    if reason is not BLACKLISTED:
                        self._score.reject_untracked(peer.id, topic)
        for topic, ids in large.items():
            self._unwanted.call_off(ids, topics[topic] - {peer})

    def _take_control(self, peer: Peer, rpc: RPC, now: float) -> None:
        if rpc.ihave:
            self._gossip.announced(peer, rpc.ihave, now)
        if rpc.iwant:
            self._gossip.asked(peer, rpc.iwant)
        for graft in rpc.graft:
            self._grafting.grafted(peer, graft.topic, now)
        for prune in rpc.prune:
            self._grafting.pruned(peer, prune, now)
        if rpc.idontwant and (ids := self._unwanted.received(peer, rpc.idontwant)):
            self._outgoing.do(Discard(peer.id, ids))

    def _recipients(self, message: Message, members: AbstractSet[Peer], senders: Sequence[PeerId]) -> list[PeerId]:
        """Who gets a message: members, and those in the topic who are in no mesh; nobody who has it already."""
        topic, get = message.topic, self._peers.get
        if self._peers.meshless:
            least, score = self._score.thresholds.publish, self._score.score
            members = members | {
                peer
                for peer in self._peers.meshless
                if topic in peer.topics and (peer.direct or score(peer.id) >= least)
            }
        having = {get(sender) for sender in senders}
        if message.source is not None:
            having.add(get(message.source))
        unwanted = self._unwanted
        if unwanted:
            return [peer.id for peer in members if peer not in having and not unwanted(peer, message.id)]
        return [peer.id for peer in members if peer not in having]

    # --- time

    def deadline(self) -> float:
        return min(self._next_heartbeat, self._score.next_refresh)

    def on_deadline(self, now: float) -> Sequence[Action]:
        if now >= self._score.next_refresh:
            self._score.refresh(now)
        if now >= self._next_heartbeat:
            interval = self._config.heartbeat_interval
            # Those that were missed are not made up for.
            self._next_heartbeat = max(self._next_heartbeat + interval, now + interval / 2)
            self._heartbeat(now)
        return self._outgoing.take()

    def _heartbeat(self, now: float) -> None:
        peers, score, thresholds = self._peers, self._score, self._score.thresholds
        if self._ticks % self._config.direct_connect_ticks == 0:
            for missing in peers.missing:
                self._outgoing.do(Connect(missing))
        self._ticks += 1
        self._quotas.reset()
        self._unwanted.shift()
        self._admission.expire(now)
        self._backoff.clean(self._ticks, now)
        for peer, count in self._promises.broken(now).items():
            score.add_penalty(peer.id, count)
        mute = set(peers.meshless)
        for peer in peers:
            peer.score = score.score(peer.id)
            if peer.score < thresholds.gossip:
                mute.add(peer)
        for topic, members in self._mesh.topics.items():
            self._maintenance.maintain(topic, self._ticks, now)
            self._gossip.emit(topic, members, mute)
        self._fanout.maintain(now)
        for topic, members in self._fanout:
            self._gossip.emit(topic, members, mute)
        self._messages.shift()

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
