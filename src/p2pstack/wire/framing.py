"""Frames: a payload behind its length as an unsigned varint."""

from p2pstack.errors import RemoteProtocolError
from p2pstack.wire import varint

__all__ = ["FrameDecoder", "encode_frame"]


def encode_frame(payload: bytes) -> bytes:
    """`payload` behind its length."""
    return varint.encode(len(payload)) + payload


class FrameDecoder:
    """Cuts what arrives into payloads: bytes in by `receive_data`, payloads out by `next_frame`.

    :param limit: the largest payload in bytes; a longer one is refused by its length, before its body has arrived
    :param what: names the frames in errors, such as `"identify message"`
    """

    __slots__ = ("_buffer", "_limit", "_start", "_what")

    def __init__(self, *, limit: int, what: str) -> None:
        self._limit = limit
        self._what = what
        self._buffer = bytearray()
        self._start = 0  # where the next frame begins: what lies before it is dropped once for many frames

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes as they came. Parses nothing: errors come from `next_frame`."""
        self._buffer += data

    def next_frame(self) -> bytes | None:
        """The next payload; None where more bytes are needed.

        :raises RemoteProtocolError: the length is no varint, or is above the limit; again at each later call
        """
        buffer = self._buffer
        head = varint.decode(buffer, self._start)
        if head is not None:
            size, body = head
            if size > self._limit:
                raise RemoteProtocolError(f"{self._what}: expected at most {self._limit} bytes, got a length of {size}")
            end = body + size
            if end <= len(buffer):
                self._start = end
                return bytes(memoryview(buffer)[body:end])
        if self._start:
            del buffer[: self._start]
            self._start = 0
        return None

    @property
    def surplus(self) -> bytes:
        """What has arrived behind the last payload: it belongs to whatever comes next on the stream."""
        return bytes(memoryview(self._buffer)[self._start :])
