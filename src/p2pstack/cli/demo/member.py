"""One host of the demo, in a process of its own: `python -m p2pstack.cli.demo.member FILE_BYTES BACKEND`.

It prints who it is, reads one line that says who the others are and whom to call, calls them, prints how that goes, and
serves until its standard input ends. All lines are JSON:

-  out: `{"event": "listening", "peer_id", "addrs"}`
-  in: `{"peers": {name: {"peer_id", "addrs"}}, "call": [name, ...]}`
-  out, for each call: `connected`, any number of `progress`, `received`, `measured`, each with `to`
"""

import json
import os
import sys
import time
from functools import partial
from hashlib import sha256
from statistics import median
from typing import Any

import anyio

from p2pstack.abc.connection import Stream
from p2pstack.abc.host import Host
from p2pstack.cli.hosts import make_host
from p2pstack.cli.output import Output
from p2pstack.cli.pipes import StandardInput
from p2pstack.cli.run import Backend, Failed, run
from p2pstack.identity.address import parse_text, split_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.protocols.ping import ping

__all__ = ["FILE", "fetch", "member", "serve"]

#: The answer is the SHA-256 of a file, then the file, to the end of the stream.
FILE = "/file/1.0.0"
_HASH_SIZE = 32
_CHUNK = 65_536
_PINGS = 10
#: between two lines on the progress of a file, in seconds
_REPORT_INTERVAL = 0.1


async def member(output: Output, *, file_bytes: int) -> None:
    """Live until standard input ends."""
    file = os.urandom(file_bytes)
    orders = StandardInput()
    async with make_host(None, listen=["/ip4/127.0.0.1/tcp/0"]) as host:
        host.handle(FILE, handler=partial(serve, file=file, digest=sha256(file).digest()))
        output.record(event="listening", peer_id=str(host.peer_id), addrs=[str(addr) for addr in host.addrs])
        order = json.loads(await _line(orders))
        async with anyio.create_task_group() as tasks:
            for name in order["call"]:
                tasks.start_soon(_call, output, host, name, order["peers"][name])
            async for _ in orders:
                pass
            tasks.cancel_scope.cancel()


async def serve(stream: Stream, *, file: bytes, digest: bytes) -> None:
    """Answer a call with the file."""
    await stream.send(digest)
    for start in range(0, len(file), _CHUNK):
        await stream.send(file[start : start + _CHUNK])


async def fetch(stream: Stream, report: partial[None]) -> bool:
    """Read a file; whether its hash is the one that came before it. `report` is told how far it is."""
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
    return equal


async def _call(output: Output, host: Host, name: str, peer: dict[str, Any]) -> None:
    report = partial(output.record, to=name)
    peer_id = PeerId.parse(peer["peer_id"])
    host.peerstore.add_addrs(peer_id, [split_peer(parse_text(addr))[0] for addr in peer["addrs"]])
    async with await host.open_stream(peer_id, FILE) as stream:
        connection = stream.connection
        report(
            event="connected",
            addr=str(connection.remote_addr),
            security=connection.security,
            muxer=connection.muxer,
        )
        if not await fetch(stream, report):
            raise Failed(f"the file of {name} came with another hash than it left with")
    times = [rtt async for rtt in ping(connection, count=_PINGS)]
    report(event="measured", rtt_ms=median(times) * 1e3)


async def _line(source: StandardInput) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        line += await source.receive()
    return line


if __name__ == "__main__":
    size, backend = int(sys.argv[1]), Backend(sys.argv[2])
    sys.exit(run(lambda: member(Output(as_json=True), file_bytes=size), backend=backend, serves=True))
