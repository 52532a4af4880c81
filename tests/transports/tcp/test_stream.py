"""The byte stream on a socket."""

import errno
import hashlib
import random
import socket
from collections.abc import Callable
from struct import pack
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    BusyResourceError,
    ClosedResourceError,
    EndOfStream,
    create_task_group,
    fail_after,
    move_on_after,
    wait_all_tasks_blocked,
)
from anyio.abc import SocketAttribute

from p2pstack.transports.tcp.stream import SocketStream, connect


def _reset_on_close(stream: SocketStream) -> None:
    """Have the kernel send RST instead of FIN."""
    stream.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))


async def _fails(expected: type[Exception], call: Any, *args: Any) -> None:
    with pytest.raises(expected):
        await call(*args)


RECEIVERS = ["receive", "receive_view", "pump"]


async def _receive_by(stream: SocketStream, how: str) -> bytes:
    if how == "pump":
        received: list[bytes] = []

        def take(view: memoryview) -> bool:
            received.append(bytes(view))
            return False

        await stream.pump(take)
        return received[0]
    return bytes(await getattr(stream, how)())


@pytest.mark.parametrize("how", RECEIVERS)
async def test_bytes_and_their_end_go_both_ways(streams: Any, how: str) -> None:
    async with streams() as (one, other):
        await one.send(b"there")
        assert await _receive_by(other, how) == b"there"
        await other.send(b"back")
        assert await _receive_by(one, how) == b"back"
        await one.send_eof()
        with pytest.raises(EndOfStream):
            await _receive_by(other, how)
        await other.send(b"still")
        assert await _receive_by(one, how) == b"still"


async def test_sends_any_buffer_and_nothing(streams: Any) -> None:
    async with streams() as (one, other):
        for item in (b"", b"a", bytearray(b"b"), memoryview(b"c")):
            await one.send(item)
        await one.send_eof()
        assert b"".join([chunk async for chunk in other]) == b"abc"


async def test_receives_no_more_than_asked(streams: Any) -> None:
    async with streams() as (one, other):
        await one.send(b"abcdef")
        assert await other.receive(2) == b"ab"
        other.unread(b"ab")
        other.unread(b"")
        assert [await other.receive(1), await other.receive(10), await other.receive(10)] == [b"a", b"b", b"cdef"]


@pytest.mark.parametrize("how", RECEIVERS)
async def test_what_was_read_too_far_comes_first(streams: Any, how: str) -> None:
    async with streams() as (one, other):
        await one.send(b"head")
        assert await other.receive() == b"head"
        other.unread(b"ad")
        other.unread(b"he")
        assert await _receive_by(other, how) == b"head"
        await one.send(b"body")
        assert await _receive_by(other, how) == b"body"


async def test_a_pump_gives_all_that_comes_until_told_to_stop(streams: Any) -> None:
    async with streams() as (one, other):
        data = random.Random(1).randbytes(5_000_000)
        received = bytearray()

        def take(view: memoryview) -> bool:
            received.extend(view)
            return len(received) < len(data)

        async with create_task_group() as tasks:
            tasks.start_soon(one.send, data)
            await other.pump(take)
        assert received == data
        await one.send(b"more")
        assert await other.receive() == b"more"


async def test_an_error_of_who_takes_comes_out_of_the_pump(streams: Any) -> None:
    async with streams() as (one, other):

        def take(view: memoryview) -> bool:
            raise RuntimeError("mine")

        await one.send(b"x")
        with pytest.raises(RuntimeError, match="mine"):
            await other.pump(take)
        await one.send(b"y")
        assert await other.receive() == b"y"


async def test_a_cancelled_pump_lets_another_receive(streams: Any) -> None:
    async with streams() as (one, other):
        with move_on_after(0.01):
            await other.pump(lambda view: True)
        await one.send(b"x")
        assert await other.receive() == b"x"


async def test_large_data_arrives_whole_at_a_slow_reader(streams: Any) -> None:
    async with streams() as (one, other):
        data = random.Random(1).randbytes(1 << 20) * 20
        digest = hashlib.sha256()

        async def send() -> None:
            await one.send(data)
            await one.send_eof()

        async with create_task_group() as tasks:
            tasks.start_soon(send)
            await wait_all_tasks_blocked()
            async for chunk in other:
                digest.update(chunk)
                await wait_all_tasks_blocked()
        assert digest.digest() == hashlib.sha256(data).digest()


