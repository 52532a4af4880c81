"""The life of a connection: it runs, it ends in order or not, and it leaves nothing behind."""

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
import pytest
from anyio import (
    BrokenResourceError,
    EndOfStream,
    create_task_group,
    fail_after,
    get_running_tasks,
    move_on_after,
    wait_all_tasks_blocked,
)

from p2pstack.errors import ConnectionClosed, LimitExceeded, RemoteProtocolError, SecurityError, StreamReset
from p2pstack.muxers.yamux import Yamux
from p2pstack.muxers.yamux.frames import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE
from p2pstack.testing import TimeTravel

Frame = Callable[..., bytes]
Frames = Callable[[bytes], list[tuple[int, int, int, int, bytes]]]


async def _receive_all(stream: Any) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def _drain(raw: Any) -> bytes:
    """All that the connection sends until it closes."""
    data = b""
    while True:
        try:
            data += await raw.receive()
        except (EndOfStream, BrokenResourceError):
            return data


# --- facts


async def test_says_what_it_runs_on(connected: Any) -> None:
    async with connected() as (one, _):
        connection = one.connection
        assert connection.muxer == "/yamux/1.0.0"
        assert connection.security == "/null"
        assert connection.remote_peer == one.channel.remote_peer
        assert connection.remote_public_key == one.channel.remote_public_key
        assert connection.extra_attributes == one.channel.extra_attributes
        assert connection.rtt is None
        assert not connection.closed


async def test_has_three_tasks_at_most_however_many_streams(connected: Any) -> None:
    before = len(get_running_tasks())
    async with connected() as (one, other):
        for _ in range(50):
            await one.open()
            await other.accept()
        assert len(get_running_tasks()) <= before + 2 * 3
    assert len(get_running_tasks()) == before


async def test_measures_the_round_trip_once_data_flows(connected: Any) -> None:
    async with connected() as (one, other):
        stream = await one.open()
        await stream.send(bytes(200_000))
        theirs = await other.accept()
        received = 0
        while received < 200_000:
            received += len(await theirs.receive())
        with fail_after(5):
            while other.connection.rtt is None:
                await anyio.lowlevel.checkpoint()
        assert one.connection.rtt is None


# --- opening


async def test_opening_waits_for_the_backlog(facing: Any, frame: Frame) -> None:
    async with facing(Yamux(ack_backlog=2)) as (party, raw):
        await party.open()
        await party.open()
        async with create_task_group() as tasks:
            tasks.start_soon(party.open)
            await wait_all_tasks_blocked()
            assert party.connection.session.streams.outbound == 2
            await raw.send(frame(WINDOW_UPDATE, ACK, 2))
        assert party.connection.session.streams.outbound == 3


async def test_opening_waits_for_the_backlog_no_longer_than_for_a_write(facing: Any) -> None:
    async with facing(Yamux(ack_backlog=2, write_timeout=0.05)) as (party, _):
        await party.open()
        await party.open()
        with pytest.raises(LimitExceeded, match="streams that the peer has not acknowledged: limit 2, used 2; peer"):
            await party.open()


async def test_opening_ends_with_the_connection(facing: Any) -> None:
    async with facing(Yamux(ack_backlog=1)) as (party, raw):
        await party.open()

        async def fail() -> None:
            with pytest.raises(ConnectionClosed, match="the peer closed the connection"):
                await party.open()

        async with create_task_group() as tasks:
            tasks.start_soon(fail)
            tasks.start_soon(fail)
            await wait_all_tasks_blocked()
            await raw.aclose()


async def test_opening_ends_when_the_peer_says_goodbye(facing: Any, frame: Frame) -> None:
    async with facing(Yamux(ack_backlog=1)) as (party, raw):
        await party.open()

        async def fail() -> None:
            with pytest.raises(ConnectionClosed, match="the peer is closing the connection"):
                await party.open()

        async with create_task_group() as tasks:
            tasks.start_soon(fail)
            await wait_all_tasks_blocked()
            await raw.send(frame(GO_AWAY))


