"""Every weight, cap and threshold of the peer score.

A *weight* mixes a part of the score into the whole: of P1, P2 and P5 it is positive, of the others negative, and zero
turns the part off. A *decay* is what a counter is multiplied by at each `decay_interval`: `score_decay` makes it from a
time. Whatever is made without arguments harms nobody who sends nothing wrong: of a topic only invalid messages count.

Source: libp2p specs, pubsub/gossipsub 1.1, "Overview of New Parameters".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from p2pstack.errors import LocalProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.score.colocation import IPNetwork, parse_networks
from p2pstack.pubsub.gossipsub.score.decay import DECAY_INTERVAL, DECAY_TO_ZERO, score_decay

__all__ = ["ScoreConfig", "ScoreThresholds", "TopicScoreConfig"]

#: larger figures have no use, and their products could leave the range of a float
_MOST = 1e12
#: what is forgotten in ten minutes, and has lost half of it after one and a half
_TEN_MINUTES = score_decay(600.0)
#: addresses that say nothing of who is behind them
_LOCAL_NETWORKS = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreThresholds:
    """What a score leads to. Below zero, a peer is in no mesh and in no peer exchange."""

    gossip: float = -10.0
    """Below it no gossip goes to the peer, and none from it is taken. At most 0."""

    publish: float = -50.0
    """Below it our own messages do not go to the peer. At most `gossip`."""

    graylist: float = -80.0
    """Below it nothing that the peer says is listened to. At most `publish`."""

    accept_px: float = 0.0
    """From it on we connect to peers that the peer names. At least 0. Where strangers can reach it, they can choose
    whom we meet: a network with bootstrap nodes that are trusted sets it to what only these have."""

    opportunistic_graft: float = 0.0
    """While the median score in a mesh is below it, better peers are taken in. At least 0, small against what topics
    give; 0 turns it off, for who is below zero is in no mesh."""

    def __post_init__(self) -> None:
        _expect(-_MOST <= self.gossip <= 0, "gossip", self.gossip, "at most 0")
        _expect(-_MOST <= self.publish <= self.gossip, "publish", self.publish, f"at most gossip ({self.gossip})")
        _expect(-_MOST <= self.graylist <= self.publish, "graylist", self.graylist, f"at most publish ({self.publish})")
        for name in ("accept_px", "opportunistic_graft"):
            _expect(0 <= getattr(self, name) <= _MOST, name, getattr(self, name), "at least 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicScoreConfig:
    """How a peer's part in a topic counts."""

    topic_weight: float = 1.0
    """How much the topic counts among others. At least 0."""

    time_in_mesh_weight: float = 0.0
    """P1: a small reward for staying in the mesh. At least 0."""
    time_in_mesh_quantum: float = 1.0
    """Seconds in the mesh that make one point."""
    time_in_mesh_cap: float = 3_600.0
    """Points at most."""

    first_message_deliveries_weight: float = 0.0
    """P2: a reward for each valid message that the peer was the first to bring. At least 0."""
    first_message_deliveries_decay: float = _TEN_MINUTES
    first_message_deliveries_cap: float = 100.0
    """Messages counted at most."""

    mesh_message_deliveries_weight: float = 0.0
    """P3: the price, by the square of what is missing, for bringing fewer messages than `..._threshold` while in the
    mesh. At most 0. Only for topics whose rate is known: in a quiet topic it would punish everybody."""
    mesh_message_deliveries_decay: float = _TEN_MINUTES
    mesh_message_deliveries_cap: float = 100.0
    """Messages counted at most; at least the threshold."""
    mesh_message_deliveries_threshold: float = 0.0
    """Messages expected, decay included. More than 0 where P3 or P3b has a weight."""
    mesh_message_deliveries_window: float = 0.010
    """Seconds after a message was found valid in which a further copy still counts: less than a round trip, or a peer
    could earn by sending back what it got from us."""
    mesh_message_deliveries_activation: float = 5.0
    """Seconds in the mesh before any messages are expected. At least 1."""

    mesh_failure_penalty_weight: float = 0.0
    """P3b: the price, for as long as it takes to decay, for having left the mesh with messages missing. At most 0."""
    mesh_failure_penalty_decay: float = _TEN_MINUTES

    invalid_message_deliveries_weight: float = -1.0
    """P4: the price, by the square of their number, of invalid messages. At most 0."""
    invalid_message_deliveries_decay: float = _TEN_MINUTES

    def __post_init__(self) -> None:
        for name in ("topic_weight", "time_in_mesh_weight", "first_message_deliveries_weight"):
            _expect(0 <= getattr(self, name) <= _MOST, name, getattr(self, name), "0 or more")
        for name in _TOPIC_PENALTIES:
            _expect(-_MOST <= getattr(self, name) <= 0, name, getattr(self, name), "0 or less")
        for name in _TOPIC_DECAYS:
            _expect(0 < getattr(self, name) < 1, name, getattr(self, name), "more than 0 and less than 1")
        for name in _TOPIC_CAPS:
            _expect(0 < getattr(self, name) <= _MOST, name, getattr(self, name), "more than 0")
        threshold, cap = self.mesh_message_deliveries_threshold, self.mesh_message_deliveries_cap
        _expect(0 <= threshold <= cap, "mesh_message_deliveries_threshold", threshold, f"0 to the cap ({cap})")
        if not threshold and (self.mesh_message_deliveries_weight or self.mesh_failure_penalty_weight):
            raise LocalProtocolError(
                "mesh_message_deliveries_threshold is 0: expected more, P3 and P3b being about what is missing to it; "
                "set it to what an honest peer brings, or their weights to 0"
            )
        window, activation = self.mesh_message_deliveries_window, self.mesh_message_deliveries_activation
        _expect(0 <= window <= _MOST, "mesh_message_deliveries_window", window, "seconds, 0 or more")
        _expect(1 <= activation <= _MOST, "mesh_message_deliveries_activation", activation, "seconds, at least 1")

    @property
    def counts_first_deliveries(self) -> bool:
        """Whether P2 has a weight."""
        return self.first_message_deliveries_weight != 0.0

    @property
    def counts_mesh_deliveries(self) -> bool:
        """Whether P3 or P3b has a weight."""
        return self.mesh_message_deliveries_weight != 0.0 or self.mesh_failure_penalty_weight != 0.0


