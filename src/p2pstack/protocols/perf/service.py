"""Serving perf."""

from contextlib import suppress

from anyio import CancelScope, EndOfStream, current_time
from anyio.abc import TaskStatus

from p2pstack.abc.connection import Stream
from p2pstack.abc.host import Host
from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.protocols.perf.messages import HEADER_SIZE, PERF, decode_header

__all__ = ["Perf"]

#: Whether the deadline is to move is looked at after so many chunks and at least so many bytes that are sent, and it
#: moves by at least this part of itself: more would be felt.
_CHUNKS_A_LOOK, _BYTES_A_LOOK, _PART = 16, 262_144, 1 / 60


class Perf:
    """Reads what a client sends and throws it away, then sends as many zeros as it asked for: from one buffer, so that
    a client that asks for 2**64 - 1 bytes costs no more memory than another.

    :param chunk_size: bytes sent at a time
    :param max_streams_per_peer: inbound streams of one peer; a further one is reset
    :param stall_timeout: seconds a client may take for 16 chunks, or for 256 KiB sent to it where that is more; to a
        sixtieth
    """

    def __init__(
        self, *, chunk_size: int = 65_536, max_streams_per_peer: int = 16, stall_timeout: float = 60.0
    ) -> None:
        if chunk_size < 1 or max_streams_per_peer < 1 or stall_timeout <= 0:
            raise LocalProtocolError("Perf: expected chunk_size, max_streams_per_peer and stall_timeout above 0")
        self._zeros = bytes(chunk_size)
        self._max_streams_per_peer = max_streams_per_peer
        self._stall_timeout = stall_timeout

    async def run(self, host: Host, *, task_status: TaskStatus[None]) -> None:
        host.handle(PERF, handler=self._serve, max_streams_per_peer=self._max_streams_per_peer)
        task_status.started()

    async def _serve(self, stream: Stream) -> None:
        with CancelScope(deadline=current_time() + self._stall_timeout) as scope:
            wanted = await self._receive(stream, scope)
            await self._send(stream, wanted, scope)
            return
        stream.reset()

    def _extend(self, scope: CancelScope) -> None:
        """The client does not stall."""
        deadline = current_time() + self._stall_timeout
        if deadline - scope.deadline >= self._stall_timeout * _PART:
            scope.deadline = deadline

    async def _receive(self, stream: Stream, scope: CancelScope) -> int:
        """How many bytes are wanted, when all that was sent up has come."""
        header = b""
        chunks = 0

        def take(data: bytes) -> bool:
            nonlocal header, chunks
            if not chunks % _CHUNKS_A_LOOK:
                self._extend(scope)
            chunks += 1
            if len(header) < HEADER_SIZE:
                header += data[: HEADER_SIZE - len(header)]
            return True

        with suppress(EndOfStream):
            await stream.pump(take)
        if len(header) < HEADER_SIZE:
            raise RemoteProtocolError(f"perf: expected a header of {HEADER_SIZE} bytes, got {len(header)}")
        return decode_header(header)

    async def _send(self, stream: Stream, wanted: int, scope: CancelScope) -> None:
        zeros = self._zeros
        size = len(zeros)
        look = max(_CHUNKS_A_LOOK, _BYTES_A_LOOK // size)
        whole = wanted // size
        for sent in range(0, whole, look):
            self._extend(scope)
            for _ in range(min(look, whole - sent)):
                await stream.send(zeros)
        if rest := wanted % size:
            await stream.send(zeros[:rest])