async def test_what_is_sent_at_once_is_what_the_kernel_takes(streams: Any, until: Any) -> None:
    async with streams() as (one, other):
        assert one.send_nowait(b"abc") == 3
        assert await other.receive() == b"abc"
        while one.send_nowait(bytes(1 << 20)):
            pass
        async with create_task_group() as tasks:
            tasks.start_soon(one.send, b"x")
            await wait_all_tasks_blocked()
            assert one.send_nowait(b"y") == 0
            received = b""
            while not received.endswith(b"x"):
                received = await other.receive()
        await other.aclose()
        await one.aclose()
        assert one.send_nowait(b"z") == 0


async def test_a_cancelled_receive_loses_no_byte(streams: Any) -> None:
    async with streams() as (one, other):
        data = random.Random(1).randbytes(1_000_000)
        received = b""
        rng = random.Random(2)
        async with create_task_group() as tasks:
            tasks.start_soon(one.send, data)
            while len(received) < len(data):
                with move_on_after(rng.choice([0, 0.0001])):
                    received += await _receive_by(other, rng.choice(["receive", "receive_view"]))
        assert received == data


# --- one task for each direction


@pytest.mark.parametrize("first", RECEIVERS)
@pytest.mark.parametrize("second", RECEIVERS)
async def test_one_task_receives_at_a_time(streams: Any, first: str, second: str) -> None:
    async with streams() as (one, other), create_task_group() as tasks:
        tasks.start_soon(_receive_by, other, first)
        await wait_all_tasks_blocked()
        with pytest.raises(BusyResourceError):
            await _receive_by(other, second)
        await one.send(b"x")


async def test_one_task_sends_at_a_time(streams: Any) -> None:
    async with streams() as (one, _), create_task_group() as tasks:
        tasks.start_soon(one.send, bytes(32 << 20))
        await wait_all_tasks_blocked()
        with pytest.raises(BusyResourceError):
            await one.send(b"x")
        tasks.cancel_scope.cancel()


# --- ends


@pytest.mark.parametrize("how", RECEIVERS)
async def test_a_reset_breaks_receiving_and_sending(streams: Any, how: str) -> None:
    async with streams() as (one, other):
        _reset_on_close(one)
        await one.aclose()
        with pytest.raises(BrokenResourceError, match="the connection broke: Connection reset by peer"):
            await _receive_by(other, how)
        with pytest.raises(BrokenResourceError, match="the connection broke"):
            await other.send(b"x")


async def test_sending_to_a_peer_that_closed_breaks(streams: Any) -> None:
    async with streams() as (one, other):
        await other.aclose()
        with fail_after(20), pytest.raises(BrokenResourceError):
            await one.send(bytes(64 << 20))


@pytest.mark.parametrize("how", RECEIVERS)
async def test_a_reset_that_follows_the_end_leaves_what_came(streams: Any, how: str) -> None:
    async with streams() as (one, other):
        await one.send(b"last")
        await one.send_eof()
        _reset_on_close(one)
        await one.aclose()
        assert await _receive_by(other, how) == b"last"
        with pytest.raises(EndOfStream):
            await _receive_by(other, how)


@pytest.mark.parametrize("how", RECEIVERS)
async def test_a_reset_that_comes_with_data_is_noticed_behind_it(streams: Any, how: str) -> None:
    async with streams() as (one, other):
        received = bytearray()
        async with create_task_group() as tasks:

            async def receive() -> None:
                with pytest.raises((BrokenResourceError, EndOfStream)), fail_after(20):
                    while how != "pump":
                        received.extend(await getattr(other, how)())
                    await other.pump(lambda view: not received.extend(view))

            tasks.start_soon(receive)
            await wait_all_tasks_blocked()
            _reset_on_close(one)
            assert one.send_nowait(b"last") == 4
            one.close()
        assert received == b"last"


@pytest.mark.parametrize("how", RECEIVERS)
async def test_a_closed_stream_says_so(streams: Any, how: str) -> None:
    async with streams() as (one, _):
        await one.aclose()
        await one.aclose()
        with pytest.raises(ClosedResourceError):
            await _receive_by(one, how)
        with pytest.raises(ClosedResourceError):
            await one.send(b"x")
        with pytest.raises(ClosedResourceError):
            await one.send_eof()


async def test_a_stream_closed_after_a_burst_says_so(streams: Any) -> None:
    async with streams() as (one, other):
        await one.send(bytes(100_000))
        assert await other.receive_view()
        await other.aclose()
        with pytest.raises(ClosedResourceError):
            await other.receive_view()


