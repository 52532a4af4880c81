"""The commands that put load on a connection, or count what many of them cost."""

import gc
import resource
from argparse import Namespace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import anyio
from commands import report, stdin_ended
from hosts import PATIENCE, connected, fresh_diallers

from p2pstack import perf, ping
from p2pstack.abc.events import PeerIdentified

__all__ = ["COMMANDS"]

#: What a transfer that never ends by itself is to carry, and what it carries before anything is measured, in bytes.
ENDLESS = 1 << 60
WARM_UP = 1 << 26

#: Seconds from one ping to the next, so that they meet a transfer at different moments.
PING_INTERVAL = 0.005


async def loaded_ping(options: Namespace) -> None:
    async with connected(options.key, options.target) as (host, connection), anyio.create_task_group() as tasks:
        tasks.start_soon(partial(perf, host, connection, upload_bytes=ENDLESS))
        tasks.start_soon(partial(perf, host, connection, download_bytes=ENDLESS))
        with anyio.fail_after(PATIENCE):
            while min(connection.bytes_sent, connection.bytes_received) < WARM_UP:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        start, moved = perf_counter(), connection.bytes_sent + connection.bytes_received
        pings = ping(host, connection, count=options.count, interval=PING_INTERVAL, timeout=PATIENCE)
        rtts = sorted([rtt async for rtt in pings])
        moved = connection.bytes_sent + connection.bytes_received - moved
        report(
            ping_ms=median(rtts) * 1000,
            p99_ms=rtts[len(rtts) * 99 // 100] * 1000,
            bytes_per_s=moved / (perf_counter() - start),
        )
        tasks.cancel_scope.cancel()


async def fan(options: Namespace) -> None:
    ends: list[float] = []
    async with connected(options.key, options.target) as (host, connection):
        start = perf_counter()

        async def upload() -> None:
            await perf(host, connection, upload_bytes=options.bytes)
            ends.append(perf_counter() - start)

        async with anyio.create_task_group() as tasks:
            for _ in range(options.count):
                tasks.start_soon(upload)
    report(first_s=ends[0], last_s=ends[-1], bytes_per_s=options.count * options.bytes / ends[-1])


async def idle(options: Namespace) -> None:
    async with fresh_diallers(options.key, options.count) as hosts:
        tasks, memory = len(anyio.get_running_tasks()), resident_kib()
        for host in hosts:
            with host.events.subscribe(PeerIdentified) as events, anyio.fail_after(PATIENCE):
                await host.connect(options.target)
                await anext(events)
        report(
            count=options.count,
            tasks_per_connection=(len(anyio.get_running_tasks()) - tasks) / options.count,
            rss_kib_per_connection=(resident_kib() - memory) / options.count,
        )
        await stdin_ended()


def resident_kib() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


COMMANDS = {"loaded-ping": loaded_ping, "fan": fan, "idle": idle}
