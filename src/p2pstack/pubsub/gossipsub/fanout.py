"""Peers for topics that we publish to and are not in.

A publisher that is no subscriber has no mesh. It takes `d` peers of the topic and stays with them while it publishes,
so that its messages go stable ways, and forgets them when it has published nothing for `fanout_ttl`.

Source: libp2p specs, pubsub/gossipsub 1.0, "Router State" and "Topic Membership".
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from p2pstack.pubsub.gossipsub.choice import pick
from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.shared import Shared

__all__ = ["Fanout"]


class Fanout:
    """Which peers that are, for each topic."""

    __slots__ = ("_config", "_last_published", "_peers", "_random", "_score", "_topics")

    def __init__(self, shared: Shared) -> None:
        self._config = shared.config
        self._peers = shared.peers
        self._score = shared.score
        self._random = shared.random
        self._topics: dict[str, set[Peer]] = {}
        self._last_published: dict[str, float] = {}

    def __iter__(self) -> Iterator[tuple[str, AbstractSet[Peer]]]:
        return iter(self._topics.items())

    def publish(self, topic: str, now: float) -> AbstractSet[Peer]:
        """The peers that a message of ours goes to."""
        self._last_published[topic] = now
        if not self._topics.setdefault(topic, set()):
            self._fill(topic)
        return self._topics[topic]

    def join(self, topic: str) -> AbstractSet[Peer]:
        """We are in the topic from now on: its peers come into the mesh, or not."""
        self._last_published.pop(topic, None)
        return self._topics.pop(topic, set())

    def maintain(self, now: float) -> None:
        """Forget topics that are quiet, and peers that left or are no good; take others in their place."""
        for topic, last in tuple(self._last_published.items()):
            if last + self._config.fanout_ttl <= now:
                self.join(topic)
        for topic in self._topics:
            self._fill(topic)

    def forget(self, peer: Peer, topic: str | None = None) -> None:
        """A peer left a topic, or all of them."""
        for name in peer.topics if topic is None else (topic,):
            if (chosen := self._topics.get(name)) is not None:
                chosen.discard(peer)

    def _fill(self, topic: str) -> None:
        least, score = self._score.thresholds.publish, self._score.score
        chosen = self._topics[topic]
        for peer in [peer for peer in chosen if score(peer.id) < least]:
            chosen.discard(peer)
        missing = self._config.d - len(chosen)
        if missing > 0:
            pool = self._peers.in_topic(topic) - chosen - self._peers.meshless
            chosen.update(pick(self._random, [peer for peer in pool if score(peer.id) >= least], missing))