@pytest.mark.parametrize("how", RECEIVERS)
async def test_closing_ends_the_tasks_that_wait(streams: Any, how: str) -> None:
    async with streams() as (one, _):
        with fail_after(20):
            async with create_task_group() as tasks:
                tasks.start_soon(_fails, ClosedResourceError, _receive_by, one, how)
                tasks.start_soon(_fails, ClosedResourceError, one.send, bytes(32 << 20))
                await wait_all_tasks_blocked()
                await one.aclose()


async def test_ending_a_direction_twice_or_after_the_peer_left_is_no_error(streams: Any) -> None:
    async with streams() as (one, other):
        await one.send_eof()
        await one.send_eof()
        _reset_on_close(other)
        await other.aclose()
        with pytest.raises(BrokenResourceError):
            await one.receive()
        await one.send_eof()


# --- backpressure


async def test_a_reader_that_does_not_read_stops_the_sender_within_the_kernels_buffers(
    streams: Any, until: Any
) -> None:
    async with streams() as (one, other):
        total = 32 << 20
        taken = 0

        async def send() -> None:
            nonlocal taken
            data = bytes(65_536)
            while taken < total:
                await one.send(data)
                taken += len(data)

        async with create_task_group() as tasks:
            tasks.start_soon(send)
            await wait_all_tasks_blocked()
            stuck = taken
            assert stuck < total // 2
            assert await other.receive()
            received = 65_536
            while received < total:
                received += len(await other.receive())
        assert taken == total


# --- facts, connecting


async def test_knows_its_ends(streams: Any) -> None:
    async with streams() as (one, other):
        assert (
            one.local_address == one.extra(SocketAttribute.local_address) == other.extra(SocketAttribute.remote_address)
        )
        assert one.extra(SocketAttribute.family) == socket.AF_INET
        assert one.extra(SocketAttribute.local_port) == other.extra(SocketAttribute.remote_port)
        assert one.extra(SocketAttribute.raw_socket).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_refused_connection_leaks_nothing(open_files: Callable[[], int]) -> None:
    with socket.socket() as taken:  # bound and not listening: refuses, and nobody else can take it
        taken.bind(("127.0.0.1", 0))
        before = open_files()
        for _ in range(5):
            with pytest.raises(ConnectionRefusedError):
                await connect(socket.AF_INET, taken.getsockname())
        assert open_files() == before


async def test_an_unreachable_address_leaks_nothing(open_files: Callable[[], int]) -> None:
    before = open_files()
    with pytest.raises(OSError, match=r"(?i)network|permission|unreachable|address") as caught:
        await connect(socket.AF_INET, ("255.255.255.255", 1))
    assert caught.value.errno in (errno.ENETUNREACH, errno.EACCES, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL)
    assert open_files() == before


async def test_a_cancelled_connect_leaks_nothing(open_files: Callable[[], int]) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        before = open_files()
        waiting: list[SocketStream] = []
        cancelled = 0
        while not cancelled:  # the backlog fills up, and then nobody answers
            with move_on_after(0.05) as scope:
                waiting.append(await connect(socket.AF_INET, server.getsockname()))
            cancelled += scope.cancelled_caught
        assert open_files() == before + len(waiting)
        for stream in waiting:
            await stream.aclose()


async def test_an_ipv6_connection() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        stream = await connect(socket.AF_INET6, server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            accepted.sendall(b"six")
            assert await stream.receive() == b"six"
        await stream.aclose()


async def test_what_may_wait_goes_out_with_the_next_send(streams: Any) -> None:
    async with streams() as (ours, theirs):
        await ours.send_with_next(b"answer, ")
        await ours.send_with_next(b"and ")
        with move_on_after(0):
            await theirs.receive()
            raise AssertionError("it did not wait")
        await ours.send(b"question")
        assert await theirs.receive() == b"answer, and question"


@pytest.mark.parametrize("how", ["receive", "receive_view", "send_eof"])
async def test_what_may_wait_goes_out_before_who_sent_it_waits(streams: Any, how: str) -> None:
    async with streams() as (ours, theirs), create_task_group() as tasks:
        await ours.send_with_next(b"answer")
        tasks.start_soon(getattr(ours, how))
        assert await theirs.receive() == b"answer"
        tasks.cancel_scope.cancel()


async def test_nothing_overtakes_what_waits(streams: Any) -> None:
    async with streams() as (ours, theirs):
        await ours.send_with_next(b"answer, ")
        assert ours.send_nowait(b"question") == 0
        await ours.send(b"question")
        assert await theirs.receive() == b"answer, question"
