"""Random bytes sent through a stream, and what comes back."""

import os
from collections.abc import AsyncIterator
from hashlib import sha256

import anyio
from hosts import HASH, PATIENCE

from p2pstack import Connection, Stream

__all__ = ["Failure", "exchange_echo", "exchange_hash", "open_stream"]

CHUNK = 64 * 1024


class Failure(Exception):
    """What a command is there to find out turned out badly."""


async def open_stream(connection: Connection, protocol: str) -> Stream:
    with anyio.fail_after(PATIENCE):
        return await connection.open_stream(protocol)


async def exchange_echo(stream: Stream, size: int) -> tuple[bytes, bytes]:
    """Send while reading what comes back; the SHA-256 of either."""
    sent, received = b"", sha256()

    async def send() -> None:
        nonlocal sent
        sent = await send_random(stream, size)

    async with stream, anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        async for chunk in patient(stream):
            received.update(chunk)
    return sent, received.digest()


async def exchange_hash(connection: Connection, size: int) -> None:
    """Send, close this side, then read the hash."""
    async with await open_stream(connection, HASH) as stream:
        sent = await send_random(stream, size)
        answer = b"".join([chunk async for chunk in patient(stream)])
    if answer != sent:
        raise Failure(f"the hash is {answer.hex()}, not {sent.hex()}")


async def send_random(stream: Stream, size: int) -> bytes:
    """Send so many bytes and close this side; their SHA-256."""
    sent = sha256()
    for start in range(0, size, CHUNK):
        chunk = os.urandom(min(CHUNK, size - start))
        sent.update(chunk)
        with anyio.fail_after(PATIENCE):
            await stream.send(chunk)
    with anyio.fail_after(PATIENCE):
        await stream.send_eof()
    return sent.digest()


async def patient(stream: Stream) -> AsyncIterator[bytes]:
    """The chunks of a stream, each with a deadline of its own."""
    while True:
        with anyio.fail_after(PATIENCE):
            chunk = await anext(stream, b"")
        if not chunk:
            return
        yield chunk
