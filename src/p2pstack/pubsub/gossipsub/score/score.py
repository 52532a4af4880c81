"""The score of every peer: what the router tells of peers goes in, a number for each comes out.

A score is a weighted sum. Four parameters are of each topic: P1 time in the mesh, P2 messages first brought, P3
messages of the mesh missing (and P3b, what was missing when the peer left the mesh), P4 invalid messages. Three are of
the peer as a whole: P5 what the application thinks of it, P6 how many peers share its IP address, P7 rules broken.
Counters decay at each refresh.

A score is read many times for each message, and so is kept:

=======================================================================================  =========================
what happens                                                                             counts
=======================================================================================  =========================
an invalid message, a broken rule, messages missing when a peer leaves the mesh          at once
all else: messages, time in the mesh, the application's opinion, neighbours, forgetting  from the next refresh on
=======================================================================================  =========================

A refresh that has much to do is spread: `next_refresh` is soon then, and each call does a part.

Source: libp2p specs, pubsub/gossipsub 1.1, "Peer Scoring".
"""

import math
from collections.abc import Mapping

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.score.breakdown import ScoreBreakdown
from p2pstack.pubsub.gossipsub.score.colocation import Colocation
from p2pstack.pubsub.gossipsub.score.counters import PeerCounters
from p2pstack.pubsub.gossipsub.score.deliveries import Deliveries
from p2pstack.pubsub.gossipsub.score.evaluation import Evaluation
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, ScoreThresholds, TopicScoreConfig
from p2pstack.pubsub.gossipsub.score.peers import ScoredPeers
from p2pstack.pubsub.message import Message

__all__ = ["PeerScore"]

#: pairs of peer and topic that one call of `refresh` goes through, and the part of an interval until the next call
_BATCH = 2_048
_PAUSE = 1 / 64