async def test_a_connection_that_the_peer_is_closing_counts_as_closed(facing: Any, frame: Frame) -> None:
    async with facing() as (party, raw):
        assert not party.connection.closed
        await raw.send(frame(GO_AWAY))
        with fail_after(20):
            while not party.connection.closed:
                await anyio.lowlevel.checkpoint()


async def test_opening_too_many_is_an_error(connected: Any) -> None:
    async with connected(dialer=Yamux(max_outbound_streams=1)) as (one, _):
        await one.open()
        with pytest.raises(LimitExceeded):
            await one.open()


# --- closing in order


async def test_closing_flushes_what_was_sent_before(connected: Any) -> None:
    async with connected(pipe=10_000, dialer=Yamux(close_timeout=30)) as (one, other):
        data = random.Random(3).randbytes(250_000)
        stream = await one.open()
        await stream.send(data)
        await stream.aclose()
        theirs = await other.accept()
        async with create_task_group() as tasks:
            tasks.start_soon(one.connection.aclose)
            assert await _receive_all(theirs) == data
        assert one.connection.closed
        assert other.connection.closed
        assert await one.outcome() is None
        assert await other.outcome() is None
        with pytest.raises(ConnectionClosed):
            await one.open()


async def test_closing_says_goodbye_behind_all_data_and_ends_the_sending_direction(facing: Any, frames: Frames) -> None:
    async with facing() as (party, raw):
        stream = await party.open()
        await stream.send(b"last words")
        await stream.aclose()
        async with create_task_group() as tasks:
            tasks.start_soon(party.connection.aclose)
            sent = frames(await _drain(raw))
            assert [(kind, flags) for kind, flags, *_ in sent] == [
                (WINDOW_UPDATE, SYN),
                (DATA, 0),
                (WINDOW_UPDATE, FIN),
                (GO_AWAY, 0),
            ]
            assert not party.ended.is_set()  # until the peer closes, too
            await raw.aclose()
        assert await party.outcome() is None


async def test_closing_does_not_wait_for_a_peer_that_stays(facing: Any) -> None:
    async with facing(Yamux(close_timeout=0.05)) as (party, _):
        with fail_after(20):
            await party.connection.aclose()
        assert await party.outcome() is None


async def test_closing_does_not_wait_for_a_peer_that_does_not_read(facing: Any) -> None:
    async with facing(Yamux(close_timeout=0.05), pipe=10) as (party, _):
        stream = await party.open()
        await stream.send(bytes(1_000))
        with fail_after(20):
            await party.connection.aclose()
        assert await party.outcome() is None
        assert stream.ended


async def test_closing_twice_and_at_once_and_after_the_end(connected: Any) -> None:
    async with connected() as (one, other):
        async with create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(one.connection.aclose)
                tasks.start_soon(other.connection.aclose)
        assert await one.outcome() is None
        assert await other.outcome() is None
        await one.connection.aclose()
        await one.connection.aclose()
        with pytest.raises(ConnectionClosed, match="closed"):
            await one.open()


async def test_closing_before_it_ran_ends_its_streams_too(connected: Any) -> None:
    async with connected(run=False) as (one, other):
        stream = await one.open()
        await stream.send(b"x")

        async def fail() -> None:
            with pytest.raises(ConnectionClosed):
                await stream.receive()

        async with create_task_group() as tasks:
            tasks.start_soon(fail)
            await wait_all_tasks_blocked()
            await one.connection.aclose()
            await one.connection.aclose()
        await one.run()
        assert one.failure is None
        assert one.connection.closed
        with pytest.raises(EndOfStream):
            await other.channel.receive()


async def test_a_cancelled_close_closes_at_once(facing: Any) -> None:
    async with facing(Yamux(close_timeout=3600)) as (party, raw):
        with move_on_after(0.01) as scope:
            await party.connection.aclose()
        assert scope.cancelled_caught
        assert await party.outcome() is None
        await _drain(raw)


