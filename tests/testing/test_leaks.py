"""What is left behind is found, and named so that one finds where it came from; what is not left behind is not."""

import os
import socket
from typing import Any

import pytest
from anyio import create_task_group, get_cancelled_exc_class, sleep_forever, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from p2pstack import Host, Memory, MemoryNetwork
from p2pstack.testing import LeakCheck, Leaked


async def test_nothing_left_behind_is_no_leak() -> None:
    async with LeakCheck(), create_task_group() as tasks:
        tasks.start_soon(checkpoint)
        a, b = socket.socketpair()
        a.close()
        b.close()


async def test_a_task_is_named_and_where_it_waits() -> None:
    async with create_task_group() as tasks:
        check = LeakCheck()
        tasks.start_soon(sleep_forever, name="the one that stayed")
        await wait_all_tasks_blocked()
        with pytest.raises(Leaked, match=r"1 thing\(s\) left behind.*\n  task: the one that stayed, at .+:\d+ in "):
            await check.check()
        tasks.cancel_scope.cancel()


async def test_a_task_that_is_about_to_end_has_time_to() -> None:
    async def slow() -> None:
        for _ in range(5):
            await checkpoint()

    async with create_task_group() as tasks:
        check = LeakCheck()
        tasks.start_soon(slow)
        await check.check()


async def test_a_socket_is_named_by_its_addresses() -> None:
    check = LeakCheck()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (leak,) = await check.leaks()
        assert leak.kind == "socket"
        assert f"AF_INET ('127.0.0.1', {port})" in leak.what
        with socket.create_connection(("127.0.0.1", port)):
            assert len(await check.leaks()) == 2
    await check.check()


async def test_a_file_is_named_by_its_path(tmp_path: Any) -> None:
    check = LeakCheck()
    left_open = os.open(tmp_path / "left open", os.O_CREAT)
    (leak,) = await check.leaks()
    os.close(left_open)
    assert leak.kind == "file descriptor"
    assert leak.what.endswith("left open")
    await check.check()


async def test_streams_that_nobody_closed_are_found() -> None:
    network = MemoryNetwork()
    async with LeakCheck(descriptors=False):
        server = Host(listen=["/memory/1"], transports=[Memory(network=network)])

        @server.handle("/wait/1")
        async def wait(stream: Any) -> None:
            await sleep_forever()

        async with server, Host(transports=[Memory(network=network)]) as client:
            await client.connect(server.addrs[0])
            await wait_all_tasks_blocked()
            check = LeakCheck()
            stream = await client.open_stream(server.addrs[0], "/wait/1")
            await wait_all_tasks_blocked()
            leaks = await check.leaks()
            assert "stream" in {leak.kind for leak in leaks}
            assert any("/wait/1" in leak.what for leak in leaks)
            await stream.aclose()


async def test_a_block_that_fails_is_not_checked() -> None:
    async with create_task_group() as tasks:
        with pytest.raises(KeyError):
            async with LeakCheck():
                tasks.start_soon(sleep_forever)
                raise KeyError
        tasks.cancel_scope.cancel()
    assert get_cancelled_exc_class()
