"""The app for the harness's perf tests: how fast do bytes go up and down, and how long does a byte take there and back?

What it is to do stands in the environment (settings.py, and UPLOAD_BYTES, DOWNLOAD_BYTES, UPLOAD_ITERATIONS,
DOWNLOAD_ITERATIONS, LATENCY_ITERATIONS). The dialer's result is the only thing on stdout.

A stream of the specification's `/perf/1.0.0` begins with 8 bytes: how much to send back. Some of the harness's own
images, that of rust among them, speak a form that begins with 16: how much will come, how much to send back. Nothing on
the wire tells the two apart, so both ends have to be started with the same one.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from time import perf_counter

import long_perf
from anyio import to_thread
from boxplot import BoxPlot
from meeting import leave_in_string, wait_for_string
from roles import log, make_host, run, serve
from settings import Settings, number

from p2pstack import Perf
from p2pstack import perf as exchange
from p2pstack.protocols.perf import PERF

GIB = 1 << 30


async def perf(settings: Settings, options: Namespace) -> None:
    long_form = options.header_bytes == 16
    if not settings.is_dialer:
        host = make_host(settings, [] if long_form else [Perf()])
        if long_form:
            host.handle(PERF, handler=long_perf.answer)
        await serve(host, settings, leave_in_string)
        return

    address = await to_thread.run_sync(wait_for_string, settings)
    async with make_host(settings) as host:
        connection = await host.connect(address)
        log.info("connected to %s", address)

        async def timed(upload: int, download: int) -> float:
            """Seconds from before the stream is opened until the answer has ended."""
            start = perf_counter()
            if long_form:
                await long_perf.exchange(connection, upload, download)
            else:
                await exchange(host, connection, upload_bytes=upload, download_bytes=download)
            return perf_counter() - start

        upload, download = number(os.environ, "UPLOAD_BYTES", GIB), number(os.environ, "DOWNLOAD_BYTES", GIB)
        ups = [await timed(upload, 0) for _ in range(number(os.environ, "UPLOAD_ITERATIONS", 10))]
        downs = [await timed(0, download) for _ in range(number(os.environ, "DOWNLOAD_ITERATIONS", 10))]
        times = [await timed(1, 1) for _ in range(number(os.environ, "LATENCY_ITERATIONS", 100))]

    print(BoxPlot.of([upload * 8e-9 / seconds for seconds in ups]).to_yaml("upload", unit="Gbps", digits=2))
    print(BoxPlot.of([download * 8e-9 / seconds for seconds in downs]).to_yaml("download", unit="Gbps", digits=2))
    print(BoxPlot.of([seconds * 1e3 for seconds in times]).to_yaml("latency", unit="ms", digits=3))


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--header-bytes", type=int, choices=(8, 16), default=8)
    sys.exit(run(perf, parser))
