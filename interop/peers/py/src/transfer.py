"""Reading and writing streams, with a deadline for each single wait."""

import hashlib
import math
import os

import trio
from libp2p.abc import INetStream
from libp2p.network.stream.exceptions import StreamEOF

PATIENCE = 30.0
CHUNK = 64 * 1024

# What perf sends: making up data would be part of the measured time.
ZEROS = bytes(CHUNK)


async def read_some(stream: INetStream, patience: float = PATIENCE) -> bytes:
    """Read what is there; b"" is the end of the stream."""
    try:
        with trio.fail_after(patience):
            return await stream.read(CHUNK)
    except StreamEOF:
        return b""


async def read_exactly(stream: INetStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        with trio.fail_after(PATIENCE):
            try:
                data += await stream.read(size - len(data))
            except StreamEOF:
                raise EOFError(f"the stream ended after {len(data)} of {size} bytes") from None
    return data


async def write(stream: INetStream, data: bytes, patience: float = PATIENCE) -> None:
    with trio.fail_after(patience):
        await stream.write(data)


async def close_write(stream: INetStream) -> None:
    with trio.fail_after(PATIENCE):
        await stream.close_write()


async def send_random(stream: INetStream, size: int) -> bytes:
    """Send random bytes, close the stream for writing, and return the SHA-256 of what was sent."""
    sent = hashlib.sha256()
    for start in range(0, size, CHUNK):
        chunk = os.urandom(min(CHUNK, size - start))
        sent.update(chunk)
        await write(stream, chunk)
    await close_write(stream)
    return sent.digest()


async def send_zeros(stream: INetStream, size: int) -> None:
    for _ in range(size // CHUNK):
        await stream.write(ZEROS)
    if size % CHUNK:
        await stream.write(ZEROS[: size % CHUNK])


async def drain(stream: INetStream) -> int:
    """Read to the end of the stream and return how much there was."""
    total = 0
    while data := await read_some(stream, math.inf):
        total += len(data)
    return total
