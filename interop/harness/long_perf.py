"""The form of perf that begins with 16 bytes: how many bytes will come, and how many to send back."""

import struct

from p2pstack import Connection, RemoteProtocolError, Stream
from p2pstack.protocols.perf import PERF

__all__ = ["answer", "exchange"]

HEADER = struct.Struct(">QQ")
ZEROS = bytes(64 * 1024)


async def answer(stream: Stream) -> None:
    """Serve one stream: the answer begins as soon as all that was announced is there."""
    data = b""
    while len(data) < HEADER.size:
        data += await stream.receive()
    announced, wanted = HEADER.unpack_from(data)
    received = len(data) - HEADER.size
    while received < announced:
        received += len(await stream.receive())
    await send_zeros(stream, wanted)


async def exchange(connection: Connection, upload: int, download: int) -> None:
    """Send so many bytes, then read as many as were asked for."""
    async with await connection.open_stream(PERF) as stream:
        await stream.send(HEADER.pack(upload, download))
        await send_zeros(stream, upload)
        await stream.send_eof()
        received = sum([len(chunk) async for chunk in stream])
    if received != download:
        raise RemoteProtocolError(f"perf: expected {download} bytes from {connection.remote_peer}, got {received}")


async def send_zeros(stream: Stream, size: int) -> None:
    for _ in range(size // len(ZEROS)):
        await stream.send(ZEROS)
    if size % len(ZEROS):
        await stream.send(ZEROS[: size % len(ZEROS)])
