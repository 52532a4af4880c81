"""What a peer's score is made of, to look at.

Source: libp2p specs, pubsub/gossipsub 1.1, "The Score Function".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.score.counters import TopicCounters

__all__ = ["ScoreBreakdown", "ScorePart", "TopicBreakdown"]


@dataclass(frozen=True, slots=True)
class ScorePart:
    """One parameter: what it is, and what it does to the score."""

    #: The parameter as the specification defines it, before its weight: P4 of three invalid messages is 9.
    value: float
    #: What it adds to the score, with all its weights.
    score: float

    def __str__(self) -> str:
        return f"{self.score:+.2f} (of {self.value:.2f})"


@dataclass(frozen=True, slots=True)
class TopicBreakdown:
    """What a topic does to the score."""

    time_in_mesh: ScorePart
    """P1."""
    first_message_deliveries: ScorePart
    """P2."""
    mesh_message_deliveries: ScorePart
    """P3: what is missing, squared."""
    mesh_failure_penalty: ScorePart
    """P3b."""
    invalid_message_deliveries: ScorePart
    """P4."""

    @classmethod
    def of(cls, counters: TopicCounters) -> "TopicBreakdown":
        """What is counted in a topic, weighted."""
        config = counters.config

        def part(value: float, weight: float) -> ScorePart:
            return ScorePart(value, value * weight * config.topic_weight)

        return cls(
            time_in_mesh=part(counters.points_in_mesh, config.time_in_mesh_weight),
            first_message_deliveries=part(counters.first_deliveries, config.first_message_deliveries_weight),
            mesh_message_deliveries=part(counters.missing**2, config.mesh_message_deliveries_weight),
            mesh_failure_penalty=part(counters.mesh_failures, config.mesh_failure_penalty_weight),
            invalid_message_deliveries=part(counters.invalid_messages**2, config.invalid_message_deliveries_weight),
        )

    @property
    def parts(self) -> Mapping[str, ScorePart]:
        """P1 to P4, by what they are called."""
        return {
            "P1 time in mesh": self.time_in_mesh,
            "P2 first message deliveries": self.first_message_deliveries,
            "P3 mesh message deliveries": self.mesh_message_deliveries,
            "P3b mesh failure penalty": self.mesh_failure_penalty,
            "P4 invalid messages": self.invalid_message_deliveries,
        }

    @property
    def total(self) -> float:
        """All of them together."""
        return sum(part.score for part in self.parts.values())


@dataclass(frozen=True, slots=True)
class ScoreBreakdown:
    """What a score is made of. `str()` of it is a table of what is not zero."""

    peer: PeerId
    #: Whether the peer is connected, or only remembered.
    connected: bool
    #: The topics in which anything counts.
    topics: Mapping[str, TopicBreakdown]
    #: What `topic_score_cap` leaves of the topics' sum.
    topics_total: float
    app_specific: ScorePart
    """P5."""
    ip_colocation: ScorePart
    """P6."""
    behaviour_penalty: ScorePart
    """P7."""

    @property
    def total(self) -> float:
        """The score."""
        return self.topics_total + self.app_specific.score + self.ip_colocation.score + self.behaviour_penalty.score

    def __str__(self) -> str:
        lines = [f"score {self.total:.2f} of {self.peer}{'' if self.connected else ', which has gone'}"]
        for topic, breakdown in self.topics.items():
            lines.append(f"  topic {topic!r}: {breakdown.total:+.2f}")
            lines += (f"    {name}: {part}" for name, part in breakdown.parts.items() if part.value)
        if self.topics_total != sum(breakdown.total for breakdown in self.topics.values()):
            lines.append(f"  all topics, capped: {self.topics_total:+.2f}")
        for name, part in (
            ("P5 application", self.app_specific),
            ("P6 IP colocation", self.ip_colocation),
            ("P7 behaviour penalty", self.behaviour_penalty),
        ):
            if part.value:
                lines.append(f"  {name}: {part}")
        return "\n".join(lines)
