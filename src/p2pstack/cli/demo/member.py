"""One host of the demo, in a process of its own: `python -m p2pstack.cli.demo.member FILE_BYTES BACKEND`.

It prints who it is, does what it is told on its standard input, prints how that goes, and ends when its input does. All
lines are JSON:

====  =============================================================================================================
out   `{"event": "listening", "peer_id", "addrs"}`
in    `{"call": {name: {"peer_id", "addrs"}}}`: connect to these
out   `{"event": "connected", "to", "addr", "security", "muxer", "rtt_ms"}` for each
in    `{"fetch": [name]}`: fetch the files of these
out   `{"event": "progress", "to", "bytes", "seconds"}` now and then, then `received`, which has also `equal`
in    `{"join": name}`: subscribe, and go by this name
out   `{"event": "failed", "to", "error"}` where a call or a file came to nothing
out   `{"event": "messages", "mesh", "published", "received": {name: count}, "twice", "delays_ms"}` now and then
in    `{"speak": seconds}`: publish a message each so many seconds
in    `{"quiet": true}`: publish no more
====  =============================================================================================================
"""

import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from hashlib import sha256
from statistics import median
from typing import Any

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from p2pstack.abc.connection import Stream
from p2pstack.abc.host import Host
from p2pstack.cli.demo.chatter import Chatter
from p2pstack.cli.hosts import make_host
from p2pstack.cli.output import Output
from p2pstack.cli.pipes import StandardInput
from p2pstack.cli.run import Backend, run
from p2pstack.errors import P2PError
from p2pstack.identity.address import parse_text, split_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.protocols.ping import ping
from p2pstack.pubsub import GossipSub

__all__ = ["FILE", "fetch", "member", "serve"]

#: The answer is the SHA-256 of a file, then the file, to the end of the stream.
FILE = "/file/1.0.0"
_HASH_SIZE = 32
_CHUNK = 65_536
_PINGS = 10
#: between two lines on the progress of a file, in seconds
_REPORT_INTERVAL = 0.1
_MAX_LINE = 65_536

Report = Callable[..., None]


async def member(output: Output, *, file_bytes: int) -> None:
    """Live until standard input ends."""
    file = os.urandom(file_bytes)
    lines = BufferedByteReceiveStream(StandardInput())
    pubsub = GossipSub()
    chatter: Chatter | None = None
    async with make_host(listen=["/ip4/127.0.0.1/tcp/0"], services=[pubsub]) as host:
        host.handle(FILE, handler=partial(serve, file=file, digest=sha256(file).digest()))
        output.listening(host)
        known: dict[str, PeerId] = {}
        async with anyio.create_task_group() as tasks:
            try:
                while True:
                    order = json.loads(await lines.receive_until(b"\n", _MAX_LINE))
                    for name, peer in order.get("call", {}).items():
                        known[name] = _remember(host, peer)
                        tasks.start_soon(_try, _call, partial(output.record, to=name), host, known[name])
                    for name in order.get("fetch", ()):
                        tasks.start_soon(_try, _fetch, partial(output.record, to=name), host, known[name])
                    if name := order.get("join"):
                        chatter = Chatter(pubsub, name)
                        tasks.start_soon(chatter.run, output.record)
                    if chatter is not None and (interval := order.get("speak")):
                        tasks.start_soon(chatter.speak, interval)
                    if chatter is not None and order.get("quiet"):
                        chatter.quiet()
            except anyio.IncompleteRead:
                tasks.cancel_scope.cancel()


async def serve(stream: Stream, *, file: bytes, digest: bytes) -> None:
    """Answer a call with the file."""
    await stream.send(digest)
    for start in range(0, len(file), _CHUNK):
        await stream.send(file[start : start + _CHUNK])


async def fetch(stream: Stream, report: Report) -> None:
    """Read a file; tell how far it is, and whether its hash is the one that came before it."""
    head = b""
    while len(head) < _HASH_SIZE:
        head += await stream.receive()
    stream.unread(head[_HASH_SIZE:])
    received, digest = 0, sha256()
    started = reported = time.perf_counter()
    async for chunk in stream:
        digest.update(chunk)
        received += len(chunk)
        now = time.perf_counter()
        if now - reported > _REPORT_INTERVAL:
            reported = now
            report(event="progress", bytes=received, seconds=now - started)
    equal = digest.digest() == head[:_HASH_SIZE]
    report(event="received", bytes=received, seconds=time.perf_counter() - started, equal=equal)


def _remember(host: Host, peer: Mapping[str, Any]) -> PeerId:
    """From here on the peer's id is enough."""
    peer_id = PeerId.parse(peer["peer_id"])
    host.peerstore.add_addrs(peer_id, [split_peer(parse_text(addr))[0] for addr in peer["addrs"]])
    return peer_id


async def _try(do: Callable[[Report, Host, PeerId], Awaitable[None]], report: Report, host: Host, peer: PeerId) -> None:
    """A failure is told on standard output like all else: when the demo is interrupted nobody wants to know."""
    try:
        await do(report, host, peer)
    except P2PError as error:
        report(event="failed", error=str(error))


async def _call(report: Report, host: Host, peer: PeerId) -> None:
    connection = await host.connect(peer)
    times = [rtt async for rtt in ping(host, peer, count=_PINGS, interval=0)]
    report(
        event="connected",
        addr=str(connection.remote_addr),
        security=connection.security,
        muxer=connection.muxer,
        rtt_ms=median(times) * 1e3,
    )


async def _fetch(report: Report, host: Host, peer: PeerId) -> None:
    async with await host.open_stream(peer, FILE) as stream:
        await fetch(stream, report)


if __name__ == "__main__":
    size, backend = int(sys.argv[1]), Backend(sys.argv[2])
    sys.exit(run(lambda: member(Output(as_json=True), file_bytes=size), backend=backend, serves=True))
