"""What is counted of a peer, in all and in each topic.

Counters are as of the last decay. They are made when there is something to count, and go when all of them are zero and
the peer is not in the mesh.
"""

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, TopicScoreConfig

__all__ = ["PeerCounters", "TopicCounters"]

#: no counter goes beyond it, so that no product of them leaves the range of a float
_MOST = 1e12


class TopicCounters:
    """Of one peer in one topic."""

    __slots__ = (
        "active",
        "config",
        "first_deliveries",
        "grafted_at",
        "invalid_messages",
        "mesh_deliveries",
        "mesh_failures",
        "time_in_mesh",
    )

    def __init__(self, config: TopicScoreConfig) -> None:
        self.config = config
        #: when the peer came into the mesh; None: it is not there
        self.grafted_at: float | None = None
        #: seconds, as of the last refresh
        self.time_in_mesh = 0.0
        #: whether P3 is on: the peer has been in the mesh for long enough
        self.active = False
        self.first_deliveries = 0.0
        self.mesh_deliveries = 0.0
        self.mesh_failures = 0.0
        self.invalid_messages = 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing is lost if these are forgotten."""
        return self.grafted_at is None and not (
            self.first_deliveries or self.mesh_deliveries or self.mesh_failures or self.invalid_messages
        )

    # --- what happens

    def graft(self, now: float) -> None:
        self.grafted_at = now
        self.time_in_mesh = 0.0
        self.active = False

    def prune(self) -> None:
        """Leave the mesh; what is missing stays, as P3b."""
        if self.grafted_at is None:
            return
        if self.config.mesh_failure_penalty_weight:
            self.mesh_failures = min(self.mesh_failures + self._missing_squared, _MOST)
        self.grafted_at = None
        self.active = False

    def add_first_delivery(self) -> None:
        self.first_deliveries = min(self.first_deliveries + 1.0, self.config.first_message_deliveries_cap)

    def add_mesh_delivery(self) -> None:
        """Counts for a peer in the mesh only."""
        if self.grafted_at is not None:
            self.mesh_deliveries = min(self.mesh_deliveries + 1.0, self.config.mesh_message_deliveries_cap)

    def add_invalid_message(self) -> None:
        self.invalid_messages = min(self.invalid_messages + 1.0, _MOST)

    def configure(self, config: TopicScoreConfig) -> None:
        """Count by other parameters from now on, under their caps at once."""
        self.config = config
        self.first_deliveries = min(self.first_deliveries, config.first_message_deliveries_cap)
        self.mesh_deliveries = min(self.mesh_deliveries, config.mesh_message_deliveries_cap)

    def decay(self, intervals: float, zero: float, now: float) -> None:
        """Let intervals pass, and bring the time in the mesh up to now."""
        config = self.config
        if self.first_deliveries:
            left = self.first_deliveries * config.first_message_deliveries_decay**intervals
            self.first_deliveries = left if left >= zero else 0.0
        if self.mesh_deliveries:
            left = self.mesh_deliveries * config.mesh_message_deliveries_decay**intervals
            self.mesh_deliveries = left if left >= zero else 0.0
        if self.mesh_failures:
            left = self.mesh_failures * config.mesh_failure_penalty_decay**intervals
            self.mesh_failures = left if left >= zero else 0.0
        if self.invalid_messages:
            left = self.invalid_messages * config.invalid_message_deliveries_decay**intervals
            self.invalid_messages = left if left >= zero else 0.0
        if self.grafted_at is not None:
            self.time_in_mesh = max(now - self.grafted_at, 0.0)
            self.active = self.time_in_mesh > config.mesh_message_deliveries_activation

    # --- what it comes to

    @property
    def points_in_mesh(self) -> float:
        """P1."""
        if self.grafted_at is None:
            return 0.0
        config = self.config
        return min(self.time_in_mesh // config.time_in_mesh_quantum, config.time_in_mesh_cap)

    @property
    def missing(self) -> float:
        """Messages that an active peer of the mesh has brought too few."""
        if not self.active:
            return 0.0
        return max(self.config.mesh_message_deliveries_threshold - self.mesh_deliveries, 0.0)

    @property
    def _missing_squared(self) -> float:
        return self.missing * self.missing

    @property
    def value(self) -> float:
        """The topic's part of the score, `topic_weight` and all."""
        config = self.config
        total = self.first_deliveries * config.first_message_deliveries_weight
        if self.grafted_at is not None:
            total += self.points_in_mesh * config.time_in_mesh_weight
            if self.active:
                total += self._missing_squared * config.mesh_message_deliveries_weight
        if self.mesh_failures:
            total += self.mesh_failures * config.mesh_failure_penalty_weight
        if self.invalid_messages:
            total += self.invalid_messages * self.invalid_messages * config.invalid_message_deliveries_weight
        return total * config.topic_weight


class PeerCounters:
    """Of one peer. Two are the same only if they are one object."""

    __slots__ = ("application", "connected", "decays", "expires", "group", "peer", "penalty", "score", "topics")

    def __init__(self, peer: PeerId) -> None:
        self.peer = peer
        self.connected = False
        #: when it is forgotten, once the peer has gone
        self.expires = 0.0
        #: what shares its IP address (`Colocation`); None: it has none that counts
        self.group: str | None = None
        #: what the application thinks of it: P5, as of the last refresh
        self.application = 0.0
        #: broken rules: P7
        self.penalty = 0.0
        #: the number of the last decay
        self.decays = 0.0
        #: what it all came to when it was last worked out; None: to be worked out again
        self.score: float | None = None
        self.topics: dict[str, TopicCounters] = {}

    def topic(self, topic: str, config: TopicScoreConfig) -> TopicCounters:
        """The counters of a topic, made if there are none."""
        in_topic = self.topics.get(topic)
        if in_topic is None:
            in_topic = self.topics[topic] = TopicCounters(config)
        return in_topic

    def add_penalty(self, count: float) -> None:
        self.penalty = min(self.penalty + count, _MOST)
        self.score = None

    def decay(self, intervals: float, config: ScoreConfig, now: float) -> float:
        """Let intervals pass, and drop the counters of topics that are zero. Returns the sum of the topics' values."""
        zero = config.decay_to_zero
        total = 0.0
        idle: list[str] = []
        for topic, in_topic in self.topics.items():
            in_topic.decay(intervals, zero, now)
            if in_topic.idle:
                idle.append(topic)
            else:
                total += in_topic.value
        for topic in idle:
            del self.topics[topic]
        if self.penalty:
            left = self.penalty * config.behaviour_penalty_decay**intervals
            self.penalty = left if left >= zero else 0.0
        return total
