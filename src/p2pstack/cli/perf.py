"""`p2pstack perf`: throughput and latency of a node."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from p2pstack.abc.host import Host
from p2pstack.cli.hosts import make_host
from p2pstack.cli.output import Output, grid, milliseconds, rate
from p2pstack.identity.peer_id import PeerId
from p2pstack.protocols.perf import perf as transfer

__all__ = ["perf"]

#: new streams, one after another, that the latency is the median of
_STREAMS = 100
#: between two looks at the bars, in seconds
_REFRESH_INTERVAL = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class _Figures:
    """One measurement. What no bytes were asked for has no rate."""

    upload_bytes_per_s: float | None
    download_bytes_per_s: float | None
    #: median of a new stream and a byte each way
    stream_ms: float
    #: TCP, negotiation, handshake and multiplexer, until streams can be opened
    connect_ms: float


async def perf(
    output: Output, addr: str, *, upload: int, download: int, iterations: int, key_file: Path | None
) -> None:
    """Measure `iterations` times, over a new connection each time."""
    table = grid(">", ">connect", ">new stream", ">upload", ">download")
    async with make_host(key_file) as host:
        for number in range(1, iterations + 1):
            with _Bars(output) as bars:
                figures = await _measure(host, addr, upload, download, bars)
            output.record(**asdict(figures))
            table.add_row(
                str(number),
                milliseconds(figures.connect_ms / 1e3),
                milliseconds(figures.stream_ms / 1e3),
                _rate(figures.upload_bytes_per_s),
                _rate(figures.download_bytes_per_s),
            )
    output.show(table)


async def _measure(host: Host, addr: str, upload: int, download: int, bars: "_Bars") -> _Figures:
    started = time.perf_counter()
    connection = await host.connect(addr)
    connect_seconds = time.perf_counter() - started
    peer = connection.remote_peer
    streams: list[float] = []
    for _ in range(_STREAMS):
        started = time.perf_counter()
        await transfer(host, peer, upload_bytes=1, download_bytes=1)
        streams.append(time.perf_counter() - started)
    figures = _Figures(
        upload_bytes_per_s=await _throughput(host, peer, bars, upload=upload),
        download_bytes_per_s=await _throughput(host, peer, bars, download=download),
        stream_ms=median(streams) * 1e3,
        connect_ms=connect_seconds * 1e3,
    )
    await host.disconnect(peer)
    return figures


async def _throughput(host: Host, peer: PeerId, bars: "_Bars", *, upload: int = 0, download: int = 0) -> float | None:
    """Bytes a second in one direction, from the opening of the stream to its end."""
    size = upload + download
    if not size:
        return None
    progress = bars.add("upload" if upload else "download", size)
    started = time.perf_counter()
    await transfer(host, peer, upload_bytes=upload, download_bytes=download, progress=progress)
    return size / (time.perf_counter() - started)


class _Bars:
    """Bars that grow while bytes move, where a person watches. No thread draws them: that would slow the bytes down."""

    def __init__(self, output: Output) -> None:
        columns = (TextColumn("{task.description:<8}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, console=output.console, auto_refresh=False, transient=True)
        self._live = output.live

    def __enter__(self) -> Self:
        if self._live:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._progress.stop()

    def add(self, name: str, total: int) -> Callable[[int, int], None] | None:
        """A bar; what to call with the bytes sent and received so far. None where nobody watches."""
        if not self._live:
            return None
        task = self._progress.add_task(name, total=total)
        shown = time.perf_counter()

        def tell(sent: int, received: int) -> None:
            nonlocal shown
            done = sent + received
            now = time.perf_counter()
            if now - shown > _REFRESH_INTERVAL or done == total:
                shown = now
                self._progress.update(task, completed=done, refresh=True)

        return tell


def _rate(bytes_per_second: float | None) -> str:
    return "-" if bytes_per_second is None else rate(bytes_per_second)