async def test_cancelling_the_run_closes_at_once_and_ends_the_streams(connected: Any) -> None:
    async with connected(run=False) as (one, other):
        async with create_task_group() as tasks:
            tasks.start_soon(one.run)
            await wait_all_tasks_blocked()
            stream = await one.open()
            await wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        with pytest.raises(ConnectionClosed, match="the connection is closed"):
            await stream.receive()
        await one.connection.aclose()
        await _drain(other.channel)


async def test_streams_opened_while_closing_are_refused(facing: Any, frame: Frame, frames: Frames) -> None:
    async with facing() as (party, raw):
        async with create_task_group() as tasks:
            tasks.start_soon(party.connection.aclose)
            await wait_all_tasks_blocked()
            await raw.send(frame(WINDOW_UPDATE, SYN, 1))
            await wait_all_tasks_blocked()
            await raw.send_eof()
        assert await party.outcome() is None
        assert party.connection.session.refused == 1


# --- the peer goes


async def test_a_peer_that_closes_in_order_is_no_error(facing: Any, frame: Frame) -> None:
    async with facing() as (party, raw):
        await raw.send(frame(GO_AWAY, 0, 0, 0))
        await raw.aclose()
        assert await party.outcome() is None
        assert party.connection.epitaph == "the peer closed the connection"


async def test_the_code_of_the_peers_goodbye_is_told(facing: Any, frame: Frame) -> None:
    async with facing() as (party, raw):
        stream = await party.open()
        await raw.send(frame(GO_AWAY, 0, 0, 1))
        await raw.aclose()
        assert await party.outcome() is None
        with pytest.raises(ConnectionClosed, match="the peer closed the connection with code 1"):
            await stream.receive()


async def test_a_broken_channel_is_an_error_that_names_the_peer(scripted: Any) -> None:
    async with scripted() as (party, wire):
        stream = await party.open()
        wire.give(BrokenResourceError("cable cut"))
        failure = await party.outcome()
        assert isinstance(failure, ConnectionClosed)
        assert f"the connection to {party.connection.remote_peer} broke: cable cut" in str(failure)
        with pytest.raises(ConnectionClosed, match="cable cut"):
            await stream.receive()
        with pytest.raises(ConnectionClosed, match="cable cut"):
            await party.open()


async def test_a_record_that_is_not_authentic_ends_the_connection_with_its_error(scripted: Any) -> None:
    async with scripted() as (party, wire):
        error = SecurityError("forged")
        wire.give(error)
        assert await party.outcome() is error


async def test_a_channel_that_cannot_encrypt_ends_the_connection_with_its_error(scripted: Any) -> None:
    async with scripted() as (party, wire):
        wire.send_error = SecurityError("nonces used up")
        await party.open()
        assert await party.outcome() is wire.send_error


async def test_a_write_that_breaks_ends_the_connection(scripted: Any) -> None:
    async with scripted(Yamux(close_timeout=0.05)) as (party, wire):
        wire.send_error = BrokenResourceError("cable cut")
        stream = await party.open()
        failure = await party.outcome()
        assert isinstance(failure, ConnectionClosed)
        assert "cable cut" in str(failure)
        with pytest.raises(ConnectionClosed, match="cable cut"):
            await stream.receive()


async def test_what_the_peer_sent_before_a_write_broke_is_still_read(scripted: Any, frame: Frame) -> None:
    async with scripted(Yamux(close_timeout=3600)) as (party, wire):
        wire.send_error = BrokenResourceError("cable cut")
        stream = await party.open()
        await wait_all_tasks_blocked()
        assert party.connection.closed
        wire.give(frame(DATA, ACK, 2, body=b"answer") + frame(WINDOW_UPDATE, FIN, 2) + frame(GO_AWAY))
        wire.give(EndOfStream())
        assert await party.outcome() is None
        assert await _receive_all(stream) == b"answer"
        with pytest.raises(ConnectionClosed, match="the peer closed the connection"):
            await stream.send(b"x")


