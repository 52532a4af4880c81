"""Stream multiplexing: many streams on one secure channel."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType

from anyio.abc import AsyncResource

from p2pstack.abc.bytestream import PushbackStream
from p2pstack.abc.security import SecureChannel
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId

__all__ = ["MuxedConnection", "MuxedStream", "StreamMuxer"]


class MuxedStream(PushbackStream):
    """One stream of a multiplexed connection.

    A byte stream in anyio's terms: `receive` raises `EndOfStream` after the peer's last byte, `send_eof` closes this
    side for writing while reading goes on, `aclose` ends both sides: what was sent still arrives, what was not read
    is dropped. Leaving `async with` by an exception resets the stream, and so does cancelling a `send` when part of its
    data is on its way: what was sent by one call arrives whole, or is followed by nothing.
    """

    @abstractmethod
    def reset(self, code: int = 0) -> None:
        """End the stream at once in both directions; both sides' calls then raise `StreamReset`. Nothing happens on a
        stream that has already ended. `code` travels where the muxer can carry it."""

    @property
    @abstractmethod
    def ended(self) -> bool:
        """Whether both directions are over, in whatever way."""

    async def pump(self, take: Callable[[bytes], bool]) -> None:
        """Give `take` all that arrives until it returns False, as it arrives where the muxer can do that: without a
        task that is woken each time. It must not block; what it raises comes out here. Otherwise raises as `receive`
        does. No other receive may run meanwhile."""
        while take(await self.receive()):
            pass

    def send_nowait(self, data: bytes) -> bool:
        """Send `data` if nothing has to be waited for. False where nothing was sent: then `send` it."""
        return False

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.reset()
        await self.aclose()


class MuxedConnection(AsyncResource):
    """A secure, multiplexed connection to one peer. It moves nothing until somebody runs it."""

    @property
    @abstractmethod
    def remote_peer(self) -> PeerId:
        """Who holds the other end."""

    @property
    @abstractmethod
    def remote_public_key(self) -> PublicKey:
        """The identity key of the peer."""

    @property
    @abstractmethod
    def security(self) -> str:
        """The protocol id of the secure channel, such as `/noise`."""

    @property
    @abstractmethod
    def muxer(self) -> str:
        """The protocol id of the muxer, such as `/yamux/1.0.0`."""

    @property
    @abstractmethod
    def rtt(self) -> float | None:
        """The round-trip time last measured, in seconds; None before the first measurement."""

    @property
    @abstractmethod
    def bytes_sent(self) -> int:
        """Bytes of stream data sent so far, without framing."""

    @property
    @abstractmethod
    def bytes_received(self) -> int:
        """Bytes of stream data received so far, without framing."""

    @abstractmethod
    async def run(self, on_stream: Callable[[MuxedStream], None]) -> None:
        """Drive the connection until it ends; returns when it ended in order (closed here, or by the peer).

        :param on_stream: called, synchronously, with each stream the peer opens; must not block
        :raises RemoteProtocolError: the peer broke the rules; it has been told and the connection is closed
        :raises ConnectionClosed: the connection broke or timed out
        """

    @abstractmethod
    async def open_stream(self) -> MuxedStream:
        """Open a stream. Waits while too many opened ones are not yet acknowledged by the peer.

        :raises ConnectionClosed: the connection has ended
        :raises LimitExceeded: as many streams are open as this side allows
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Close in order: what was sent is flushed (for as long as the close deadline allows), the peer is told, `run`
        returns. Streams still open end with `ConnectionClosed`."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether the connection has ended or is ending."""


class StreamMuxer(ABC):
    """A stream multiplexer, such as yamux."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """The id it is negotiated by, such as `/yamux/1.0.0`."""

    @abstractmethod
    def connection(self, channel: SecureChannel, *, security: str, initiator: bool) -> MuxedConnection:
        """Multiplex `channel`, which the connection then owns. Synchronous: nothing is sent yet.

        :param security: protocol id of the channel, for `MuxedConnection.security`
        :param initiator: whether this side dialled
        """
