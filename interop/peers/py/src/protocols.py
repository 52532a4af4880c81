"""The protocols that a listening peer serves."""

import hashlib
import sys
from collections.abc import Awaitable, Callable

from libp2p.abc import IHost, INetStream
from transfer import close_write, drain, read_exactly, read_some, send_zeros, write

ECHO = "/echo/1.0.0"
HASH = "/hash/1.0.0"
PERF = "/perf/1.0.0"
PING = "/ipfs/ping/1.0.0"


async def echo(stream: INetStream) -> None:
    while data := await read_some(stream):
        await write(stream, data)


async def hash_all(stream: INetStream) -> None:
    received = hashlib.sha256()
    while data := await read_some(stream):
        received.update(data)
    await write(stream, received.digest())


async def perf(stream: INetStream) -> None:
    answer = int.from_bytes(await read_exactly(stream, 8))
    await drain(stream)
    await send_zeros(stream, answer)


def serve(host: IHost) -> None:
    for protocol, handler in ((ECHO, echo), (HASH, hash_all), (PERF, perf)):
        host.set_stream_handler(protocol, guarded(protocol, handler))


def guarded(protocol: str, handler: Callable[[INetStream], Awaitable[None]]) -> Callable[[INetStream], Awaitable[None]]:
    async def handle(stream: INetStream) -> None:
        # An error that leaves a handler ends the whole connection.
        try:
            await handler(stream)
            await close_write(stream)
            await stream.close()
        except Exception as error:  # noqa: BLE001
            print(f"{protocol}: {error!r}", file=sys.stderr)
            await stream.reset()

    return handle
