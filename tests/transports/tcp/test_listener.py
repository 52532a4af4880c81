"""The accept loop."""

import errno
import os
import socket
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from anyio import ClosedResourceError, EndOfStream, create_task_group, fail_after, move_on_after, wait_all_tasks_blocked
from multiaddr import Multiaddr

from p2pstack.transports.tcp import Tcp
from p2pstack.transports.tcp.listener import TcpListener
from p2pstack.transports.tcp.stream import SocketStream, connect


async def _listen(upgrader: Any, addr: str = "/ip4/127.0.0.1/tcp/0") -> TcpListener:
    return await Tcp().listen(Multiaddr(addr), upgrader=upgrader)


def _port(listener: TcpListener) -> int:
    return int(str(listener.addrs[0]).rpartition("/")[2])


async def _dial(listener: TcpListener) -> SocketStream:
    return await connect(socket.AF_INET, ("127.0.0.1", _port(listener)))


async def test_accepts_and_upgrades(upgrader: Any) -> None:
    async with await _listen(upgrader) as listener:
        client = await _dial(listener)
        arrival = await listener.accept()
        assert arrival.remote_ip == "127.0.0.1"
        assert arrival.endpoints.local == listener.addrs[0]
        assert arrival.endpoints.remote == Multiaddr(f"/ip4/127.0.0.1/tcp/{client.local_address[1]}")
        stream: Any = await arrival.upgrade()
        await client.send(b"hello")
        assert await stream.receive() == b"hello"
        await client.aclose()
        await stream.aclose()


async def test_accepted_sockets_have_no_delay(upgrader: Any) -> None:
    async with await _listen(upgrader) as listener:
        client = await _dial(listener)
        arrival = await listener.accept()
        assert arrival._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        arrival.abort()
        await client.aclose()


async def test_an_aborted_arrival_is_closed(upgrader: Any) -> None:
    async with await _listen(upgrader) as listener:
        client = await _dial(listener)
        (await listener.accept()).abort()
        with pytest.raises(EndOfStream):
            await client.receive()
        await client.aclose()


async def test_a_failed_upgrade_says_why(upgrader: Any) -> None:
    upgrader.failure = TimeoutError("too slow")
    async with await _listen(upgrader) as listener:
        client = await _dial(listener)
        with pytest.raises(TimeoutError, match="too slow"):
            await (await listener.accept()).upgrade()
        await client.aclose()


async def test_waits_for_the_next(upgrader: Any) -> None:
    async with await _listen(upgrader) as listener, create_task_group() as tasks:
        accepted: list[Any] = []

        async def accept() -> None:
            while len(accepted) < 3:
                accepted.append(await listener.accept())

        tasks.start_soon(accept)
        await wait_all_tasks_blocked()
        clients = [await _dial(listener) for _ in range(3)]
        with fail_after(20):
            while len(accepted) < 3:
                await wait_all_tasks_blocked()
        for arrival in accepted:
            arrival.abort()
        for client in clients:
            await client.aclose()


async def test_a_cancelled_accept_loses_nobody(upgrader: Any) -> None:
    async with await _listen(upgrader) as listener:
        with move_on_after(0.01):
            await listener.accept()
        client = await _dial(listener)
        (await listener.accept()).abort()
        await client.aclose()


async def test_closing_ends_who_waits(upgrader: Any) -> None:
    listener = await _listen(upgrader)

    async def fail() -> None:
        with pytest.raises(ClosedResourceError):
            await listener.accept()

    with fail_after(20):
        async with create_task_group() as tasks:
            tasks.start_soon(fail)
            await wait_all_tasks_blocked()
            await listener.aclose()
            await listener.aclose()
        await fail()


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.EPERM])
async def test_a_connection_that_died_in_the_queue_is_passed_over(
    upgrader: Any, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    async with await _listen(upgrader) as listener:
        real = listener._socket
        errors = [OSError(number, os.strerror(number)) for _ in range(3)]

        class Failing:
            def accept(self) -> Any:
                if errors:
                    raise errors.pop()
                return real.accept()

            def fileno(self) -> int:
                return real.fileno()

        monkeypatch.setattr(listener, "_socket", Failing())
        client = await _dial(listener)
        (await listener.accept()).abort()
        assert listener.exhausted == 0
        monkeypatch.undo()
        await client.aclose()


async def test_an_error_that_will_not_pass_closes(upgrader: Any) -> None:
    async with await _listen(upgrader) as listener:
        listener._socket.shutdown(socket.SHUT_RDWR)
        with pytest.raises(ClosedResourceError):
            await listener.accept()


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_a_process_out_of_file_descriptors_accepts_again_once_it_has_some(backend: str) -> None:
    program = textwrap.dedent(
        """
        import os, resource, socket, sys
        import anyio
        from multiaddr import Multiaddr
        from p2pstack.transports.tcp import Tcp
        from p2pstack.transports.tcp.stream import connect

        async def main():
            listener = await Tcp().listen(Multiaddr("/ip4/127.0.0.1/tcp/0"), upgrader=None)
            port = int(str(listener.addrs[0]).rpartition("/")[2])
            clients = [await connect(socket.AF_INET, ("127.0.0.1", port)) for _ in range(10)]
            used = max(int(name) for name in os.listdir("/proc/self/fd")) + 1
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + 3, used + 3))
            arrivals = []

            async def accept():
                while len(arrivals) < 10:
                    arrivals.append(await listener.accept())

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(accept)
                with anyio.fail_after(30):
                    while listener.exhausted < 3:
                        await anyio.sleep(0)
                    held = len(arrivals)
                    assert 0 < held < 10, held
                    for arrival in arrivals:
                        arrival.abort()
                    while len(arrivals) < 10:
                        for arrival in arrivals[held:]:
                            arrival.abort()
                        held = len(arrivals)
                        await anyio.sleep(0)
            print("accepted", len(arrivals))

        backend = sys.argv[1]
        anyio.run(
            main,
            backend="trio" if backend == "trio" else "asyncio",
            backend_options={"use_uvloop": True} if backend == "uvloop" else {},
        )
        """
    )
    result = subprocess.run([sys.executable, "-c", program, backend], capture_output=True, text=True, timeout=50)
    assert result.stdout.strip() == "accepted 10", result.stderr


async def test_an_accepted_connection_is_not_read_before_anybody_asks(upgrader: Any) -> None:
    async with await _listen(upgrader) as listener:
        client = await _dial(listener)
        total, taken = 32 << 20, 0

        async def send() -> None:
            nonlocal taken
            while taken < total:
                await client.send(bytes(65_536))
                taken += 65_536

        async with create_task_group() as tasks:
            tasks.start_soon(send)
            stream: Any = await (await listener.accept()).upgrade()
            await wait_all_tasks_blocked()
            assert taken < total // 2
            received = 0
            while received < total:
                received += len(await stream.receive_view())
        await client.aclose()
        await stream.aclose()
