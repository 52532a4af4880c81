"""What is over is freed at once. What leads in a circle would stay until the collector searches all there is for it:
that took a quarter of the time of a process that makes many connections."""

import gc
from collections.abc import Callable, Iterator

import pytest
from anyio import fail_after, wait_all_tasks_blocked

from p2pstack import Host, Stream
from p2pstack.abc.events import ConnectionEnded, PeerIdentified

TIMES = 10
#: Objects: the smallest circle there was, of a key and its peer id, left ten each time.
FEW = 3 * TIMES


@pytest.fixture
def garbage() -> Iterator[Callable[[], int]]:
    """Counts the objects that only a search frees, since it was called last."""
    gc.collect()
    gc.disable()
    yield gc.collect
    gc.enable()


async def echo(stream: Stream) -> None:
    async for chunk in stream:
        await stream.send(chunk)


@pytest.mark.parametrize("transport", ["/ip4/127.0.0.1/tcp/0", "/memory/1"])
async def test_connections_and_streams_leave_nothing_to_search_for(
    transport: str, new_host: Callable[..., Host], garbage: Callable[[], int]
) -> None:
    server = new_host()
    server.handle("/echo/1.0.0", handler=echo)
    async with server, new_host() as client:
        (addr,) = await server.listen(transport)
        kinds = (PeerIdentified, ConnectionEnded)
        with fail_after(20), server.events.subscribe(*kinds) as there, client.events.subscribe(*kinds) as here:
            for time in range(TIMES + 1):
                if time == 1:
                    garbage()  # what the first time leaves is there once
                connection = await client.connect(addr)
                await anext(here)
                await anext(there)
                for _ in range(2):
                    async with await connection.open_stream("/echo/1.0.0") as stream:
                        await stream.send(b"hello")
                        assert await stream.receive() == b"hello"
                        await stream.send_eof()
                        assert [chunk async for chunk in stream] == []
                async with await connection.open_stream("/echo/1.0.0") as stream:
                    await stream.send(b"whose answer nobody reads")
                await connection.aclose()
                del connection, stream
                await anext(here)
                await anext(there)
                await wait_all_tasks_blocked()
            assert garbage() < FEW
