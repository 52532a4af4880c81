"""The score function: counters in, a number out, or what the number is made of.

Source: libp2p specs, pubsub/gossipsub 1.1, "The Score Function".
"""

import math

from p2pstack.pubsub.gossipsub.score.breakdown import ScoreBreakdown, ScorePart, TopicBreakdown
from p2pstack.pubsub.gossipsub.score.colocation import Colocation
from p2pstack.pubsub.gossipsub.score.counters import PeerCounters
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig

__all__ = ["Evaluation"]

#: what an application may think of a peer, either way
_MOST = 1e12


class Evaluation:
    """The score function of a configuration."""

    __slots__ = ("_colocation", "_config", "application_error")

    def __init__(self, config: ScoreConfig, colocation: Colocation) -> None:
        self._config = config
        self._colocation = colocation
        #: What the application's function raised last.
        self.application_error: Exception | None = None

    def score(self, counters: PeerCounters) -> float:
        """What a peer is worth by its counters as they are."""
        return self.total(counters, sum(in_topic.value for in_topic in counters.topics.values()))

    def total(self, counters: PeerCounters, topics: float) -> float:
        """... where the sum of its topics is known."""
        config = self._config
        return (
            self._cap(topics)
            + counters.application * config.app_specific_weight
            + self._excess(counters) * config.behaviour_penalty_weight
            + self._of_neighbours(counters)
        )

    def own(self, counters: PeerCounters) -> float:
        """What a peer is worth but for its neighbours (P6)."""
        return self.score(counters) - self._of_neighbours(counters)

    def _of_neighbours(self, counters: PeerCounters) -> float:
        return self._colocation.factor(counters.group) * self._config.ip_colocation_factor_weight

    def breakdown(self, counters: PeerCounters) -> ScoreBreakdown:
        """What the score is made of."""
        config = self._config
        topics = {topic: TopicBreakdown.of(in_topic) for topic, in_topic in counters.topics.items()}
        colocation, excess = self._colocation.factor(counters.group), self._excess(counters)
        return ScoreBreakdown(
            peer=counters.peer,
            connected=counters.connected,
            topics=topics,
            topics_total=self._cap(sum(topic.total for topic in topics.values())),
            app_specific=ScorePart(counters.application, counters.application * config.app_specific_weight),
            ip_colocation=ScorePart(colocation, colocation * config.ip_colocation_factor_weight),
            behaviour_penalty=ScorePart(excess, excess * config.behaviour_penalty_weight),
        )

    def ask_application(self, counters: PeerCounters) -> None:
        """Take what the application thinks of a peer now (P5)."""
        function = self._config.app_specific_score
        if function is None:
            return
        try:
            value = float(function(counters.peer))
        except Exception as error:  # noqa: BLE001 - the application's own; told by `application_error`
            self.application_error = error
            value = 0.0
        counters.application = 0.0 if math.isnan(value) else min(max(value, -_MOST), _MOST)

    def _cap(self, topics: float) -> float:
        cap = self._config.topic_score_cap
        return cap if 0 < cap < topics else topics

    def _excess(self, counters: PeerCounters) -> float:
        """P7."""
        excess = counters.penalty - self._config.behaviour_penalty_threshold
        return excess * excess if excess > 0 else 0.0
