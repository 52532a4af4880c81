"""Streams to await on: bytes, ends, errors, cancellation, turns."""

import hashlib
import random
from contextlib import suppress
from socket import AddressFamily
from typing import Any

import anyio
import pytest
from anyio import (
    BusyResourceError,
    ClosedResourceError,
    EndOfStream,
    Event,
    create_task_group,
    fail_after,
    move_on_after,
    wait_all_tasks_blocked,
)
from anyio.abc import SocketAttribute

from p2pstack.errors import ConnectionClosed, LimitExceeded, LocalProtocolError, StreamReset
from p2pstack.muxers.budget import ReceiveBudget
from p2pstack.muxers.yamux import Yamux

WINDOW = 262_144


async def _receive_all(stream: Any) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def _pair(one: Any, other: Any) -> tuple[Any, Any]:
    """A stream of `one`, and the same at `other`."""
    stream = await one.open()
    return stream, await other.accept()


# --- bytes


async def test_bytes_and_ends_go_both_ways(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        await ours.send(b"question")
        await ours.send_eof()
        assert await _receive_all(theirs) == b"question"
        await theirs.send(b"answer")
        await theirs.send_eof()
        assert await _receive_all(ours) == b"answer"
        assert ours.ended
        assert theirs.ended
        assert one.connection.bytes_sent == other.connection.bytes_received == 8
        assert one.connection.bytes_received == other.connection.bytes_sent == 6
        with pytest.raises(EndOfStream):
            await ours.receive()
        await ours.aclose()
        await theirs.aclose()


async def test_a_stream_knows_its_number_and_the_connection_below(connected: Any) -> None:
    async with connected(pipe=0) as (one, other):
        ours, theirs = await _pair(one, other)
        assert ours.stream_id == theirs.stream_id == 1
        assert ours.extra_attributes.keys() == one.connection.extra_attributes.keys()
        assert ours.extra(SocketAttribute.family) == AddressFamily.AF_UNIX


@pytest.mark.parametrize("pipe", [0, 10_000])
async def test_many_streams_at_once_carry_what_each_was_given(connected: Any, pipe: int) -> None:
    async with connected(pipe=pipe) as (one, other):
        digests: dict[int, bytes] = {}

        async def echo(stream: Any) -> None:
            async with stream:
                async for chunk in stream:
                    await stream.send(chunk)

        async def serve() -> None:
            async with create_task_group() as handlers:
                for _ in range(30):
                    handlers.start_soon(echo, await other.accept())

        async def ask(number: int) -> None:
            rng = random.Random(number)
            data = rng.randbytes(rng.randint(0, 600_000))
            async with await one.open() as stream, create_task_group() as tasks:

                async def send() -> None:
                    rest = data
                    while rest:
                        size = rng.choice([1, 100, 5_000, 100_000])
                        await stream.send(rest[:size])
                        rest = rest[size:]
                    await stream.send_eof()

                tasks.start_soon(send)
                digests[number] = hashlib.sha256(await _receive_all(stream)).digest()
                assert digests[number] == hashlib.sha256(data).digest()

        async with create_task_group() as tasks:
            tasks.start_soon(serve)
            for number in range(30):
                tasks.start_soon(ask, number)
        assert len(digests) == 30
        await wait_all_tasks_blocked()
        for party in (one, other):
            assert len(party.connection.session.streams) == 0
            assert party.connection._config.budget.used == 0


async def test_receives_at_most_what_is_asked(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        await ours.send(b"abcdefg")
        assert [await theirs.receive(3), await theirs.receive(1), await theirs.receive(100)] == [b"abc", b"d", b"efg"]
        await ours.send(b"x")
        with pytest.raises(LocalProtocolError, match="at least one byte"):
            await theirs.receive(0)
        assert await theirs.receive(1) == b"x"


async def test_reading_byte_by_byte_is_not_slower_for_large_chunks(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        data = random.Random(1).randbytes(65_000)
        await ours.send(data)
        assert b"".join([await theirs.receive(1) for _ in range(len(data))]) == data


async def test_sending_nothing_changes_nothing(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        for _ in range(3):
            await ours.send(b"")
        assert not ours._state.outbox
        await ours.send(b"x")
        await ours.send(b"")
        await ours.send_eof()
        assert await _receive_all(theirs) == b"x"


async def test_what_was_given_to_send_may_be_changed_afterwards(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        buffer = bytearray(b"before")
        await ours.send(buffer)
        await ours.send(memoryview(buffer))
        buffer[:] = b"after!"
        await ours.send_eof()
        assert await _receive_all(theirs) == b"beforebefore"


async def test_a_huge_send_is_taken_in_parts(connected: Any) -> None:
    async with connected(pipe=0) as (one, other):
        ours, theirs = await _pair(one, other)
        data = random.Random(1).randbytes(1 << 20) * 100
        most = 0

        async def send() -> None:
            await ours.send(data)
            await ours.send_eof()

        async with create_task_group() as tasks:
            tasks.start_soon(send)
            received = hashlib.sha256()
            total = 0
            async for chunk in theirs:
                most = max(most, one.connection.session.bytes_queued, theirs._state.unread)
                received.update(chunk)
                total += len(chunk)
        assert total == len(data)
        assert received.digest() == hashlib.sha256(data).digest()
        assert most <= 16 << 20


async def test_a_stream_nobody_reads_stops_its_sender_and_no_other(connected: Any) -> None:
    async with connected() as (one, other):
        stuck, unread = await _pair(one, other)
        ours, theirs = await _pair(one, other)
        async with create_task_group() as tasks:
            tasks.start_soon(stuck.send, bytes(1 << 20))
            await wait_all_tasks_blocked()
            assert unread._state.unread == WINDOW
            await ours.send(bytes(100))
            assert len(await theirs.receive()) == 100
            received = 0
            while received < 1 << 20:
                received += len(await unread.receive())
        assert received == 1 << 20


async def test_what_was_read_too_far_is_put_back(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        await ours.send(b"headbody")
        data = await theirs.receive()
        theirs.unread(b"")
        theirs.unread(data[4:])
        assert await theirs.receive() == b"body"
        await theirs.aclose()
        theirs.unread(b"too late")
        with pytest.raises(ClosedResourceError):
            await theirs.receive()


# --- ends


async def test_nothing_can_be_sent_behind_the_end(connected: Any) -> None:
    async with connected() as (one, other):
        ours, _ = await _pair(one, other)
        await ours.send_eof()
        await ours.send_eof()
        with pytest.raises(ClosedResourceError):
            await ours.send(b"x")


async def test_closing_lets_what_was_sent_arrive(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        await ours.send(bytes(WINDOW))
        await ours.aclose()
        await ours.aclose()
        assert await _receive_all(theirs) == bytes(WINDOW)
        with pytest.raises(ClosedResourceError):
            await ours.receive()
        with pytest.raises(ClosedResourceError):
            await ours.send(b"x")


async def test_data_for_a_stream_closed_here_disturbs_nothing(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        await theirs.aclose()
        await ours.send(bytes(100_000))
        await ours.aclose()
        ours, theirs = await _pair(one, other)
        await ours.send(b"x")
        assert await theirs.receive() == b"x"
        await wait_all_tasks_blocked()
        assert len(other.connection.session.streams) == 1
        assert other.connection._config.budget.used == 0


async def test_an_exception_in_the_block_resets_the_stream(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        with pytest.raises(RuntimeError, match="mine"):
            async with ours:
                raise RuntimeError("mine")
        with pytest.raises(StreamReset) as caught:
            await theirs.receive()
        assert caught.value.remote


async def test_cancellation_of_the_block_resets_the_stream(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        async with create_task_group() as tasks:

            async def hold() -> None:
                async with ours:
                    await ours.receive()

            tasks.start_soon(hold)
            await wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        with pytest.raises(StreamReset):
            await theirs.receive()


async def test_a_reset_carries_its_code_and_says_who_did_it(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        await ours.send(b"dropped with the reset")
        with pytest.raises(LocalProtocolError, match="expected an error code"):
            ours.reset(-1)
        ours.reset(0x1001)
        for call in (ours.receive, ours.send_eof, lambda: ours.send(b"x")):
            with pytest.raises(StreamReset, match=r"by this side \(code 4097\)") as caught:
                await call()
            assert (caught.value.code, caught.value.remote) == (0x1001, False)
        for call in (theirs.receive, theirs.send_eof, lambda: theirs.send(b"x")):
            with pytest.raises(StreamReset, match=r"by the peer \(code 4097\)") as caught:
                await call()
            assert (caught.value.code, caught.value.remote) == (0x1001, True)
        assert ours.ended
        assert theirs.ended
        theirs.reset()


async def test_a_reset_wakes_who_waits(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)

        async def receive() -> None:
            with pytest.raises(StreamReset):
                await ours.receive()

        async def send() -> None:
            with pytest.raises(StreamReset):
                await ours.send(bytes(1 << 20))

        async with create_task_group() as tasks:
            tasks.start_soon(receive)
            tasks.start_soon(send)
            await wait_all_tasks_blocked()
            theirs.reset()


async def test_a_reset_after_the_end_leaves_what_came_whole(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        await ours.send(bytes(100_000))
        await ours.send_eof()
        await wait_all_tasks_blocked()
        ours.reset()
        await wait_all_tasks_blocked()
        assert await _receive_all(theirs) == bytes(100_000)
        with pytest.raises(StreamReset):
            await theirs.send(b"x")


async def test_a_reset_here_is_never_taken_for_the_end(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        await ours.send(b"lost")
        await ours.send_eof()
        await wait_all_tasks_blocked()
        theirs.reset()
        with pytest.raises(StreamReset):
            await theirs.receive()


async def test_a_reset_that_comes_during_a_turn_of_other_tasks_is_no_empty_read(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        await ours.send(bytes(100))
        await wait_all_tasks_blocked()
        theirs._credit = 0  # the next call yields before it reads
        async with create_task_group() as tasks:

            async def receive() -> None:
                with pytest.raises(StreamReset):
                    await theirs.receive()

            tasks.start_soon(receive)
            await anyio.lowlevel.checkpoint()
            theirs.reset()


async def test_streams_beyond_the_budget_say_so(connected: Any) -> None:
    budget = ReceiveBudget(100_000)
    async with connected(listener=Yamux(budget=budget)) as (one, other):
        ours, theirs = await _pair(one, other)
        await ours.send(bytes(200_000))
        await wait_all_tasks_blocked()
        with pytest.raises(LimitExceeded, match="bytes unread by applications"):
            await theirs.receive()
        with pytest.raises(StreamReset):
            await ours.send(b"x")
        assert budget.used == 0
        ours, theirs = await _pair(one, other)
        await ours.send(b"fine")
        assert await theirs.receive() == b"fine"


# --- two tasks on one stream


async def test_one_task_may_receive_at_a_time(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        async with create_task_group() as tasks:
            tasks.start_soon(ours.receive)
            await wait_all_tasks_blocked()
            with pytest.raises(BusyResourceError):
                await ours.receive()
            await theirs.send(b"x")


async def test_one_task_may_send_at_a_time_and_the_other_sends_nothing(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        async with create_task_group() as tasks:
            tasks.start_soon(ours.send, b"a" * (WINDOW + 1))
            await wait_all_tasks_blocked()
            with pytest.raises(BusyResourceError):
                await ours.send(b"b")
            received = b""
            while len(received) < WINDOW + 1:
                received += await theirs.receive()
        assert received == b"a" * (WINDOW + 1)


@pytest.mark.parametrize("end", ["aclose", "send_eof"])
async def test_ending_a_stream_wakes_the_tasks_that_wait_on_it(connected: Any, end: str) -> None:
    async with connected() as (one, other):
        ours, _ = await _pair(one, other)

        async def fail(call: Any, *args: Any) -> None:
            with pytest.raises(ClosedResourceError):
                await call(*args)

        with fail_after(20):
            async with create_task_group() as tasks:
                if end == "aclose":
                    tasks.start_soon(fail, ours.receive)
                tasks.start_soon(fail, ours.send, bytes(1 << 20))
                await wait_all_tasks_blocked()
                await getattr(ours, end)()


# --- cancellation


async def test_a_cancelled_receive_loses_no_byte(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        data = random.Random(7).randbytes(3_000_000)

        async def send() -> None:
            for start in range(0, len(data), 7_777):
                await ours.send(data[start : start + 7_777])
            await ours.send_eof()

        received = b""
        async with create_task_group() as tasks:
            tasks.start_soon(send)
            rng = random.Random(8)
            while True:
                with move_on_after(rng.choice([0, 0, 0.0001])):
                    try:
                        chunk = await theirs.receive(rng.choice([100, 65_536]))
                    except EndOfStream:
                        break
                    received += chunk
        assert received == data


async def test_a_cancelled_send_sends_a_whole_beginning_of_its_data_and_nothing_can_follow_it(connected: Any) -> None:
    async with connected(pipe=50_000) as (one, other):
        received: list[bytes] = []
        taken = [Event() for _ in range(20)]

        async def serve() -> None:
            for event in taken:
                stream, data = await other.accept(), bytearray()
                with suppress(StreamReset):
                    async for chunk in stream:
                        data += chunk
                    await stream.aclose()
                received.append(bytes(data))
                event.set()

        async with create_task_group() as tasks:
            tasks.start_soon(serve)
            for number, event in enumerate(taken):
                stream = await one.open()
                with move_on_after(0.0002 * (number % 4)) as scope:
                    await stream.send(bytes([number]) * 2_000_000)
                if scope.cancelled_caught:
                    with pytest.raises(StreamReset):
                        await stream.send(b"more")
                else:
                    await stream.send_eof()
                    assert await _receive_all(stream) == b""
                    await stream.aclose()
                await event.wait()
                assert received[number] == bytes([number]) * len(received[number])
                assert scope.cancelled_caught or len(received[number]) == 2_000_000
        assert any(len(data) < 2_000_000 for data in received)


async def test_cancelled_openings_leave_the_connection_usable(connected: Any) -> None:
    async with connected(dialer=Yamux(ack_backlog=3)) as (one, other):
        for _ in range(20):
            with move_on_after(0):
                await one.open()
        await wait_all_tasks_blocked()
        for _ in range(20):
            with move_on_after(0):
                await other.accept()
        ours = await one.open()
        await ours.send(b"x")
        theirs = await other.accept()
        while theirs.stream_id != ours.stream_id:
            theirs = await other.accept()
        assert await theirs.receive() == b"x"


async def test_calls_that_never_wait_still_let_others_run_and_cancellation_in(connected: Any) -> None:
    async with connected(dialer=Yamux(send_buffer=64 << 20)) as (one, other):
        ours, theirs = await _pair(one, other)
        ours._state.send_credit = theirs._state.window.credit = 1 << 31  # nothing makes it wait
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await anyio.lowlevel.checkpoint()

        async with create_task_group() as tasks:
            tasks.start_soon(count)
            for _ in range(100_000):
                await ours.send(b"x")
            assert turns > 20
            turns = 0
            for _ in range(100):
                await ours.send(bytes(65_536))
            assert turns > 20
            tasks.cancel_scope.cancel()
        theirs.reset()


# --- the connection goes


async def test_streams_of_an_ended_connection_fail_with_its_reason_and_keep_what_came(connected: Any) -> None:
    async with connected() as (one, other):
        ours, theirs = await _pair(one, other)
        finished_ours, finished = await _pair(one, other)
        await ours.send(b"came")
        await finished_ours.send(b"whole")
        await finished_ours.send_eof()
        await wait_all_tasks_blocked()
        await one.connection.aclose()
        assert await other.outcome() is None
        assert await theirs.receive() == b"came"
        with pytest.raises(ConnectionClosed, match="the peer closed the connection"):
            await theirs.receive()
        with pytest.raises(ConnectionClosed, match="the peer closed the connection"):
            await theirs.send(b"x")
        with pytest.raises(ConnectionClosed):
            await theirs.send_eof()
        assert await _receive_all(finished) == b"whole"
        for stream in (ours, theirs, finished):
            assert stream.ended
            await stream.aclose()
            stream.reset()
        with pytest.raises(ClosedResourceError):
            await theirs.receive()


async def test_the_end_of_the_connection_wakes_who_waits(connected: Any) -> None:
    async with connected() as (one, other):
        ours, _ = await _pair(one, other)

        async def fail(call: Any, *args: Any) -> None:
            with pytest.raises(ConnectionClosed):
                await call(*args)

        async with create_task_group() as tasks:
            tasks.start_soon(fail, ours.receive)
            tasks.start_soon(fail, ours.send, bytes(1 << 20))
            await wait_all_tasks_blocked()
            await other.connection.aclose()


# --- fairness


async def test_streams_that_begin_together_end_together(connected: Any) -> None:
    count, size = 64, 1 << 20
    async with connected(pipe=0) as (one, other):
        order: list[int] = []
        total = 0
        ends: list[int] = []

        async def send(stream: Any) -> None:
            data = bytes(65_536)
            for _ in range(size // len(data)):
                await stream.send(data)
            await stream.send_eof()

        async def receive(stream: Any) -> None:
            nonlocal total
            async for chunk in stream:
                total += len(chunk)
            order.append(stream.stream_id)
            ends.append(total)

        async with create_task_group() as tasks:
            pairs = [await _pair(one, other) for _ in range(count)]
            for ours, theirs in pairs:
                tasks.start_soon(send, ours)
                tasks.start_soon(receive, theirs)
        assert total == count * size
        assert len(set(order)) == count
        # When the first stream ends, most bytes of all streams have come: they begin a window of 256 KiB apart at most.
        assert ends[0] >= 0.65 * total
