"""Any anyio byte stream as a `RawStream`."""

from collections.abc import Callable, Mapping
from typing import Any

from anyio.abc import ByteStream

from p2pstack.abc.bytestream import RawStream

__all__ = ["RawStreamAdapter", "as_raw"]


def as_raw(stream: ByteStream) -> RawStream:
    """`stream` itself where it is a `RawStream` already, else an adapter around it."""
    return stream if isinstance(stream, RawStream) else RawStreamAdapter(stream)


class RawStreamAdapter(RawStream):
    """Gives an anyio byte stream `unread` and `receive_view`. One receive of the inner stream a call, one more copy
    than a transport of our own needs."""

    __slots__ = ("_inner", "_surplus")

    def __init__(self, inner: ByteStream) -> None:
        self._inner = inner
        self._surplus = b""

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        if self._surplus:
            data, self._surplus = self._surplus[:max_bytes], self._surplus[max_bytes:]
            return data
        return await self._inner.receive(max_bytes)

    async def receive_view(self) -> memoryview:
        return memoryview(await self.receive(131_072))

    def unread(self, data: bytes) -> None:
        self._surplus = bytes(data) + self._surplus

    async def send(self, item: bytes) -> None:
        await self._inner.send(item)

    async def send_eof(self) -> None:
        await self._inner.send_eof()

    async def aclose(self) -> None:
        await self._inner.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._inner.extra_attributes  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