_TOPIC_PENALTIES = (
    "mesh_message_deliveries_weight",
    "mesh_failure_penalty_weight",
    "invalid_message_deliveries_weight",
)
_TOPIC_DECAYS = (
    "first_message_deliveries_decay",
    "mesh_message_deliveries_decay",
    "mesh_failure_penalty_decay",
    "invalid_message_deliveries_decay",
)
_TOPIC_CAPS = (
    "time_in_mesh_quantum",
    "time_in_mesh_cap",
    "first_message_deliveries_cap",
    "mesh_message_deliveries_cap",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreConfig:
    """How peers are scored."""

    thresholds: ScoreThresholds = field(default_factory=ScoreThresholds)

    default_topic: TopicScoreConfig | None = field(default_factory=TopicScoreConfig)
    """For topics that have no parameters of their own; None: such topics do not count, as the specification has it."""

    topic_score_cap: float = 0.0
    """What all topics together may give at most; 0: no cap."""

    app_specific_score: Callable[[PeerId], float] | None = None
    """P5: what the application thinks of a peer, any number. Called for each peer at each refresh, so it has to be
    fast; what is not a number, or raises, counts as 0."""
    app_specific_weight: float = 1.0
    """At least 0."""

    ip_colocation_factor_weight: float = -1.0
    """P6: the price, by the square of the surplus, of sharing an IP address (of IPv6, a /64) with more than
    `..._threshold` peers. At most 0."""
    ip_colocation_factor_threshold: int = 16
    """Peers of one address that nobody minds: many an office and data centre is behind one. At least 1."""
    ip_colocation_factor_exempt: Sequence[IPNetwork | str] = _LOCAL_NETWORKS
    """Networks whose peers may share addresses; loopback, private and link-local ones unless given."""
    exempt_networks: tuple[IPNetwork, ...] = field(init=False, repr=False, compare=False)
    """The same, parsed."""

    behaviour_penalty_weight: float = -5.0
    """P7: the price, by the square of what is above `..._threshold`, of breaking rules: a GRAFT in the time of backoff,
    a message announced and not sent, and the like. At most 0."""
    behaviour_penalty_threshold: float = 1.0
    """What accidents may add up to. At least 0."""
    behaviour_penalty_decay: float = _TEN_MINUTES

    decay_interval: float = DECAY_INTERVAL
    """Seconds between two refreshes of a score. At least 1."""
    decay_to_zero: float = DECAY_TO_ZERO
    """Counters below it are zero."""

    retain_score: float = 3_600.0
    """Seconds for which a negative score waits, undecayed, for a peer that has gone."""
    max_retained: int = 10_000
    """Peers that have gone and are remembered at most; the first to go is forgotten first."""

    max_deliveries: int = 100_000
    """Valid messages remembered at most to credit further copies (P3), the oldest being forgotten first. Without this
    limit they are remembered for the largest `mesh_message_deliveries_window`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "exempt_networks", parse_networks(self.ip_colocation_factor_exempt))
        for name in ("topic_score_cap", "app_specific_weight", "behaviour_penalty_threshold", "retain_score"):
            _expect(0 <= getattr(self, name) <= _MOST, name, getattr(self, name), "0 or more")
        for name in ("ip_colocation_factor_weight", "behaviour_penalty_weight"):
            _expect(-_MOST <= getattr(self, name) <= 0, name, getattr(self, name), "0 or less")
        for name in ("behaviour_penalty_decay", "decay_to_zero"):
            _expect(0 < getattr(self, name) < 1, name, getattr(self, name), "more than 0 and less than 1")
        _expect(1 <= self.decay_interval <= _MOST, "decay_interval", self.decay_interval, "seconds, at least 1")
        threshold = self.ip_colocation_factor_threshold
        _expect(1 <= threshold <= _MOST, "ip_colocation_factor_threshold", threshold, "at least 1")
        _expect(2 <= self.max_deliveries <= _MOST, "max_deliveries", self.max_deliveries, "at least 2")
        _expect(0 <= self.max_retained <= _MOST, "max_retained", self.max_retained, "0 or more")


def _expect(holds: bool, name: str, value: float, expected: str) -> None:
    if not holds:
        raise LocalProtocolError(f"{name} is {value}: expected {expected}")
