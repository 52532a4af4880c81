"""Whose score is kept: of those who are connected, and for a while of those who went with a bad one.

================  ================================================================================================
a peer            its score
================  ================================================================================================
connects          is what it was if it is remembered, else 0
goes, above 0     is forgotten
goes, at most 0   loses what is good in it (P1, P2) or not its own fault (P6); if that leaves less than 0 it is
                  remembered for `retain_score`, undecayed, and its IP address with it; else it is forgotten
is found guilty   of a message that it sent before it went: is remembered, too
================  ================================================================================================

Source: libp2p specs, pubsub/gossipsub 1.1, "Peer Scoring".
"""

from collections.abc import Collection

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.score.colocation import Colocation
from p2pstack.pubsub.gossipsub.score.counters import PeerCounters
from p2pstack.pubsub.gossipsub.score.evaluation import Evaluation
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig

__all__ = ["ScoredPeers"]


class ScoredPeers:
    """The peers by their ids, connected and remembered."""

    __slots__ = ("_colocation", "_config", "_evaluation", "connected", "remembered")

    def __init__(self, config: ScoreConfig, colocation: Colocation, evaluation: Evaluation) -> None:
        self._config = config
        self._colocation = colocation
        self._evaluation = evaluation
        self.connected: dict[PeerId, PeerCounters] = {}
        #: those that have gone, the first to be forgotten first
        self.remembered: dict[PeerId, PeerCounters] = {}

    def find(self, peer: PeerId) -> PeerCounters | None:
        """The counters of a peer; None where nothing is known of it."""
        counters = self.connected.get(peer)
        return self.remembered.get(peer) if counters is None else counters

    def all(self) -> Collection[PeerCounters]:
        """The counters there are."""
        return (*self.connected.values(), *self.remembered.values())

    def connect(self, peer: PeerId, ip: str | None) -> PeerCounters:
        """A peer is connected, or is now from another address."""
        counters = self.connected.get(peer)
        if counters is None:
            counters = self.connected[peer] = self.remembered.pop(peer, None) or PeerCounters(peer)
            counters.connected = True
        counters.group = self._colocation.move(counters.group, ip)
        counters.score = None
        return counters

    def disconnect(self, peer: PeerId, now: float) -> None:
        """A peer is gone."""
        counters = self.connected.pop(peer, None)
        if counters is None:
            return
        counters.connected = False
        if self._evaluation.score(counters) > 0:
            self._leave(counters)
        else:
            self.remember(counters, now)

    def remember(self, counters: PeerCounters, now: float) -> None:
        """Keep what is bad of a peer that has gone, if there is anything."""
        for in_topic in counters.topics.values():
            in_topic.first_deliveries = 0.0
            in_topic.prune()
        counters.topics = {topic: in_topic for topic, in_topic in counters.topics.items() if not in_topic.idle}
        counters.score = None
        self.remembered.pop(counters.peer, None)
        if self._evaluation.own(counters) >= 0:
            self._leave(counters)
            return
        counters.expires = now + self._config.retain_score
        self.remembered[counters.peer] = counters
        if len(self.remembered) > self._config.max_retained:
            self._leave(self.remembered.pop(next(iter(self.remembered))))

    def expire(self, now: float) -> None:
        """Forget those whose time is over."""
        expired: list[PeerId] = []
        for peer, counters in self.remembered.items():
            if counters.expires > now:
                break
            expired.append(peer)
        for peer in expired:
            self._leave(self.remembered.pop(peer))

    def _leave(self, counters: PeerCounters) -> None:
        counters.group = self._colocation.move(counters.group, None)
