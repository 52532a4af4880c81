"""Who is in which mesh.

A mesh is, for a topic that we are in, the few peers with which we exchange its messages whole and at once. It is meant
to be the same on both sides: who takes a peer in says GRAFT, who puts one out says PRUNE, and the backoff that a PRUNE
begins holds for both. What comes from peers is judged in `grafting`, what a heartbeat does in `maintenance`; here is
what both are made of.

Source: libp2p specs, pubsub/gossipsub 1.0, "Topic Membership".
"""

from collections.abc import Set as AbstractSet

from p2pstack.pubsub.events import Grafted, Pruned
from p2pstack.pubsub.gossipsub.choice import pick
from p2pstack.pubsub.gossipsub.exchange import Exchange
from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.shared import Shared
from p2pstack.pubsub.rpc import Graft

__all__ = ["Mesh"]


class Mesh:
    """The meshes of the topics that we are in."""

    __slots__ = ("_backoff", "_config", "_exchange", "_left", "_outgoing", "_peers", "_random", "_score", "topics")

    def __init__(self, shared: Shared, exchange: Exchange) -> None:
        self._config = shared.config
        self._peers = shared.peers
        self._score = shared.score
        self._random = shared.random
        self._outgoing = shared.outgoing
        self._backoff = shared.backoff
        self._exchange = exchange
        #: the members of each
        self.topics: dict[str, set[Peer]] = {}
        #: topics that we left, and for how long that is not long ago
        self._left: dict[str, float] = {}

    # --- us

    def join(self, topic: str, preferred: AbstractSet[Peer], now: float) -> None:
        """Join a topic, with peers of it: first those that we published to before."""
        self.topics[topic] = set()
        score = self._score.score
        pool = [peer for peer in self.candidates(topic, now) if score(peer.id) >= 0]
        first = [peer for peer in pool if peer in preferred][: self._config.d]
        others = [peer for peer in pool if peer not in preferred]
        for peer in first + pick(self._random, others, self._config.d - len(first)):
            self.graft(peer, topic, now)

    def leave(self, topic: str, now: float) -> None:
        """Leave a topic."""
        for peer in tuple(self.topics[topic]):
            self.prune(peer, topic, now, "we left the topic", backoff=self._config.unsubscribe_backoff)
        del self.topics[topic]
        self._left = {name: until for name, until in self._left.items() if until > now}
        self._left[topic] = now + self._config.unsubscribe_backoff

    def concerns(self, topic: str, now: float) -> bool:
        """Whether a PRUNE for a topic concerns us: we are in it, or left it not long ago."""
        return topic in self.topics or self._left.get(topic, now) > now

    def candidates(self, topic: str, now: float) -> list[Peer]:
        """Peers that could come into a mesh, whatever their scores."""
        pool = self._peers.in_topic(topic) - self.topics[topic] - self._peers.meshless
        blocked = self._backoff.blocked(topic, now)
        return [peer for peer in pool if peer.id not in blocked] if blocked else list(pool)

    # --- what we tell

    def graft(self, peer: Peer, topic: str, now: float) -> None:
        """Take a peer in, and tell it."""
        self._outgoing.to(peer).graft.append(Graft(topic))
        self.add(peer, topic, now)

    def prune(
        self,
        peer: Peer,
        topic: str,
        now: float,
        reason: str,
        *,
        name_peers: bool = True,
        backoff: float | None = None,
    ) -> None:
        """Put a peer out, and tell it."""
        self.remove(peer, topic, reason)
        self.refuse(peer, topic, now, name_peers=name_peers, backoff=backoff)

    def refuse(
        self, peer: Peer, topic: str, now: float, *, name_peers: bool = True, backoff: float | None = None
    ) -> None:
        """Tell a peer that it is not in, and shall not come for a time."""
        seconds = self._config.prune_backoff if backoff is None else backoff
        self._backoff.add(topic, peer.id, seconds, now)
        prune = self._exchange.prune(peer, topic, seconds, name_peers=name_peers)
        self._outgoing.to(peer).prune.append(prune)

    # --- what is so

    def add(self, peer: Peer, topic: str, now: float) -> None:
        """A peer is in."""
        self.topics[topic].add(peer)
        self._score.graft(peer.id, topic, now)
        self._outgoing.do(Grafted(peer.id, topic))

    def remove(self, peer: Peer, topic: str, reason: str) -> None:
        """A peer is out."""
        self.topics[topic].discard(peer)
        self._score.prune(peer.id, topic)
        self._outgoing.do(Pruned(peer.id, topic, reason))

    def forget(self, peer: Peer, topic: str, reason: str) -> None:
        """A peer left a topic, or us; it knows."""
        if peer in self.topics.get(topic, ()):
            self.remove(peer, topic, reason)
