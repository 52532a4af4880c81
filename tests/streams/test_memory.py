"""A pipe in memory behaves as a connection does."""

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest
from anyio import (
    BrokenResourceError,
    BusyResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    create_task_group,
    move_on_after,
    wait_all_tasks_blocked,
)
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalProtocolError
from p2pstack.streams.memory import MemoryStream, memory_pipe


async def receive_all(stream: MemoryStream, max_bytes: int = 65_536) -> bytes:
    received = b""
    try:
        while True:
            received += await stream.receive(max_bytes)
    except EndOfStream:
        return received


async def expect(error: type[Exception], call: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(error):
        await call()


async def test_bytes_sent_on_one_end_arrive_on_the_other_both_ways() -> None:
    here, there = memory_pipe()
    await here.send(b"ping")
    await there.send(b"pong")
    assert await there.receive() == b"ping"
    assert await here.receive() == b"pong"


async def test_writes_are_not_kept_apart() -> None:
    here, there = memory_pipe()
    for part in (b"one", b"", b"two", b"three"):
        await here.send(part)
    assert await there.receive(5) == b"onetw"
    assert await there.receive() == b"othree"


async def test_what_was_sent_does_not_change_with_the_senders_buffer() -> None:
    here, there = memory_pipe()
    buffer = bytearray(b"before")
    await here.send(buffer)  # pyright: ignore[reportArgumentType]
    buffer[:] = b"after!"
    assert await there.receive() == b"before"


async def test_receive_waits_for_the_first_byte() -> None:
    here, there = memory_pipe()
    received: list[bytes] = []

    async def receive() -> None:
        received.append(await there.receive())

    async with create_task_group() as tasks:
        tasks.start_soon(receive)
        await wait_all_tasks_blocked()
        assert not received
        await here.send(b"now")
    assert received == [b"now"]


async def test_a_full_pipe_holds_the_sender_until_there_is_room() -> None:
    here, there = memory_pipe(max_buffer=10)
    done = False

    async def send() -> None:
        nonlocal done
        await here.send(bytes(range(25)))
        done = True

    async with create_task_group() as tasks:
        tasks.start_soon(send)
        await wait_all_tasks_blocked()
        received = await there.receive()
        assert received == bytes(range(10))
        await wait_all_tasks_blocked()
        assert not done
        received += await there.receive()
        await wait_all_tasks_blocked()
        assert done
        assert received + await there.receive() == bytes(range(25))


async def test_the_end_comes_behind_the_data_and_leaves_the_other_direction_open() -> None:
    here, there = memory_pipe()
    await here.send(b"last words")
    await here.send_eof()
    assert await receive_all(there) == b"last words"
    await there.send(b"still heard")
    assert await here.receive() == b"still heard"
    with pytest.raises(ClosedResourceError):
        await here.send(b"more")
    with pytest.raises(EndOfStream):
        await there.receive()


async def test_a_waiting_receiver_is_told_of_the_end() -> None:
    here, there = memory_pipe()
    async with create_task_group() as tasks:
        tasks.start_soon(expect, EndOfStream, there.receive)
        await wait_all_tasks_blocked()
        await here.aclose()


async def test_closing_ends_both_directions() -> None:
    here, there = memory_pipe()
    await here.send(b"sent before")
    await here.aclose()
    assert await receive_all(there) == b"sent before"
    with pytest.raises(BrokenResourceError):
        await there.send(b"nobody")
    with pytest.raises(ClosedResourceError):
        await here.receive()
    with pytest.raises(ClosedResourceError):
        await here.send(b"")
    with pytest.raises(ClosedResourceError):
        await here.send_eof()
    await here.aclose()


async def test_closing_wakes_everybody_who_waits() -> None:
    here, there = memory_pipe(max_buffer=1)
    async with create_task_group() as tasks:
        tasks.start_soon(expect, ClosedResourceError, here.receive)
        tasks.start_soon(expect, ClosedResourceError, lambda: here.send(b"four"))
        await wait_all_tasks_blocked()
        await here.aclose()

    here, there = memory_pipe(max_buffer=1)
    async with create_task_group() as tasks:
        tasks.start_soon(expect, BrokenResourceError, lambda: there.send(b"four"))
        await wait_all_tasks_blocked()
        await here.aclose()


async def test_bytes_given_back_come_first_again() -> None:
    here, there = memory_pipe()
    await here.send(b"world")
    there.unread(b"hello ")
    there.unread(b"")
    there.unread(b"oh, ")
    assert await there.receive(3) == b"oh,"
    assert await there.receive() == b" hello "
    assert await there.receive() == b"world"
    await here.aclose()
    there.unread(b"after the end")
    assert await there.receive() == b"after the end"


async def test_a_view_lends_what_is_there() -> None:
    here, there = memory_pipe()
    await here.send(b"a" * 200_000)
    view = await there.receive_view()
    assert isinstance(view, memoryview)
    assert len(view) == 131_072
    assert len(await there.receive_view()) == 200_000 - 131_072


async def test_only_one_task_receives_and_one_sends() -> None:
    _, there = memory_pipe(max_buffer=1)
    async with create_task_group() as tasks:
        tasks.start_soon(there.receive)
        await wait_all_tasks_blocked()
        with pytest.raises(BusyResourceError, match="receiving"):
            await there.receive()
        tasks.start_soon(there.send, b"too much")
        await wait_all_tasks_blocked()
        with pytest.raises(BusyResourceError, match="sending"):
            await there.send(b"")
        tasks.cancel_scope.cancel()


async def test_a_cancelled_wait_leaves_the_pipe_usable() -> None:
    here, there = memory_pipe(max_buffer=4)
    with move_on_after(0):
        await there.receive()
    with move_on_after(0):
        await here.send(b"not sent: cancelled before")
    with CancelScope() as scope:
        scope.cancel()
        await here.send(b"nor this")
    await here.send(b"four")
    assert await there.receive() == b"four"

    async with create_task_group() as tasks:
        tasks.start_soon(here.send, b"more than four")
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    await there.send(b"back")
    assert await there.receive() == b"more"
    assert await here.receive() == b"back"


async def test_nothing_is_given_away_while_nothing_blocks() -> None:
    """Sending and receiving what is there must not let other tasks in: that would cost a turn of the loop a call."""
    here, there = memory_pipe()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with create_task_group() as tasks:
        tasks.start_soon(count)
        before = turns
        for _ in range(100):
            await here.send(b"x")
            await there.receive()
        assert turns == before
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("size", [0, -1])
async def test_sizes_that_make_no_sense_are_refused(size: int) -> None:
    with pytest.raises(LocalProtocolError, match="max_buffer"):
        memory_pipe(max_buffer=size)
    with pytest.raises(LocalProtocolError, match="max_bytes"):
        await memory_pipe()[0].receive(size)


@given(
    parts=st.lists(st.binary(max_size=20), max_size=20),
    max_buffer=st.integers(1, 30),
    max_bytes=st.integers(1, 30),
)
def test_no_byte_is_lost_or_moved(parts: list[bytes], max_buffer: int, max_bytes: int) -> None:
    async def run() -> bytes:
        here, there = memory_pipe(max_buffer=max_buffer)

        async def send() -> None:
            for part in parts:
                await here.send(part)
            await here.aclose()

        async with create_task_group() as tasks:
            tasks.start_soon(send)
            return await receive_all(there, max_bytes)
        raise AssertionError

    assert anyio.run(run) == b"".join(parts)
