"""Secure channels: who the other side is, and bytes that only it can read."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from p2pstack.abc.bytestream import PushbackStream, RawStream
from p2pstack.abc.exchange import Exchange
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId

__all__ = ["SecureChannel", "SecureTransport"]


class SecureChannel(PushbackStream):
    """An authenticated, encrypted byte stream between two known peers.

    Beside the byte-stream methods it has two for the muxer, which move batches: one system call for many records.
    """

    @property
    @abstractmethod
    def remote_peer(self) -> PeerId:
        """Who holds the other end, proven by the handshake."""

    @property
    @abstractmethod
    def remote_public_key(self) -> PublicKey:
        """The identity key of the peer."""

    @property
    def muxer(self) -> str | None:
        """The muxer agreed on within the handshake; None where that is still to be negotiated."""
        return None

    @property
    def record_size(self) -> int:
        """How many bytes of plaintext one record carries at most: a chunk of that size costs one record."""
        return 65_519

    @abstractmethod
    async def receive_chunks(self) -> Sequence[bytes]:
        """All that has arrived, at least one chunk and no chunk empty. Raises `EndOfStream` at the end and
        `SecurityError` if a record cannot be authenticated."""

    async def pump(self, take: Callable[[Sequence[bytes]], bool]) -> None:
        """Give `take` all that arrives, as `receive_chunks` returns it, until it returns False. It must not block; what
        it raises comes out here. Otherwise raises as `receive_chunks` does. No other receive may run meanwhile."""
        while take(await self.receive_chunks()):
            pass

    @abstractmethod
    async def send_chunks(self, chunks: Sequence[bytes | bytearray | memoryview]) -> None:
        """Send chunks of at most `record_size` bytes, a record each, in one write.

        Only one task at a time may send. A cancelled send leaves the channel unusable: close it.
        """

    @property
    def can_send_now(self) -> bool:
        """Whether there is `send_chunks_nowait`."""
        return False

    def send_chunks_nowait(self, chunks: Sequence[bytes | bytearray | memoryview]) -> bool:
        """As `send_chunks`, for as far as the network takes it at once. True if all is on its way; False if the channel
        kept a rest, which `send_chunks` (of nothing, if need be) then sends. Not while a send is under way."""
        raise NotImplementedError


class SecureTransport(ABC):
    """A way to make secure channels, such as Noise."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """The id it is negotiated by, such as `/noise`."""

    @abstractmethod
    async def secure_outbound(
        self,
        stream: RawStream,
        *,
        peer: PeerId | None,
        muxers: Sequence[str] = (),
        proposal: Exchange[object] | None = None,
    ) -> SecureChannel:
        """Secure a stream that this side dialled.

        :param stream: owned by the channel on success, closed by the caller on failure
        :param peer: who is expected; None accepts anybody
        :param muxers: muxers to offer within the handshake, best first
        :param proposal: what proposes this protocol, such as `Dialer(["/noise"])`, where that has not been done: it
        then
            travels with the first message of the handshake
        :raises PeerIdMismatch: somebody else answered
        :raises SecurityError: the handshake failed
        :raises RemoteProtocolError: what came is no handshake
        :raises NegotiationError: the proposal was refused, or no muxer is in common
        """

    @abstractmethod
    async def secure_inbound(self, stream: RawStream, *, muxers: Sequence[str] = ()) -> SecureChannel:
        """Secure a stream that the other side dialled; as `secure_outbound`."""
