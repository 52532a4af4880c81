"""Two ends of a pipe in this process: what a transport makes, without a network."""

from collections import deque

from anyio import BrokenResourceError, BusyResourceError, ClosedResourceError, EndOfStream, Event
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from p2pstack.errors import LocalProtocolError
from p2pstack.streams.arrivals import LocalStream

__all__ = ["MemoryStream", "memory_pipe"]

#: bytes that `receive_view` lends at most
_VIEW_SIZE = 131_072


def memory_pipe(*, max_buffer: int = 1 << 20) -> tuple["MemoryStream", "MemoryStream"]:
    """Two connected streams: what is sent on one is received on the other, as over TCP.

    :param max_buffer: bytes that may wait to be received, in each direction; a send waits for room
    :raises LocalProtocolError: `max_buffer` is not positive
    """
    if max_buffer < 1:
        raise LocalProtocolError(f"expected room for at least one byte in the pipe, got max_buffer={max_buffer}")
    there, back = _Direction(max_buffer), _Direction(max_buffer)
    return MemoryStream(incoming=back, outgoing=there), MemoryStream(incoming=there, outgoing=back)


class _Direction:
    """Bytes on their way, and who waits for them or for room."""

    __slots__ = ("chunks", "no_reader", "no_writer", "reader", "room", "writer")

    def __init__(self, max_buffer: int) -> None:
        self.chunks: deque[bytes] = deque()
        self.room = max_buffer
        self.no_reader = False
        self.no_writer = False
        self.reader: Event | None = None
        self.writer: Event | None = None

    def wake(self) -> None:
        """Let those who wait look again."""
        if self.reader:
            self.reader.set()
        if self.writer:
            self.writer.set()


class MemoryStream(LocalStream):
    """One end. Waits only where nothing is there, or there is no room; the end of the other side's data is told after
    the data, its closing to whoever sends."""

    __slots__ = ("_closed", "_eof_sent", "_incoming", "_outgoing", "_unread")

    def __init__(self, *, incoming: _Direction, outgoing: _Direction) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._unread = b""
        self._closed = False
        self._eof_sent = False

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        if max_bytes < 1:
            raise LocalProtocolError(f"expected to receive at least one byte, got max_bytes={max_bytes}")
        await checkpoint_if_cancelled()
        incoming = self._incoming
        if incoming.reader:
            raise BusyResourceError("receiving from")
        while not (self._closed or self._unread or incoming.chunks):
            if incoming.no_writer:
                raise EndOfStream
            incoming.reader = Event()
            try:
                await incoming.reader.wait()
            finally:
                incoming.reader = None
        if self._closed:
            raise ClosedResourceError
        return self._take(max_bytes)

    async def receive_view(self) -> memoryview:
        return memoryview(await self.receive(_VIEW_SIZE))

    def unread(self, data: bytes) -> None:
        self._unread = bytes(data) + self._unread

    async def send(self, item: bytes) -> None:
        await checkpoint_if_cancelled()
        outgoing = self._outgoing
        if outgoing.writer:
            raise BusyResourceError("sending to")
        rest = memoryview(item)
        while True:
            if self._closed or self._eof_sent:
                raise ClosedResourceError
            if outgoing.no_reader:
                raise BrokenResourceError("the other end of the pipe was closed")
            if outgoing.room and rest:
                # A chunk is kept until it is received: a copy, unless nobody can change it.
                part = rest[: outgoing.room]
                outgoing.chunks.append(item if type(item) is bytes and len(part) == len(item) else bytes(part))
                outgoing.room -= len(part)
                rest = rest[len(part) :]
                if outgoing.reader:
                    outgoing.reader.set()
            if not rest:
                return
            outgoing.writer = Event()
            try:
                await outgoing.writer.wait()
            finally:
                outgoing.writer = None

    async def send_eof(self) -> None:
        if self._closed:
            raise ClosedResourceError
        self._eof_sent = True
        self._outgoing.no_writer = True
        self._outgoing.wake()
        await checkpoint()

    async def aclose(self) -> None:
        self.close()
        await checkpoint()

    def close(self) -> None:
        """`aclose` without waiting."""
        self._closed = True
        self._outgoing.no_writer = True
        self._incoming.no_reader = True
        self._incoming.chunks.clear()
        self._outgoing.wake()
        self._incoming.wake()

    def _take(self, max_bytes: int) -> bytes:
        """Up to `max_bytes` of what is there: as TCP does, without regard to how it was sent."""
        if self._unread:
            data, self._unread = self._unread[:max_bytes], self._unread[max_bytes:]
            return data
        incoming = self._incoming
        chunks = incoming.chunks
        parts = [chunks.popleft()]
        size = len(parts[0])
        while chunks and size < max_bytes:
            parts.append(chunks.popleft())
            size += len(parts[-1])
        if size > max_bytes:
            keep = len(parts[-1]) - (size - max_bytes)
            chunks.appendleft(parts[-1][keep:])
            parts[-1] = parts[-1][:keep]
            size = max_bytes
        incoming.room += size
        if incoming.writer:
            incoming.writer.set()
        return parts[0] if len(parts) == 1 else b"".join(parts)
