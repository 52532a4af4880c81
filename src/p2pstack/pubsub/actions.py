"""What a router asks of whoever drives it: its methods return these, in the order in which they are to be done."""

from collections.abc import Sequence
from typing import TypeAlias

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.events import PubSubEvent
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.rpc import RPC, Partial, RawMessage
from p2pstack.pubsub.values import value

__all__ = ["Action", "Connect", "Deliver", "DeliverPartial", "Discard", "Forward", "Send", "Validate"]


@value
class Send:
    """Send control, subscriptions or parts to a peer: goes before the messages that wait for it."""

    peer: PeerId
    rpc: RPC


@value
class Forward:
    """Send a message to peers: each takes it into its queue, or loses it where that is full."""

    message: Message
    peers: Sequence[PeerId]


@value
class Discard:
    """Take messages out of a peer's queue that have not been sent: it has them already (IDONTWANT)."""

    peer: PeerId
    ids: Sequence[bytes]


@value
class Validate:
    """Check a new message, its signature first, then by the application's validators; tell the router the outcome by
    `accept`, `reject` or `ignore`. `raw` holds what its signature is about."""

    message: Message
    raw: RawMessage


@value
class Deliver:
    """Hand a message to the subscriptions of its topic."""

    message: Message


@value
class DeliverPartial:
    """Hand what a peer sent of a group of parts to the application."""

    peer: PeerId
    partial: Partial


@value
class Connect:
    """Connect to a peer that another one named, or that is a direct peer of ours. `record` is the sealed envelope of
    its peer record as it came, not checked; None where there is none."""

    peer: PeerId
    record: bytes | None = None


Action: TypeAlias = Send | Forward | Discard | Validate | Deliver | DeliverPartial | Connect | PubSubEvent
