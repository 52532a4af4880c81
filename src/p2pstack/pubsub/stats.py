"""Figures of what pubsub has done, for metrics."""

from collections.abc import Mapping
from dataclasses import dataclass

from p2pstack.pubsub.actions import Deliver, DeliverPartial, Forward, Send, Validate
from p2pstack.pubsub.events import Duplicate, Grafted, Pruned, Rejected, SendDropped

__all__ = ["PubSubStats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PubSubStats:
    """Counted since the host began; `peers` and the bytes under way are of now."""

    #: Peers that speak our protocols.
    peers: int
    #: New messages of peers, not checked yet when they were counted.
    received: int
    #: Messages, of peers and our own, handed to subscriptions.
    delivered: int
    #: Times that a peer sent parts of a message, or told of them.
    parts: int
    #: Messages that were here before.
    duplicates: int
    #: Messages that were refused, and peers' breaches of rules.
    rejected: int
    #: Messages, of peers and our own, sent to peers: each counts once, to however many it went.
    forwarded: int
    #: RPCs of control and subscriptions sent.
    control_sent: int
    #: Times that a peer came into a mesh, and left one.
    grafted: int
    pruned: int
    #: What found the queue of a peer, or a subscription here, full.
    dropped: int
    #: Bytes of RPCs.
    bytes_sent: int
    bytes_received: int

    @classmethod
    def of(cls, counts: Mapping[type, int], *, peers: int, bytes_sent: int, bytes_received: int) -> "PubSubStats":
        """Made of how many actions and events of each class there were."""
        return cls(
            peers=peers,
            received=counts.get(Validate, 0),
            delivered=counts.get(Deliver, 0),
            parts=counts.get(DeliverPartial, 0),
            duplicates=counts.get(Duplicate, 0),
            rejected=counts.get(Rejected, 0),
            forwarded=counts.get(Forward, 0),
            control_sent=counts.get(Send, 0),
            grafted=counts.get(Grafted, 0),
            pruned=counts.get(Pruned, 0),
            dropped=counts.get(SendDropped, 0),
            bytes_sent=bytes_sent,
            bytes_received=bytes_received,
        )
