"""The channel after the handshake: records in and out of a raw stream."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from anyio import BrokenResourceError, BusyResourceError, EndOfStream, aclose_forcefully
from anyio.lowlevel import checkpoint

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.security import SecureChannel
from p2pstack.errors import SecurityError
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.security.noise.cipher import ReceiveCipher, SendCipher
from p2pstack.security.noise.frames import MAX_PLAINTEXT
from p2pstack.security.noise.handshake import Session

__all__ = ["NoiseChannel"]

#: records in one write of `send`: 128 KiB, beyond which fresh buffers cost more than they save
_BATCH = 2


class NoiseChannel(SecureChannel):
    """An authenticated, encrypted byte stream. It owns `stream`.

    One task may receive and one may send at a time. A send that was cancelled may have left part of a record behind, so
    no other can follow it. Like all of Noise, the channel has no farewell of its own: the end of the stream between two
    records is the end of the data, within one it is a `SecurityError`.
    """

    __slots__ = ("_broken", "_receive_cipher", "_rest", "_send_cipher", "_sending", "_session", "_stream", "_unread")

    def __init__(self, stream: RawStream, session: Session) -> None:
        self._stream = stream
        self._session = session
        self._send_cipher = SendCipher(session.send_key)
        self._receive_cipher = ReceiveCipher(session.receive_key)
        self._unread: list[bytes] = []
        self._rest = bytearray()  # of what `send_chunks_nowait` was given, what the network did not take
        self._sending = False
        self._broken = False

    @property
    def remote_peer(self) -> PeerId:
        return self._session.remote_public_key.peer_id

    @property
    def remote_public_key(self) -> PublicKey:
        return self._session.remote_public_key

    @property
    def muxer(self) -> str | None:
        return self._session.muxer

    @property
    def record_size(self) -> int:
        return MAX_PLAINTEXT

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._stream.extra_attributes  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    async def pump(self, take: Callable[[Sequence[bytes]], bool]) -> None:
        open_records = self._receive_cipher.open

        def take_view(view: memoryview) -> bool:
            chunks = open_records(view)
            return not chunks or take(chunks)

        if self._unread and not take(await self.receive_chunks()):
            return
        try:
            await self._stream.pump(take_view)
        except EndOfStream:
            self._check_whole()
            raise
        except SecurityError:
            await aclose_forcefully(self._stream)
            raise

    async def receive_chunks(self) -> Sequence[bytes]:
        if self._unread:
            chunks, self._unread = self._unread, []
            return chunks
        while True:
            try:
                view = await self._stream.receive_view()
            except EndOfStream:
                self._check_whole()
                raise
            try:
                if chunks := self._receive_cipher.open(view):
                    return chunks
            except SecurityError:
                await aclose_forcefully(self._stream)
                raise
            # A peer that sends nothing but empty records shall not keep others from running.
            await checkpoint()

    def _check_whole(self) -> None:
        if partial := self._receive_cipher.partial:
            raise SecurityError(
                f"expected the rest of a record from peer {self.remote_peer}, got the end of the stream "
                f"after {partial} bytes of it"
            )

    async def send_chunks(self, chunks: Sequence[bytes | bytearray | memoryview]) -> None:
        if self._sending:
            raise BusyResourceError("sending to")
        if self._broken:
            raise BrokenResourceError("an earlier send was cancelled or failed: close this channel")
        try:
            records = self._send_cipher.seal(chunks)
        except SecurityError:
            await aclose_forcefully(self._stream)
            raise
        if self._rest:
            records = self._rest + records
            self._rest = bytearray()
        self._sending = True
        try:
            await self._stream.send(cast("bytes", records))  # a raw stream sends any buffer; anyio's type says less
        except BaseException:
            self._broken = True
            raise
        finally:
            self._sending = False

    @property
    def can_send_now(self) -> bool:
        return True

    def send_chunks_nowait(self, chunks: Sequence[bytes | bytearray | memoryview]) -> bool:
        records = self._send_cipher.seal(chunks)
        if self._rest:
            records = self._rest + records
            self._rest = bytearray()
        sent = self._stream.send_nowait(records)
        if sent < len(records):
            self._rest = records[sent:]
            return False
        return True

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        chunks = list(await self.receive_chunks())
        data = chunks[0]
        if len(data) > max_bytes:
            data, chunks[0] = data[:max_bytes], data[max_bytes:]
        else:
            del chunks[0]
        self._unread = chunks
        return data

    async def send(self, item: bytes) -> None:
        rest = memoryview(item)
        while rest:
            batch, rest = rest[: _BATCH * MAX_PLAINTEXT], rest[_BATCH * MAX_PLAINTEXT :]
            await self.send_chunks([batch[at : at + MAX_PLAINTEXT] for at in range(0, len(batch), MAX_PLAINTEXT)])

    def unread(self, data: bytes) -> None:
        if data:
            self._unread.insert(0, bytes(data))

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()
