"""What protocols and services see of a host."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TypeAlias, overload

from multiaddr import Multiaddr

from p2pstack.abc.connection import Connection, Stream
from p2pstack.abc.events import EventBus
from p2pstack.abc.peerstore import PeerInfo, Peerstore
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId

__all__ = ["AbstractHost", "Handler", "Host", "Target"]

#: Who to reach: a peer id (its addresses come from the peerstore), an address (with `/p2p/...` the identity is
#: verified), several addresses of one peer, or a `PeerInfo`. Text is parsed as an address where it begins with `/`,
#: else as a peer id. A `Connection` stands for itself: a stream opened to it is opened there.
Target: TypeAlias = PeerId | Multiaddr | PeerInfo | Connection | str | Sequence[Multiaddr | str]

#: Serves one inbound stream. Returning closes the stream, raising resets it.
Handler: TypeAlias = Callable[[Stream], Awaitable[None]]


class Host(ABC):
    """A node of a peer-to-peer network: an identity, its connections, and the protocols it speaks."""

    @property
    @abstractmethod
    def peer_id(self) -> PeerId:
        """Who we are."""

    @property
    @abstractmethod
    def key(self) -> PrivateKey:
        """Our identity key."""

    @property
    @abstractmethod
    def addrs(self) -> Sequence[Multiaddr]:
        """Where we listen, each with `/p2p/<our id>`: ready to be given to others."""

    @property
    @abstractmethod
    def peerstore(self) -> Peerstore:
        """What is known of peers."""

    @property
    @abstractmethod
    def events(self) -> EventBus:
        """What happens here, to subscribe to."""

    @property
    @abstractmethod
    def random(self) -> Random:
        """The source of all randomness but keys' own."""

    @property
    @abstractmethod
    def clock(self) -> Callable[[], float]:
        """Gives the seconds since 1970, by the clock on the wall: what has to be newer than it was in earlier runs is
        made of it. Durations and deadlines go by `anyio.current_time()`."""

    @property
    @abstractmethod
    def protocols(self) -> Sequence[str]:
        """The protocols handled here, in the order they were added."""

    @property
    @abstractmethod
    def connections(self) -> Sequence[Connection]:
        """All connections."""

    @property
    @abstractmethod
    def peers(self) -> Sequence[PeerId]:
        """All connected peers."""

    @abstractmethod
    def connections_to(self, peer: PeerId) -> Sequence[Connection]:
        """The connections to one peer, the preferred one first."""

    @overload
    def handle(self, *protocols: str, max_streams_per_peer: int | None = None) -> Callable[[Handler], Handler]: ...
    @overload
    def handle(self, *protocols: str, handler: Handler, max_streams_per_peer: int | None = None) -> Handler: ...
    @abstractmethod
    def handle(
        self, *protocols: str, handler: Handler | None = None, max_streams_per_peer: int | None = None
    ) -> Callable[[Handler], Handler] | Handler:
        """Serve protocols: as a decorator, or with `handler`. Peers are told by identify push.

        :param max_streams_per_peer: how many inbound streams of one peer may be open at once; a further one is reset
        :raises LocalProtocolError: a protocol has a handler already
        """

    @abstractmethod
    def unhandle(self, *protocols: str) -> None:
        """Stop serving protocols; streams already open go on."""

    @abstractmethod
    async def connect(self, target: Target) -> Connection:
        """The connection to a peer: one that is there, or a new one. All who ask for the same peer share one dial.

        :raises DialError: no address could be reached; with a reason for each
        :raises PeerIdMismatch: the only address tried belongs to another peer
        :raises LocalProtocolError: the target is ourselves, malformed, or of no transport we have
        """

    @abstractmethod
    async def open_stream(self, target: Target, *protocols: str) -> Stream:
        """A new stream for the first of `protocols` that the peer speaks, over a connection that is there or a new one.

        :raises NegotiationError: it speaks none of them
        :raises DialError: and the others of `connect`
        """

    @abstractmethod
    async def disconnect(self, peer: PeerId | str) -> None:
        """Close all connections to a peer, in order. Nothing happens where there are none."""


#: `Host` by the name it has in `p2pstack`, where `Host` is the one to make: what `run` of a service is given.
AbstractHost = Host
