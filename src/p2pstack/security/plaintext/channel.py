"""The channel after the exchange: the raw stream as it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.security import SecureChannel
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId

__all__ = ["PlaintextChannel"]


class PlaintextChannel(SecureChannel):
    """A byte stream with a name on it. It owns `stream`."""

    __slots__ = ("_remote_public_key", "_stream")

    def __init__(self, stream: RawStream, remote_public_key: PublicKey) -> None:
        self._stream = stream
        self._remote_public_key = remote_public_key

    @property
    def remote_peer(self) -> PeerId:
        return self._remote_public_key.peer_id

    @property
    def remote_public_key(self) -> PublicKey:
        return self._remote_public_key

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._stream.extra_attributes  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    async def receive_chunks(self) -> Sequence[bytes]:
        return [bytes(await self._stream.receive_view())]

    async def send_chunks(self, chunks: Sequence[bytes | bytearray | memoryview]) -> None:
        await self._stream.send(b"".join(chunks))

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        return await self._stream.receive(max_bytes)

    async def send(self, item: bytes) -> None:
        await self._stream.send(item)

    def unread(self, data: bytes) -> None:
        self._stream.unread(data)

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()
