"""`p2pstack ping`: round trips to a node."""

from pathlib import Path
from statistics import median

from p2pstack.cli.hosts import make_host
from p2pstack.cli.output import Output, milliseconds
from p2pstack.protocols.ping import ping as pings

__all__ = ["ping"]


async def ping(output: Output, addr: str, *, count: int, interval: float, key_file: Path | None) -> None:
    """Print `count` round-trip times, `interval` seconds apart."""
    times: list[float] = []
    async with make_host(key_file) as host:
        connection = await host.connect(addr)
        output.say(f"{connection.remote_peer} at {connection.remote_addr}")
        async for rtt in pings(host, connection.remote_peer, count=count, interval=interval):
            times.append(rtt)
            output.record(rtt_ms=rtt * 1e3)
            output.say(f"{len(times):>6}  {milliseconds(rtt)}")
    output.say(
        f"{count} round trips: least {milliseconds(min(times))}, median {milliseconds(median(times))}, "
        f"most {milliseconds(max(times))}"
    )
