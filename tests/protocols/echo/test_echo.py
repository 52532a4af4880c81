"""Every byte comes back."""

from collections.abc import Callable
from random import Random

from anyio import create_task_group

from p2pstack import Echo, Host
from p2pstack.protocols.echo import ECHO


async def test_every_byte_comes_back_in_order(new_host: Callable[..., Host]) -> None:
    data = Random(1).randbytes(3_000_000)
    async with new_host(1, services=[Echo()]) as server, new_host() as client, create_task_group() as tasks:
        stream = await client.open_stream(server.addrs, ECHO)

        async def send() -> None:
            await stream.send(data)
            await stream.send_eof()

        tasks.start_soon(send)
        assert b"".join([chunk async for chunk in stream]) == data
