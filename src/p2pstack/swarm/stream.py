"""One stream, as handlers get it and `open_stream` returns it."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from types import CoroutineType
from typing import Any

from p2pstack.abc.connection import Connection, ConnectionAttribute, Direction, Stream
from p2pstack.abc.muxer import MuxedStream
from p2pstack.identity.peer_id import PeerId
from p2pstack.swarm.optimistic import OptimisticStream

__all__ = ["StreamOwner", "SwarmStream"]


class StreamOwner(Connection):
    """What a stream needs of its connection."""

    __slots__ = ()

    @abstractmethod
    def forget(self, stream: "SwarmStream") -> None:
        """The stream is closed here."""

    @abstractmethod
    def refused(self, protocol: str) -> None:
        """The peer does not speak `protocol` any longer."""


class SwarmStream(Stream):
    """A muxed stream and what is known of it. The calls that move bytes hand out the coroutine of the muxed stream
    itself: a layer of its own would cost as much as a small write."""

    __slots__ = ("_connection", "_direction", "_inner", "_outgoing", "_protocol")

    def __init__(self, connection: StreamOwner, inner: MuxedStream, protocol: str, direction: Direction) -> None:
        self._connection = connection
        self._inner = self._outgoing = inner
        self._protocol = protocol
        self._direction = direction

    @classmethod
    def optimistic(cls, connection: StreamOwner, muxed: MuxedStream, protocol: str) -> "SwarmStream":
        """An outbound stream whose protocol is proposed with the first bytes it sends."""
        stream = cls(connection, muxed, protocol, Direction.OUTBOUND)
        stream._inner = stream._outgoing = OptimisticStream(muxed, protocol, stream)
        return stream

    def proposed(self, muxed: MuxedStream) -> None:
        """The proposal is on its way: what is sent from here on is the application's."""
        self._outgoing = muxed

    def confirmed(self, muxed: MuxedStream) -> None:
        """The peer accepted the protocol: `muxed` carries nothing else from here on."""
        self._inner = muxed

    def refused(self, muxed: MuxedStream) -> None:
        """The peer does not speak the protocol."""
        self._inner = muxed
        self._connection.refused(self._protocol)

    @property
    def protocol(self) -> str:
        return self._protocol

    @property
    def connection(self) -> StreamOwner:
        return self._connection

    @property
    def remote_peer(self) -> PeerId:
        return self._connection.remote_peer

    @property
    def direction(self) -> Direction:
        return self._direction

    @property
    def ended(self) -> bool:
        return self._inner.ended

    def receive(self, max_bytes: int = 65_536) -> "CoroutineType[Any, Any, bytes]":
        return self._inner.receive(max_bytes)

    def send(self, item: bytes) -> "CoroutineType[Any, Any, None]":
        return self._outgoing.send(item)

    def pump(self, take: Callable[[bytes], bool]) -> "CoroutineType[Any, Any, None]":
        return self._inner.pump(take)

    def send_nowait(self, data: bytes) -> bool:
        return self._outgoing.send_nowait(data)

    def send_eof(self) -> "CoroutineType[Any, Any, None]":
        return self._inner.send_eof()

    def unread(self, data: bytes) -> None:
        self._inner.unread(data)

    def reset(self, code: int = 0) -> None:
        self._connection.forget(self)
        self._inner.reset(code)

    def aclose(self) -> "CoroutineType[Any, Any, None]":
        self._connection.forget(self)
        return self._inner.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        connection = self._connection
        return {
            ConnectionAttribute.local_addr: lambda: connection.local_addr,
            ConnectionAttribute.remote_addr: lambda: connection.remote_addr,
            ConnectionAttribute.direction: lambda: connection.direction,
            ConnectionAttribute.security: lambda: connection.security,
            ConnectionAttribute.muxer: lambda: connection.muxer,
        }

    def __repr__(self) -> str:
        return f"<{self._direction.value} stream {self._protocol} with {self.remote_peer}>"
