"""What is measured. Each measure takes part once a round and returns figures by name; the median over the rounds
counts.

A figure's name is `WHAT CLIENT>LISTENER`, such as `upload go-libp2p>p2pstack asyncio`, or `WHAT WHO` where both ends
are the same.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bench import gossip
from bench.contenders import Contender
from bench.programs import client, idle_client, listener

__all__ = ["MEASURES", "Figures", "Measure", "Plan"]

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much work a run is."""

    bytes: int = 1 << 30
    streams: int = 300
    connects: int = 100
    idle: int = 1000
    accepted: int = 1500
    messages: int = 20_000
    mesh_seconds: float = 10.0


Work = Callable[[list[Contender], Plan], Iterable[tuple[str, Callable[[], Figures]]]]


@dataclass(frozen=True, slots=True)
class Measure:
    """A kind of measurement. `work` lists the single measurements of one round, each with a label to show."""

    name: str
    work: Work


def _ours(everybody: list[Contender]) -> list[Contender]:
    return [contender for contender in everybody if contender.ours]


def _named(everybody: list[Contender], *names: str) -> list[Contender]:
    return [contender for contender in everybody if contender.name in names]


def _perf(dialer: Contender, server: Contender, size: int, *options: str) -> tuple[float, float]:
    with listener(server, *options) as up:
        amount = str(size)
        lines = client(dialer, "perf", up.addr, "--upload-bytes", amount, "--download-bytes", amount, *options)
        return lines[-1]["upload_bytes_per_s"] / 1e6, lines[-1]["download_bytes_per_s"] / 1e6


def bulk(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """1 GiB up and down, both ends the same, in writes of 64 KiB. MB/s."""
    for who in everybody:

        def work(who: Contender = who) -> Figures:
            up, down = _perf(who, who, int(plan.bytes * who.scale))
            return {f"upload {who.name}": up, f"download {who.name}": down}

        yield who.name, work


def mixed_bulk(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """The same between p2pstack and go or rust, in both roles. MB/s."""
    for other in _named(everybody, "go-libp2p", "rust-libp2p"):
        for mine in _ours(everybody):
            for dialer, server in ((mine, other), (other, mine)):

                def work(dialer: Contender = dialer, server: Contender = server) -> Figures:
                    up, down = _perf(dialer, server, plan.bytes // 2)
                    pair = f"{dialer.name}>{server.name}"
                    return {f"upload {pair}": up, f"download {pair}": down}

                yield f"{dialer.name} > {server.name}", work


def small_writes(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """Bulk in writes of 1 KiB. MB/s."""
    for who in _ours(everybody):

        def work(who: Contender = who) -> Figures:
            up, down = _perf(who, who, plan.bytes // 4, "--chunk", "1024")
            return {f"upload 1 KiB {who.name}": up, f"download 1 KiB {who.name}": down}

        yield who.name, work


def latency(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """New stream and 1 byte each way; ping. ms."""
    for who in everybody:

        def work(who: Contender = who) -> Figures:
            with listener(who) as up:
                count = max(50, int(plan.streams * who.scale))
                line = client(who, "latency", up.addr, "--count", str(count))[-1]
                return {f"stream {who.name}": line["stream_ms"], f"ping {who.name}": line["ping_ms"]}

        yield who.name, work


def loaded_ping(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """Ping while bulk transfers run on the same connection. ms."""
    for who in _ours(everybody):

        def work(who: Contender = who) -> Figures:
            with listener(who) as up:
                line = client(who, "loaded-ping", up.addr, "--count", "200")[-1]
                return {f"loaded ping {who.name}": line["ping_ms"]}

        yield who.name, work


def connect(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """TCP, negotiation, Noise, yamux, until usable. ms."""
    for who in everybody:

        def work(who: Contender = who) -> Figures:
            with listener(who) as up:
                count = max(20, int(plan.connects * who.scale))
                return {f"connect {who.name}": client(who, "connect", up.addr, "--count", str(count))[-1]["connect_ms"]}

        yield who.name, work


def accept(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """Connections accepted a second by a process that has one core, dialled by rust on the other core; and by CPU time:
    what one core could accept if the dialler never kept it waiting. 1/s."""
    dialers = _named(everybody, "rust-libp2p")
    for who in everybody if dialers else []:

        def work(who: Contender = who) -> Figures:
            with listener(who, core=0) as up:
                count = max(50, int(plan.accepted * who.scale))
                before = up.cpu_seconds
                line = client(dialers[0], "connect", up.addr, "--count", str(count), "--parallel", "16", core=1)[-1]
                spent = up.cpu_seconds - before
                return {f"accept {who.name}": line["per_second"], f"accept per CPU second {who.name}": count / spent}

        yield who.name, work


def idle(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """Memory of an idle connection at the listening end, and for p2pstack at the dialling end too, with its tasks."""
    for who in everybody:
        if who.scale < 1:
            continue

        def work(who: Contender = who) -> Figures:
            with listener(who) as up:
                with idle_client(who, up.addr, 20):
                    pass
                before = up.rss
                with idle_client(who, up.addr, plan.idle) as line:
                    time.sleep(1)
                    figures = {f"idle KiB {who.name}": (up.rss - before) / plan.idle / 1024}
                    if "tasks_per_connection" in line:
                        figures[f"idle tasks {who.name}"] = line["tasks_per_connection"]
                    return figures

        yield who.name, work


def fan(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """64 streams at once on one connection: how far apart they end, and their rate together."""
    for who in _ours(everybody):

        def work(who: Contender = who) -> Figures:
            with listener(who) as up:
                size = plan.bytes
                line = client(who, "fan", up.addr, "--count", "64", "--bytes", str(size // 64))[-1]
                single, _ = _perf(who, who, size)
                return {
                    f"fan spread {who.name}": 1 - line["first_s"] / line["last_s"],
                    f"fan rate {who.name}": line["bytes_per_s"] / 1e6,
                    f"fan single {who.name}": single,
                }

        yield who.name, work


def import_time(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    """Seconds that `import p2pstack` and naming `Host` add to a bare interpreter."""

    def timed(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    def work() -> Figures:
        bare = min(timed("pass") for _ in range(5))
        return {"import": min(timed("import p2pstack; p2pstack.Host") for _ in range(5)) - bare}

    yield "p2pstack", work


def _gossip(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    yield from gossip.hop(everybody, plan.messages)


def _mixed_gossip(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    yield from gossip.mixed_hop(everybody, plan.messages)
    yield from gossip.middle(everybody, plan.messages)


def _mesh(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    yield from gossip.mesh(everybody, plan.mesh_seconds)


def _router(everybody: list[Contender], plan: Plan) -> Iterable[tuple[str, Callable[[], Figures]]]:
    return gossip.router() if _ours(everybody) else ()


MEASURES = (
    Measure("bulk", bulk),
    Measure("mixed bulk", mixed_bulk),
    Measure("small writes", small_writes),
    Measure("latency", latency),
    Measure("loaded ping", loaded_ping),
    Measure("connect", connect),
    Measure("accept", accept),
    Measure("idle", idle),
    Measure("fan", fan),
    Measure("import", import_time),
    Measure("pubsub", _gossip),
    Measure("mixed pubsub", _mixed_gossip),
    Measure("pubsub mesh", _mesh),
    Measure("pubsub router", _router),
)