async def test_a_channel_that_breaks_while_closing_is_no_error(scripted: Any) -> None:
    async with scripted() as (party, wire):
        wire.hold = anyio.Event()
        wire.send_error = BrokenResourceError("gone")
        async with create_task_group() as tasks:
            tasks.start_soon(party.connection.aclose)
            await wait_all_tasks_blocked()
            wire.hold.set()
            wire.give(BrokenResourceError("gone"))
        assert await party.outcome() is None


async def test_a_real_socket_reset_by_the_peer_still_gives_what_came_before(connected: Any) -> None:
    """The peer answers, and closes while we are still sending: its kernel answers that with a reset."""
    async with connected(pipe=0) as (one, other):
        stream = await one.open()
        await stream.send(bytes(100))
        theirs = await other.accept()
        await theirs.send(b"answer")
        await theirs.send_eof()
        async with create_task_group() as tasks:

            async def flood() -> None:
                with suppress(ConnectionClosed):
                    while True:
                        await stream.send(bytes(65_536))

            tasks.start_soon(flood)
            await other.connection.aclose()
            await one.outcome()
        assert await _receive_all(stream) == b"answer"


# --- the peer stalls, or is dead


async def test_a_peer_that_reads_nothing_is_given_up(facing: Any) -> None:
    async with facing(Yamux(write_timeout=0.1), pipe=1_000) as (party, _):
        stream = await party.open()
        with fail_after(20), pytest.raises(ConnectionClosed, match=r"has not read for 0\.1 s: given up"):
            await stream.send(bytes(10 << 20))
        assert isinstance(await party.outcome(), ConnectionClosed)


async def test_a_stall_that_begins_long_after_the_last_write_is_seen(facing: Any, frame: Frame) -> None:
    async with facing(Yamux(write_timeout=0.1, keepalive_interval=3600), pipe=1_000) as (party, raw):
        for _ in range(3):
            stream = await party.open()
            await raw.receive(12)
            with move_on_after(0.12):  # longer than the keeper looks for what one write has begun
                await stream.receive()
        with fail_after(20):
            await stream.send(bytes(2_000))
            assert isinstance(await party.outcome(), ConnectionClosed)


async def test_a_stall_is_seen_though_the_keeper_had_other_business(facing: Any) -> None:
    async with facing(Yamux(write_timeout=0.3, linger=0.1, keepalive_interval=3600), pipe=1_000) as (party, raw):
        lingering = await party.open()
        await raw.receive(12)
        await lingering.aclose()  # its reset, in 0.1 s, wakes the keeper while the write below stalls
        stream = await party.open()
        await stream.send(bytes(2_000))
        with fail_after(20):
            assert isinstance(await party.outcome(), ConnectionClosed)


async def test_a_peer_that_reads_slowly_is_not_given_up(connected: Any) -> None:
    async with connected(dialer=Yamux(write_timeout=5), pipe=1_000) as (one, other):
        stream = await one.open()
        await stream.send(bytes(100_000))
        await stream.send_eof()
        assert await _receive_all(await other.accept()) == bytes(100_000)


async def test_an_idle_peer_is_pinged_and_one_that_answers_stays(
    facing: Any, frame: Frame, frames: Frames, p2p_time: TimeTravel
) -> None:
    async with facing(Yamux(keepalive_interval=30, write_timeout=10)) as (party, raw):
        for number in (1, 2):
            assert frames(await raw.receive()) == [(PING, SYN, 0, number, b"")]
            await raw.send(frame(PING, ACK, 0, number))
        assert party.connection.rtt is not None
        assert not party.connection.closed
        assert 60 <= p2p_time.now < 100


async def test_a_peer_that_answers_no_ping_is_taken_for_dead(facing: Any) -> None:
    async with facing(Yamux(keepalive_interval=0.02, write_timeout=0.05)) as (party, _):
        with fail_after(20):
            failure = await party.outcome()
        assert isinstance(failure, ConnectionClosed)
        assert "answers no ping: taken for dead" in str(failure)


