"""`p2pstack echo`: standard input through a node and back."""

from hashlib import sha256
from pathlib import Path

import anyio

from p2pstack.cli.hosts import make_host
from p2pstack.cli.output import Output
from p2pstack.cli.pipes import StandardInput, StandardOutput
from p2pstack.cli.run import Failed
from p2pstack.protocols.echo import ECHO

__all__ = ["echo"]


async def echo(output: Output, addr: str, *, key_file: Path | None) -> None:
    """Send standard input, print what comes back; with JSON print how much it was and its hashes instead."""
    source, sink = StandardInput(), StandardOutput()
    sent, received = sha256(), sha256()
    sent_bytes = received_bytes = 0
    complete = False
    async with (
        make_host(key_file) as host,
        await host.open_stream(addr, ECHO) as stream,
        anyio.create_task_group() as tasks,
    ):

        async def upload() -> None:
            nonlocal sent_bytes, complete
            async for chunk in source:
                sent_bytes += len(chunk)
                if output.as_json:
                    sent.update(chunk)
                await stream.send(chunk)
            complete = True
            await stream.send_eof()

        tasks.start_soon(upload)
        async for chunk in stream:
            received_bytes += len(chunk)
            if output.as_json:
                received.update(chunk)
            else:
                await sink.send(chunk)
        tasks.cancel_scope.cancel()  # the peer may have ended before us
    if not complete or received_bytes != sent_bytes:
        raise Failed(f"the peer ended the echo after {received_bytes} of {sent_bytes} bytes")
    output.record(bytes=sent_bytes, sent_sha256=sent.hexdigest(), received_sha256=received.hexdigest())
    if sent.digest() != received.digest():
        raise Failed("the peer sent back other bytes than it was sent")
