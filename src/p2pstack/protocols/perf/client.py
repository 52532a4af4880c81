"""Asking others for perf."""

from collections.abc import Callable
from dataclasses import dataclass

from anyio import EndOfStream

from p2pstack.abc.host import Host, Target
from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.protocols.perf.messages import PERF, encode_header
from p2pstack.streams.clock import clock_of_this_loop

__all__ = ["PerfResult", "perf"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PerfResult:
    """How long it took. The server answers when it has all that was sent up: the upload ends, and the download begins,
    with the first byte of the answer, or its end where nothing was asked for."""

    #: bytes
    upload_bytes: int
    #: bytes
    download_bytes: int
    #: seconds from the first byte sent
    upload_seconds: float
    #: seconds to the last byte received
    download_seconds: float

    @property
    def upload_rate(self) -> float:
        """Bytes a second."""
        return self.upload_bytes / self.upload_seconds if self.upload_seconds else 0.0

    @property
    def download_rate(self) -> float:
        """Bytes a second."""
        return self.download_bytes / self.download_seconds if self.download_seconds else 0.0


async def perf(
    host: Host,
    target: Target,
    *,
    upload_bytes: int = 0,
    download_bytes: int = 0,
    chunk_size: int = 65_536,
    progress: Callable[[int, int], None] | None = None,
    clock: Callable[[], float] | None = None,
) -> PerfResult:
    """Send so many bytes up, then let so many come down, over a new stream.

    :param chunk_size: bytes sent at a time
    :param progress: called after each chunk with the bytes sent and received so far
    :param clock: gives the seconds to measure by; the event loop's unless given
    :raises RemoteProtocolError: other than the bytes asked for came down
    :raises P2PError: as `Host.open_stream`
    """
    if upload_bytes < 0 or chunk_size < 1:
        raise LocalProtocolError(f"perf: expected numbers above 0, got {upload_bytes=}, {chunk_size=}")
    clock = clock or clock_of_this_loop()
    header = encode_header(download_bytes)
    async with await host.open_stream(target, PERF) as stream:
        began_at = clock()
        await stream.send(header)
        zeros = bytes(min(chunk_size, upload_bytes))
        sent = 0
        for _ in range(upload_bytes // chunk_size):
            await stream.send(zeros)
            sent += chunk_size
            if progress is not None:
                progress(sent, 0)
        if sent < upload_bytes:
            await stream.send(zeros[: upload_bytes - sent])
            sent = upload_bytes
            if progress is not None:
                progress(sent, 0)
        await stream.send_eof()
        received = 0
        uploaded_at: float | None = None
        while True:
            try:
                size = len(await stream.receive())
            except EndOfStream:
                break
            if uploaded_at is None:
                uploaded_at = clock()
            received += size
            if received > download_bytes:
                break
            if progress is not None:
                progress(sent, received)
        ended_at = clock()
        if received != download_bytes:
            raise RemoteProtocolError(f"perf: expected {download_bytes} bytes of {stream.remote_peer}, got {received}")
    if uploaded_at is None:
        uploaded_at = ended_at
    return PerfResult(
        upload_bytes=upload_bytes,
        download_bytes=download_bytes,
        upload_seconds=uploaded_at - began_at,
        download_seconds=ended_at - uploaded_at,
    )