class PeerScore:
    """Keeps the scores. Times are seconds of any clock that only moves on."""

    __slots__ = (
        "_config",
        "_decays",
        "_deliveries",
        "_due",
        "_evaluation",
        "_peers",
        "_refreshed",
        "_topics",
        "next_refresh",
    )

    def __init__(self, config: ScoreConfig, topics: Mapping[str, TopicScoreConfig]) -> None:
        colocation = Colocation(config.ip_colocation_factor_threshold, config.exempt_networks)
        self._config = config
        self._topics = dict(topics)
        self._evaluation = Evaluation(config, colocation)
        self._peers = ScoredPeers(config, colocation, self._evaluation)
        scored = [topic for topic in (config.default_topic, *self._topics.values()) if topic is not None]
        window = max((topic.mesh_message_deliveries_window for topic in scored), default=0.0)
        self._deliveries = Deliveries(window, config.max_deliveries)
        #: decays there were, and when the last of them was due
        self._decays = 0.0
        self._refreshed = 0.0
        #: peers that the refresh under way has not come to
        self._due: list[PeerCounters] = []
        #: When `refresh` is to be called next; infinity before there is any peer.
        self.next_refresh = math.inf

    @property
    def thresholds(self) -> ScoreThresholds:
        """What scores lead to."""
        return self._config.thresholds

    @property
    def application_error(self) -> Exception | None:
        """What the application's `app_specific_score` raised last; None: nothing."""
        return self._evaluation.application_error

    # --- peers

    def add_peer(self, peer: PeerId, ip: str | None, now: float) -> None:
        """A peer is connected, or is now from another address. `ip` is text; None where it has none."""
        counters = self._peers.connect(peer, ip)
        counters.decays = self._decays
        self._evaluation.ask_application(counters)
        if self.next_refresh == math.inf:
            self._refreshed = now
            self.next_refresh = now + self._config.decay_interval

    def remove_peer(self, peer: PeerId, now: float) -> None:
        """A peer is gone. If its score is below zero, it is remembered."""
        self._peers.disconnect(peer, now)

    # --- the mesh

    def graft(self, peer: PeerId, topic: str, now: float) -> None:
        """A peer is now in the mesh of a topic."""
        counters = self._peers.connected.get(peer)
        config = self._config_of(topic)
        if counters is not None and config is not None:
            counters.topic(topic, config).graft(now)

    def prune(self, peer: PeerId, topic: str) -> None:
        """A peer is no longer in the mesh of a topic."""
        counters = self._peers.connected.get(peer)
        if counters is not None and (in_topic := counters.topics.get(topic)) is not None:
            in_topic.prune()
            counters.score = None

    # --- messages

    def deliver(self, message: Message, now: float) -> None:
        """A message is valid: good for who brought it first. Of others that sent a copy meanwhile, `duplicate` is to
        tell after this."""
        topic = message.topic
        config = self._config_of(topic)
        if config is None:
            return
        first = self._peers.connected.get(message.received_from)
        if first is not None and config.counts_first_deliveries:
            first.topic(topic, config).add_first_delivery()
        if config.counts_mesh_deliveries:
            valid = self._deliveries.add(message.id, now)
            if first is not None:
                valid.senders.add(first)
                if (in_topic := first.topics.get(topic)) is not None:
                    in_topic.add_mesh_delivery()

    def duplicate(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None:
        """A further copy of a valid message came: good for a peer of the mesh, within the window."""
        valid = self._deliveries.get(message_id)
        if valid is None:
            return
        sender = self._peers.connected.get(peer)
        if sender is None or (in_topic := sender.topics.get(topic)) is None or sender in valid.senders:
            return
        valid.senders.add(sender)
        if now - valid.validated_at <= in_topic.config.mesh_message_deliveries_window:
            in_topic.add_mesh_delivery()

    def reject_untracked(self, peer: PeerId, topic: str) -> None:
        """A peer sent an invalid message, once more (P4). If it has gone since, it is remembered for that."""
        config = self._config_of(topic)
        if config is None:
            return
        counters = self._peers.find(peer) or PeerCounters(peer)
        counters.topic(topic, config).add_invalid_message()
        counters.score = None
        if not counters.connected:
            self._peers.remember(counters, self._refreshed)

    # --- rules

    def add_penalty(self, peer: PeerId, count: float) -> None:
        """A peer broke a rule, or `count` of them (P7)."""
        if (counters := self._peers.find(peer)) is not None:
            counters.add_penalty(count)

    def set_topic(self, topic: str, config: TopicScoreConfig) -> None:
        """Score a topic by these parameters from now on. What was counted stays, under the new caps. In a topic that
        did not count before, nobody is in the mesh until it is grafted again."""
        self._topics[topic] = config
        self._deliveries.window = max(self._deliveries.window, config.mesh_message_deliveries_window)
        for counters in self._peers.all():
            if (in_topic := counters.topics.get(topic)) is not None:
                in_topic.configure(config)
                counters.score = None

    def _config_of(self, topic: str) -> TopicScoreConfig | None:
        return self._topics.get(topic, self._config.default_topic)

    # --- time

    def refresh(self, now: float) -> None:
        """Decay what is due and work out scores anew, or a part of them. Nothing happens before `next_refresh`."""
        if now < self.next_refresh:
            return
        interval = self._config.decay_interval
        due = self._due
        if not due:
            # Intervals in which nobody called pass all the same.
            passed = max((now - self._refreshed) // interval, 1.0)
            self._decays += passed
            self._refreshed += passed * interval
            due.extend(self._peers.connected.values())
            self._peers.expire(now)
            self._deliveries.expire(now)
        left = _BATCH
        while due and left > 0:
            counters = due.pop()
            left -= 1 + len(counters.topics)
            if counters.connected:
                self._refresh(counters, now)
        self.next_refresh = now + interval * _PAUSE if due else self._refreshed + interval

    def _refresh(self, counters: PeerCounters, now: float) -> None:
        intervals = self._decays - counters.decays
        counters.decays = self._decays
        topics = counters.decay(intervals, self._config, now)
        self._evaluation.ask_application(counters)
        counters.score = self._evaluation.total(counters, topics)

    # --- what it comes to

    def score(self, peer: PeerId) -> float:
        """What a peer is worth; 0.0 where nothing is known of it."""
        counters = self._peers.find(peer)
        if counters is None:
            return 0.0
        score = counters.score
        if score is None:
            score = counters.score = self._evaluation.score(counters)
        return score

    def breakdown(self, peer: PeerId) -> ScoreBreakdown | None:
        """What a peer's score is made of, by its counters as they are now; None where nothing is known of it."""
        counters = self._peers.find(peer)
        return None if counters is None else self._evaluation.breakdown(counters)
