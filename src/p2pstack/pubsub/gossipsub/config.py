"""Every figure of gossipsub, but for those of the peer score."""

from collections.abc import Collection
from dataclasses import dataclass

from p2pstack.errors import LocalProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.features import FEATURES, FLOODSUB, PROTOCOLS

__all__ = ["GossipSubConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipSubConfig:
    """How a node takes part. Times are in seconds; what is said of a heartbeat holds for each peer.

    Source: libp2p specs, pubsub/gossipsub 1.0, "Parameters", and 1.1, "Overview of New Parameters"; where these leave a
    figure open, what the implementations in Go and Rust have.

    :raises LocalProtocolError: figures that are out of their bounds, or do not go together
    """

    # --- the mesh

    d: int = 6
    """Peers that a mesh should have."""
    d_low: int = 5
    """With fewer, more are grafted."""
    d_high: int = 12
    """With more, some are pruned."""
    d_score: int = 4
    """Of those that stay when a mesh is pruned, how many by their score; the others stay by chance."""
    d_out: int = 2
    """Of those that stay, how many at least to which we made the connection: strangers cannot make these. Below
    `d_low`, and at most half of `d`."""
    heartbeat_interval: float = 1.0
    """Between two rounds of care for all this."""
    prune_backoff: float = 60.0
    """Between a PRUNE and the next GRAFT."""
    unsubscribe_backoff: float = 10.0
    """The same where we left the topic."""
    max_backoff: float = 3_600.0
    """A peer that asks for a longer one gets this."""
    backoff_slack: float = 2.0
    """How much longer than the backoff we wait ourselves, for the way of a GRAFT may be shorter than that of the
    PRUNE."""
    backoff_limit: int = 10_000
    """Backoffs remembered of a topic; beyond, the oldest goes."""
    graft_flood_threshold: float = 10.0
    """A GRAFT so soon after a PRUNE costs its sender twice."""
    opportunistic_graft_ticks: int = 60
    """Heartbeats between two looks at whether a mesh is worse than it could be."""
    opportunistic_graft_peers: int = 2
    """Better peers that are then grafted."""

    # --- publishing

    flood_publish: bool = True
    """Whether our own messages go to all peers of their topic, not only to the mesh: an attacker who has the mesh
    cannot hold them back."""
    fanout_ttl: float = 60.0
    """How long after the last message the peers for a topic that we are not in are kept."""

    # --- gossip

    d_lazy: int = 6
    """Peers that gossip goes to at least."""
    gossip_factor: float = 0.25
    """The part of the peers outside the mesh that gossip goes to, where that is more."""
    history_length: int = 5
    """Heartbeats for which messages can be asked for."""
    history_gossip: int = 3
    """Heartbeats for which messages are announced; at most `history_length`."""
    history_bytes: int = 64 << 20
    """Bytes of messages that are kept for it; beyond, the oldest go early."""
    gossip_retransmission: int = 3
    """How often a message is sent to a peer that asks for it."""
    max_ihave_ids: int = 5_000
    """Ids in an IHAVE of ours, and ids that we ask a peer for in a heartbeat."""
    max_ihave_messages: int = 10
    """RPCs with IHAVE that are looked at in a heartbeat."""
    max_id_bytes: int = 1_024
    """Longest message id in IHAVE, IWANT and IDONTWANT of peers; longer ones are passed over, for what a peer announces
    is remembered, and sent back to it."""
    iwant_followup: float = 3.0
    """How long a peer has to send what it announced and we asked for."""

    # --- IDONTWANT

    idontwant_threshold: int = 1_024
    """Bytes of data from which on messages are called off at other peers once one has brought them."""
    max_idontwant_ids: int = 1_000
    """Ids taken in a heartbeat."""
    idontwant_ttl: int = 3
    """Heartbeats for which they are remembered."""

    # --- peers

    peer_exchange: bool = False
    """Whether peers that are pruned are told of others; for bootstrap nodes, and others that many know and trust."""
    exchange_peers: int = 16
    """Peers named, and taken, at a time."""
    direct_peers: Collection[PeerId] = ()
    """Peers by agreement, to be had on both sides: connected always, in no mesh, sent every message, never scored
    out."""
    direct_connect_ticks: int = 300
    """Heartbeats between two attempts to connect to those that are not."""

    # --- messages in parts

    partial_messages: bool = True
    """Whether we say that we can do messages in parts; topics have them where the application gives them."""
    partial_ttl: int = 5
    """Heartbeats for which a group of parts is kept after it was last published."""
    max_partial_groups: int = 255
    """Groups of a topic that peers may begin, all together."""
    max_partial_groups_per_peer: int = 8
    """Groups of a topic that a peer may begin."""
    max_group_id_bytes: int = 1_024
    """Longest id of a group."""
    max_parts_metadata_bytes: int = 64 << 10
    """Longest parts metadata: it is kept for each peer and group."""
    max_partial_bytes_per_peer: int = 1 << 20
    """Bytes of parts metadata that are kept for a peer, of all its groups."""

    protocols: Collection[str] = PROTOCOLS
    """What is spoken, the preferred protocol first; some of these, and not only floodsub."""

    def __post_init__(self) -> None:
        d = self.d
        _expect(0 <= self.d_low <= d <= self.d_high, "0 <= d_low <= d <= d_high", self.d_low, d, self.d_high)
        _expect(0 <= self.d_score <= d, "0 <= d_score <= d", self.d_score, d)
        _expect(
            self.d_out == 0 or (0 < self.d_out < self.d_low and 2 * self.d_out <= d),
            "d_out below d_low and at most half of d",
            self.d_out,
            self.d_low,
            d,
        )
        _expect(
            1 <= self.history_gossip <= self.history_length,
            "1 <= history_gossip <= history_length",
            self.history_gossip,
            self.history_length,
        )
        _expect(0 <= self.gossip_factor <= 1, "gossip_factor of 0 to 1", self.gossip_factor)
        for name in _POSITIVE:
            _expect(getattr(self, name) > 0, f"{name} above 0", getattr(self, name))
        for name in _NOT_NEGATIVE:
            _expect(getattr(self, name) >= 0, f"{name} of at least 0", getattr(self, name))
        unknown = set(self.protocols) - FEATURES.keys()
        _expect(not unknown, f"protocols among {', '.join(FEATURES)}", *sorted(unknown))
        _expect(bool(set(self.protocols) - {FLOODSUB}), "a protocol of gossipsub among `protocols`", *self.protocols)


_POSITIVE = (
    "backoff_limit",
    "direct_connect_ticks",
    "fanout_ttl",
    "heartbeat_interval",
    "idontwant_ttl",
    "iwant_followup",
    "max_backoff",
    "opportunistic_graft_ticks",
    "partial_ttl",
    "prune_backoff",
    "unsubscribe_backoff",
)
_NOT_NEGATIVE = (
    "backoff_slack",
    "d_lazy",
    "exchange_peers",
    "gossip_retransmission",
    "graft_flood_threshold",
    "history_bytes",
    "idontwant_threshold",
    "max_group_id_bytes",
    "max_id_bytes",
    "max_idontwant_ids",
    "max_ihave_ids",
    "max_ihave_messages",
    "max_partial_bytes_per_peer",
    "max_partial_groups",
    "max_partial_groups_per_peer",
    "max_parts_metadata_bytes",
    "opportunistic_graft_peers",
)


def _expect(holds: bool, expected: str, *got: object) -> None:
    if not holds:
        raise LocalProtocolError(f"GossipSubConfig: expected {expected}, got {', '.join(map(repr, got))}")
