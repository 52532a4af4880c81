"""Messages on a byte stream: each behind its length, an unsigned varint."""

from collections.abc import AsyncIterator

from anyio import EndOfStream
from anyio.abc import ByteStream

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.wire.framing import FrameDecoder, encode_frame

__all__ = ["Messages"]


class Messages(AsyncIterator[bytes]):
    """Sends and receives whole messages of at most `limit` bytes over a stream, which stays the caller's to close.

    :param limit: bytes of one message, without its length
    :param what: what a message is called in errors
    """

    __slots__ = ("_decoder", "_limit", "_stream")

    def __init__(self, stream: ByteStream, *, limit: int, what: str = "message") -> None:
        self._stream = stream
        self._limit = limit
        self._decoder = FrameDecoder(limit=limit, what=what)

    async def send(self, message: bytes) -> None:
        """Send one message.

        :raises LocalProtocolError: it is longer than the limit
        """
        if len(message) > self._limit:
            raise LocalProtocolError(f"a message of {len(message)} bytes: at most {self._limit} are allowed here")
        await self._stream.send(encode_frame(message))

    async def receive(self) -> bytes:
        """The next message.

        :raises EndOfStream: the peer has closed its direction, between two messages
        :raises RemoteProtocolError: it announced a message above the limit, or ended in the middle of one
        """
        while (message := self._decoder.next_frame()) is None:
            try:
                self._decoder.receive_data(await self._stream.receive())
            except EndOfStream:
                if missing := self._decoder.surplus:
                    raise RemoteProtocolError(
                        f"the stream ended within a message, {len(missing)} bytes into it"
                    ) from None
                raise
        return message

    async def __anext__(self) -> bytes:
        try:
            return await self.receive()
        except EndOfStream:
            raise StopAsyncIteration from None
