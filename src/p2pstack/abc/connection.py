"""Connections and streams as the swarm hands them out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import Enum

from anyio import TypedAttributeSet, typed_attribute
from multiaddr import Multiaddr

from p2pstack.abc.muxer import MuxedStream
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId

__all__ = ["Connection", "ConnectionAttribute", "Direction", "Stream"]


class Direction(Enum):
    """Who began it."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class ConnectionAttribute(TypedAttributeSet):
    """Cold facts on the connection under a stream, read with `stream.extra(ConnectionAttribute.remote_addr)`."""

    #: our end of the connection
    local_addr: Multiaddr = typed_attribute()
    #: the peer's end of the connection
    remote_addr: Multiaddr = typed_attribute()
    #: who dialled
    direction: Direction = typed_attribute()
    #: protocol id of the secure channel
    security: str = typed_attribute()
    #: protocol id of the muxer
    muxer: str = typed_attribute()


class Stream(MuxedStream):
    """A stream that speaks an application's protocol: what handlers get and `open_stream` returns."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """The protocol agreed on."""

    @property
    @abstractmethod
    def connection(self) -> "Connection":
        """The connection it runs on."""

    @property
    @abstractmethod
    def remote_peer(self) -> PeerId:
        """Who holds the other end."""

    @property
    @abstractmethod
    def direction(self) -> Direction:
        """Who opened the stream."""


class Connection(ABC):
    """A connection to a peer, as the swarm keeps it."""

    @property
    @abstractmethod
    def remote_peer(self) -> PeerId:
        """Who holds the other end."""

    @property
    @abstractmethod
    def remote_public_key(self) -> PublicKey:
        """The peer's identity key."""

    @property
    @abstractmethod
    def direction(self) -> Direction:
        """Who dialled."""

    @property
    @abstractmethod
    def local_addr(self) -> Multiaddr:
        """Our end, without peer id."""

    @property
    @abstractmethod
    def remote_addr(self) -> Multiaddr:
        """The peer's end, without peer id."""

    @property
    @abstractmethod
    def security(self) -> str:
        """Protocol id of the secure channel."""

    @property
    @abstractmethod
    def muxer(self) -> str:
        """Protocol id of the muxer."""

    @property
    @abstractmethod
    def rtt(self) -> float | None:
        """Round-trip time in seconds as the muxer last measured it."""

    @property
    @abstractmethod
    def opened_at(self) -> float:
        """When it became usable, by the clock of `anyio.current_time()`."""

    @property
    @abstractmethod
    def streams(self) -> Sequence[Stream]:
        """The streams now open, negotiated ones only."""

    @property
    @abstractmethod
    def bytes_sent(self) -> int:
        """Bytes of stream data sent so far, without framing."""

    @property
    @abstractmethod
    def bytes_received(self) -> int:
        """Bytes of stream data received so far, without framing."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether it has ended or is ending."""

    @abstractmethod
    async def open_stream(self, *protocols: str) -> Stream:
        """Open a stream here, and nowhere else, for the first of `protocols` that the peer speaks.

        :raises NegotiationError: it speaks none of them. Where it said before that it speaks one, it is not asked
            again, and it is the first receive that raises
        :raises StreamReset: the peer resets it, as where it has too many
        :raises ConnectionClosed: the connection has ended
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Close it in order."""
