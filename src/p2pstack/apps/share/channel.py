"""Messages on a stream, with the bytes of pieces between them as they are: those are not copied together."""

from collections.abc import Callable
from typing import Generic, TypeVar

from anyio import Event

from p2pstack import RemoteProtocolError, Stream
from p2pstack.apps.malformed import MALFORMED

__all__ = ["Channel", "Outbox"]

M = TypeVar("M")

#: bytes that wait to be sent
_MAX_PENDING = 1 << 14


class Channel(Generic[M]):
    """Reads a stream.

    :param decode: makes messages of what comes
    :param limit: bytes of a message
    """

    __slots__ = ("_buffer", "_decode", "_limit", "_stream", "received")

    def __init__(self, stream: Stream, decode: Callable[[bytes], M], *, limit: int) -> None:
        self._stream = stream
        self._decode = decode
        self._limit = limit
        self._buffer = b""
        #: bytes of pieces that have come, also of those that are not complete
        self.received = 0

    async def receive(self) -> M:
        """The next message.

        :raises EndOfStream: the peer has closed its direction
        :raises RemoteProtocolError: it is none that belongs here
        """
        while len(self._buffer) < 4 or len(self._buffer) < (end := self._end()):
            self._buffer += await self._stream.receive()
        data, self._buffer = self._buffer[4:end], self._buffer[end:]
        try:
            return self._decode(data)
        except MALFORMED as error:
            raise RemoteProtocolError(f"{self._stream.remote_peer} sent no message of share: {error}") from None

    def _end(self) -> int:
        size = int.from_bytes(self._buffer[:4], "big")
        if size > self._limit:
            raise RemoteProtocolError(f"{self._stream.remote_peer} announced {size} bytes: at most {self._limit} here")
        return 4 + size

    async def receive_bytes(self, size: int) -> list[bytes]:
        """The next `size` bytes, in as many parts as they came in.

        :raises EndOfStream: there were fewer
        """
        parts = [self._buffer[:size]]
        self._buffer = self._buffer[size:]
        missing = size - len(parts[0])
        while missing:
            part = await self._stream.receive()
            if len(part) > missing:
                part, self._buffer = part[:missing], part[missing:]
            parts.append(part)
            self.received += len(part)
            missing -= len(part)
        return parts


class Outbox:
    """Messages to be sent, by whoever has one; a task of their own sends them, so that nobody waits."""

    __slots__ = ("_event", "_pending", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._pending = bytearray()
        self._event = Event()

    @property
    def full(self) -> bool:
        """Whether more is waiting than it should be: the peer does not read."""
        return len(self._pending) > _MAX_PENDING

    def post(self, data: bytes) -> None:
        """Have a message sent."""
        self._pending += data
        self._event.set()

    async def run(self) -> None:
        """Send what is posted."""
        while True:
            await self._event.wait()
            self._event = Event()
            data = bytes(self._pending)
            self._pending.clear()
            await self._stream.send(data)
