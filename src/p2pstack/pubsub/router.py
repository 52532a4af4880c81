"""What every router is: a pure object that turns what happens into actions."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Action
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.rpc import RPC

__all__ = ["Link", "Router"]


@dataclass(frozen=True, slots=True)
class Link:
    """How a peer is connected."""

    #: The protocol that both speak, such as `/meshsub/1.2.0`.
    protocol: str
    #: Whether we dialled.
    outbound: bool
    #: Its IP address as text; None where it has none.
    ip: str | None = None


class Router(ABC):
    """Decides who gets what. Synchronous, without sockets, tasks, clock or randomness of its own; times are seconds of
    any clock that only moves on. Each method that takes `now` returns what is to be done, in order."""

    #: The protocols it speaks, the preferred one first.
    protocols: Sequence[str]

    # --- peers

    @abstractmethod
    def add_peer(self, peer: PeerId, link: Link, now: float) -> Sequence[Action]:
        """A stream to a peer is open: greet it (subscriptions and extensions in the first RPC)."""

    @abstractmethod
    def remove_peer(self, peer: PeerId, now: float) -> Sequence[Action]:
        """A peer is gone, or no stream to it can be had."""

    def greet_again(self, peer: PeerId, now: float) -> Sequence[Action]:
        """The stream to a peer broke, and another one is open for the same protocol: it may have missed what it was
        told last, and so is told again what we are in. What it told us stays."""
        return ()

    @abstractmethod
    def restart_peer(self, peer: PeerId) -> None:
        """A peer opened another stream to us: what comes next is its first RPC. To be told before anything that
        comes on it, where it is not the first one after `add_peer`."""

    # --- what we do

    @abstractmethod
    def subscribe(self, topic: str, now: float) -> Sequence[Action]:
        """Join a topic. Nothing happens where we are in it."""

    @abstractmethod
    def unsubscribe(self, topic: str, now: float) -> Sequence[Action]:
        """Leave a topic. Nothing happens where we are not in it."""

    @abstractmethod
    def publish(self, message: Message, now: float) -> Sequence[Action]:
        """Send a message of our own, which is checked already; the peers it goes to are those of the `Forward`."""

    # --- what others do

    @abstractmethod
    def receive(self, peer: PeerId, rpc: RPC, now: float) -> Sequence[Action]:
        """Take what a peer says. Raises nothing: what is wrong is counted against the peer, and told by an event.
        Nothing is taken of a peer that was not added."""

    @abstractmethod
    def misbehaved(self, peer: PeerId, reason: str, now: float) -> Sequence[Action]:
        """A peer broke the rules where the router does not see it, such as by an RPC that is none: it pays."""

    def verified(self, message: Message) -> Sequence[Action]:
        """A message is what its id says, and no forgery; whether it is valid is known later, once the application's
        validators have answered. Not told of messages that these need not wait for."""
        return ()

    @abstractmethod
    def accept(self, message: Message, now: float) -> Sequence[Action]:
        """A message is valid: deliver and forward it."""

    @abstractmethod
    def reject(self, message: Message, reason: str, now: float) -> Sequence[Action]:
        """A message is invalid: all who sent it pay for it."""

    @abstractmethod
    def ignore(self, message: Message, reason: str, now: float) -> Sequence[Action]:
        """A message, whose signature is good, is of no use, or the application was too busy for it: nobody pays."""

    # --- time

    @abstractmethod
    def deadline(self) -> float | None:
        """When `on_deadline` is to be called, at the latest; None: there is nothing to wait for."""

    @abstractmethod
    def on_deadline(self, now: float) -> Sequence[Action]:
        """Do what is due: heartbeats, what peers promised and did not keep, what is forgotten."""

    # --- to look at

    @property
    @abstractmethod
    def topics(self) -> Collection[str]:
        """The topics we are in."""

    @abstractmethod
    def peers(self, topic: str | None = None) -> Collection[PeerId]:
        """Who is in a topic; all peers where none is named."""

    @abstractmethod
    def mesh(self, topic: str) -> Collection[PeerId]:
        """The peers we exchange the messages of a topic with; none where there is no mesh."""

    @abstractmethod
    def score(self, peer: PeerId) -> float:
        """What a peer is worth to us; 0.0 where nothing is known of it, or nobody keeps scores."""
