"""What a router tells about itself: on the host's event bus, for tracing and metrics."""

from dataclasses import dataclass

from p2pstack.abc.events import Event
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.message import Message

__all__ = [
    "Delivered",
    "Duplicate",
    "Grafted",
    "PeerJoined",
    "PeerLeft",
    "Pruned",
    "PubSubEvent",
    "Rejected",
    "SendDropped",
]


@dataclass(frozen=True, slots=True)
class PubSubEvent(Event):
    """The root of these events."""


@dataclass(frozen=True, slots=True)
class PeerJoined(PubSubEvent):
    """A peer subscribed to a topic."""

    peer: PeerId
    topic: str


@dataclass(frozen=True, slots=True)
class PeerLeft(PubSubEvent):
    """A peer left a topic, or us."""

    peer: PeerId
    topic: str


@dataclass(frozen=True, slots=True)
class Grafted(PubSubEvent):
    """A peer is now in our mesh for a topic."""

    peer: PeerId
    topic: str


@dataclass(frozen=True, slots=True)
class Pruned(PubSubEvent):
    """A peer is no longer in our mesh for a topic; `reason` says why."""

    peer: PeerId
    topic: str
    reason: str


@dataclass(frozen=True, slots=True)
class Delivered(PubSubEvent):
    """A message passed all checks, and goes to the application and on."""

    message: Message


@dataclass(frozen=True, slots=True)
class Duplicate(PubSubEvent):
    """A message came that was here before."""

    id: bytes
    topic: str
    received_from: PeerId


@dataclass(frozen=True, slots=True)
class Rejected(PubSubEvent):
    """A message was refused; `reason` says why. `id` is None where it was refused before one was made."""

    id: bytes | None
    topic: str
    received_from: PeerId
    reason: str


@dataclass(frozen=True, slots=True)
class SendDropped(PubSubEvent):
    """Something for a peer, or for a subscription of ours (`peer` is None), found its queue full; `what` names it."""

    peer: PeerId | None
    what: str
    count: int