async def test_a_stream_closed_here_is_reset_when_the_peer_never_ends_it(
    facing: Any, frame: Frame, frames: Frames
) -> None:
    async with facing(Yamux(linger=0.05, write_timeout=0.1, keepalive_interval=3600)) as (party, raw):
        stream = await party.open()
        await stream.aclose()
        sent = b""
        with fail_after(20):
            while (WINDOW_UPDATE, RST, 2, 0, b"") not in frames(sent):
                sent += await raw.receive()
        assert stream.ended


# --- the peer breaks the rules


async def test_a_violation_is_answered_with_a_goodbye_and_ends_the_connection(
    facing: Any, frame: Frame, frames: Frames
) -> None:
    async with facing() as (party, raw):
        stream = await party.open()
        await raw.send(frame(WINDOW_UPDATE, SYN, 1) + frame(9))
        async with create_task_group() as tasks:

            async def fail() -> None:
                with pytest.raises(ConnectionClosed, match="frame of type 9"):
                    await stream.receive()

            tasks.start_soon(fail)
            assert isinstance(await party.outcome(), RemoteProtocolError)
        assert (GO_AWAY, 0, 0, 1, b"") in frames(await _drain(raw))


async def test_the_goodbye_after_a_violation_waits_for_the_write_under_way(
    facing: Any, frame: Frame, frames: Frames
) -> None:
    async with facing(Yamux(close_timeout=3600), pipe=500) as (party, raw):
        stream = await party.open()
        await stream.send(bytes(1_000))
        await wait_all_tasks_blocked()
        await raw.send(frame(9))
        await wait_all_tasks_blocked()
        sent = frames(await _drain(raw))
        assert sent[-1] == (GO_AWAY, 0, 0, 1, b"")
        assert isinstance(await party.outcome(), RemoteProtocolError)


async def test_a_violation_of_a_peer_that_reads_nothing_does_not_hold_the_connection(facing: Any, frame: Frame) -> None:
    async with facing(Yamux(close_timeout=0.05), pipe=500) as (party, raw):
        stream = await party.open()
        await stream.send(bytes(1_000))
        await raw.send(frame(9))
        with fail_after(20):
            assert isinstance(await party.outcome(), RemoteProtocolError)


# --- no task of an application harms the connection


async def test_random_cancellation_leaves_the_connection_whole(connected: Any) -> None:
    async with connected(pipe=20_000) as (one, other):
        rng = random.Random(11)

        async def serve() -> None:
            async with create_task_group() as handlers:
                while True:
                    handlers.start_soon(echo, await other.accept())

        async def echo(stream: Any) -> None:
            try:
                async with stream:
                    async for chunk in stream:
                        await stream.send(chunk)
            except StreamReset:
                pass

        async def disturb() -> None:
            for _ in range(60):
                with move_on_after(rng.choice([0, 0.0005, 0.002])):
                    async with await one.open() as stream, create_task_group() as tasks:
                        tasks.start_soon(stream.send, bytes(rng.choice([1, 70_000, 500_000])))
                        await stream.receive(rng.choice([1, 65_536]))

        async def check() -> None:
            data = rng.randbytes(2_000_000)
            async with await one.open() as stream, create_task_group() as tasks:

                async def send() -> None:
                    for start in range(0, len(data), 9_999):
                        await stream.send(data[start : start + 9_999])
                    await stream.send_eof()

                tasks.start_soon(send)
                assert await _receive_all(stream) == data

        async with create_task_group() as tasks:
            tasks.start_soon(serve)
            async with create_task_group() as clients:
                clients.start_soon(disturb)
                clients.start_soon(check)
            await check()
            tasks.cancel_scope.cancel()
        await wait_all_tasks_blocked()
        for party in (one, other):
            assert party.connection._config.budget.used == 0
            assert party.connection.session.bytes_queued == 0
            assert not party.connection.closed
