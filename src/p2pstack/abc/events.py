"""What a host tells about itself: typed values, and the bus to subscribe to them."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from multiaddr import Multiaddr

from p2pstack.abc.connection import Connection
from p2pstack.identity.peer_id import PeerId

__all__ = [
    "ConnectionEnded",
    "ConnectionStarted",
    "DialFailed",
    "Event",
    "EventBus",
    "LimitHit",
    "ListenerClosed",
    "Listening",
    "LocalProtocolsChanged",
    "ObservedAddress",
    "PeerConnected",
    "PeerDisconnected",
    "PeerIdentified",
    "Subscription",
]


@dataclass(frozen=True, slots=True)
class Event:
    """The root of all events."""


@dataclass(frozen=True, slots=True)
class Listening(Event):
    """A listener is ready."""

    addrs: tuple[Multiaddr, ...]


@dataclass(frozen=True, slots=True)
class ListenerClosed(Event):
    """A listener ended; `error` says why, None when it was asked to."""

    addrs: tuple[Multiaddr, ...]
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class ConnectionStarted(Event):
    """A connection is usable. The first of a peer is followed by `PeerConnected`."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class ConnectionEnded(Event):
    """A connection is gone; `error` is None when it was closed in order."""

    connection: Connection
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class PeerConnected(Event):
    """The first connection to a peer is there."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class PeerDisconnected(Event):
    """The last connection to a peer is gone."""

    peer: PeerId


@dataclass(frozen=True, slots=True)
class PeerIdentified(Event):
    """Identify told what a peer speaks and where it listens: first on each connection, then with each push."""

    peer: PeerId
    connection: Connection
    protocols: tuple[str, ...]
    listen_addrs: tuple[Multiaddr, ...]
    agent_version: str
    protocol_version: str
    observed_addr: Multiaddr | None
    pushed: bool


@dataclass(frozen=True, slots=True)
class ObservedAddress(Event):
    """A peer told at which address it sees us."""

    peer: PeerId
    addr: Multiaddr


@dataclass(frozen=True, slots=True)
class LocalProtocolsChanged(Event):
    """Handlers were added or removed."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DialFailed(Event):
    """A dial ended with no connection."""

    peer: PeerId | None
    error: BaseException


@dataclass(frozen=True, slots=True)
class LimitHit(Event):
    """A limit refused something: which, its figure, what was used, and by whom where that is known."""

    scope: str
    limit: int
    used: int
    peer: PeerId | None = None


E = TypeVar("E", bound=Event)


class Subscription(AsyncIterator[E], AbstractContextManager["Subscription[E]"]):
    """An async iterator of events, in the order they happened, from the moment `subscribe` was called.

    Ends when the host does. Leave the `with` block, or call `close`, to stop listening.
    """

    @property
    @abstractmethod
    def dropped(self) -> int:
        """How many events did not fit into the buffer: the newest are dropped."""

    @abstractmethod
    def close(self) -> None:
        """Stop listening."""


class EventBus(ABC):
    """Where a host's events come out."""

    @abstractmethod
    def subscribe(self, *kinds: type[E], buffer: int = 1024) -> Subscription[E]:
        """Subscribe to events of these classes (and their subclasses)."""

    @abstractmethod
    def emit(self, event: Event) -> None:
        """Tell every subscriber. Synchronous; never blocks."""
