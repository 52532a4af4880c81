"""What a peer can do to a connection with raw bytes over a socket: the advisories of this field, and our limits."""

import resource
import socket
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import BrokenResourceError, EndOfStream, create_task_group, fail_after, wait_all_tasks_blocked
from anyio.abc import SocketAttribute

from p2pstack.errors import ConnectionClosed, RemoteProtocolError
from p2pstack.muxers.budget import ReceiveBudget
from p2pstack.muxers.yamux import Yamux
from p2pstack.muxers.yamux.frames import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE

Frame = Callable[..., bytes]
Frames = Callable[[bytes], list[tuple[int, int, int, int, bytes]]]


async def _drain(raw: Any) -> bytes:
    data = b""
    while True:
        try:
            data += await raw.receive()
        except (EndOfStream, BrokenResourceError):
            return data


async def _receive_exactly(raw: Any, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await raw.receive(size - len(data))
    return data


async def _until(condition: Callable[[], bool]) -> None:
    """Let the event loop turn until it is so."""
    with fail_after(20):
        while not condition():
            await anyio.lowlevel.checkpoint()


def _peak() -> int:
    """The most memory this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def _still_serves(connected: Any) -> None:
    """Another connection works."""
    async with connected(pipe=0) as (one, other):
        stream = await one.open()
        await stream.send(b"ping")
        assert await (await other.accept()).receive() == b"ping"


async def test_streams_without_end_are_reset_above_the_limit(
    facing: Any, connected: Any, frame: Frame, frames: Frames
) -> None:
    """Advisory 1 (CVE-2022-23486): many small allocations."""
    count = 30_000
    async with facing(pipe=0) as (party, raw):
        sent = b"".join(frame(WINDOW_UPDATE, SYN, 2 * number + 1) for number in range(count))
        answers = bytearray()
        before = _peak()
        async with create_task_group() as tasks:
            tasks.start_soon(raw.send, sent)
            while len(answers) < 12 * count:
                answers += await raw.receive()
        assert _peak() - before < 16 << 20
        flags = [flags for _, flags, *_ in frames(bytes(answers))]
        assert flags.count(ACK) == 1_000
        assert flags.count(RST) == count - 1_000
        assert len(party.connection.session.streams) == len(party.offered) == 1_000
        assert party.connection.session.refused == count - 1_000
        assert not party.connection.closed
        # The peer has not lost the connection: as streams end, new ones are taken.
        party.offered.popleft().reset()
        assert frames(await _receive_exactly(raw, 12)) == [(WINDOW_UPDATE, RST, 1, 0, b"")]
        await raw.send(frame(DATA, SYN, 2 * count + 1, body=b"x"))
        assert frames(await _receive_exactly(raw, 12)) == [(WINDOW_UPDATE, ACK, 2 * count + 1, 0, b"")]
        await _still_serves(connected)


async def test_streams_opened_and_reset_without_end_leave_nothing(facing: Any, frame: Frame) -> None:
    """Rapid reset: each frame pair makes a stream and ends it."""
    async with facing(pipe=0) as (party, raw):
        for start in range(0, 20_000, 1_000):
            await raw.send(
                b"".join(
                    frame(WINDOW_UPDATE, SYN, 2 * n + 1) + frame(WINDOW_UPDATE, RST, 2 * n + 1)
                    for n in range(start, start + 1_000)
                )
            )
            await _receive_exactly(raw, 12_000)
            assert len(party.connection.session.streams) == 0
            assert len(party.offered) == 1_000
            assert all(stream.ended for stream in party.offered)
            party.offered.clear()


async def test_one_connection_holds_no_more_than_its_streams_windows(facing: Any, frame: Frame, frames: Frames) -> None:
    """Advisory 2 (CVE-2022-23492), one connection's part: streams that nobody reads, filled without end."""
    budget = ReceiveBudget(16 << 20)
    async with facing(Yamux(budget=budget), pipe=0) as (party, raw):
        async with create_task_group() as tasks:
            resets = 0

            async def count() -> None:
                nonlocal resets
                while True:
                    for _, flags, *_ in frames(await _receive_exactly(raw, 12)):
                        resets += bool(flags & RST)

            tasks.start_soon(count)
            for number in range(128):
                await raw.send(frame(DATA, SYN, 2 * number + 1, body=bytes(262_144)))
            await _until(lambda: resets == 64)
            assert budget.used <= budget.limit
            assert budget.refused == 64
            tasks.cancel_scope.cancel()
        assert len(party.connection.session.streams) == 64
    assert budget.used == 0


async def test_more_than_the_window_of_a_stream_is_a_violation(facing: Any, frame: Frame, frames: Frames) -> None:
    async with facing(pipe=0) as (party, raw):
        await raw.send(frame(DATA, SYN, 1, body=bytes(262_144)) + frame(DATA, 0, 1, body=b"x"))
        failure = await party.outcome()
        assert isinstance(failure, RemoteProtocolError)
        assert "1 bytes on stream 1: 0 were granted" in str(failure)
        assert (GO_AWAY, 0, 0, 1, b"") in frames(await _drain(raw))


async def test_pings_without_end_and_never_read_cost_no_memory_and_end_the_connection(
    facing: Any, connected: Any, frame: Frame
) -> None:
    """Advisory 8 (CVE-2024-32984): answers pile up for a peer that does not read."""
    async with facing(Yamux(write_timeout=0.2), pipe=0) as (party, raw):
        session = party.connection.session
        sock = party.channel.raw.extra(SocketAttribute.raw_socket)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)  # the kernel shall not hold the answers for long
        pings = frame(PING, SYN, 0, 1) * 10_000
        before = _peak()
        most = 0
        try:
            while True:
                await raw.send(pings)
                most = max(most, len(session._life.outbox.control))
        except BrokenResourceError:
            pass
        with fail_after(20):
            failure = await party.outcome()
        assert isinstance(failure, ConnectionClosed)
        assert "has not read for 0.2 s" in str(failure)
        assert most <= 12 * 32
        assert session.liveness.ignored > 0
        assert _peak() - before < 16 << 20
        await _still_serves(connected)


async def test_openings_whose_answers_are_never_read_stop_the_reader_and_end_the_connection(
    facing: Any, frame: Frame
) -> None:
    async with facing(Yamux(write_timeout=0.5), pipe=0) as (party, raw):
        session = party.connection.session
        most = 0
        try:
            for start in range(0, 1_000_000, 10_000):
                await raw.send(b"".join(frame(WINDOW_UPDATE, SYN, 2 * n + 1) for n in range(start, start + 10_000)))
                most = max(most, len(session._life.outbox.control))
        except BrokenResourceError:
            pass
        with fail_after(20):
            assert isinstance(await party.outcome(), ConnectionClosed)
        assert most <= 65_536 + 131_072  # the queue, and the answers to one read


async def test_window_credit_beyond_32_bits_is_a_violation(
    facing: Any, connected: Any, frame: Frame, frames: Frames
) -> None:
    """Advisory 9 (CVE-2026-31814): the sum of credits overflowed."""
    async with facing(pipe=0) as (party, raw):
        await raw.send(frame(WINDOW_UPDATE, SYN, 1) + frame(WINDOW_UPDATE, 0, 1, 0xFFFF_0000))
        assert isinstance(await party.outcome(), RemoteProtocolError)
        assert (GO_AWAY, 0, 0, 1, b"") in frames(await _drain(raw))
        assert len(party.connection.session.streams) == 0
        await _still_serves(connected)


async def test_a_first_body_beyond_the_window_makes_no_stream(facing: Any, frame: Frame, frames: Frames) -> None:
    """Advisory 10 (CVE-2026-32314): a stream was made before its body was checked."""
    async with facing(pipe=0) as (party, raw):
        await raw.send(frame(DATA, SYN, 1, 262_145))
        assert isinstance(await party.outcome(), RemoteProtocolError)
        assert frames(await _drain(raw)) == [(GO_AWAY, 0, 0, 1, b"")]
        assert not party.offered
        assert len(party.connection.session.streams) == 0


@pytest.mark.parametrize("opened", [False, True])
async def test_a_gigantic_length_ends_the_connection_before_any_body(
    facing: Any, frame: Frame, frames: Frames, opened: bool
) -> None:
    """Advisory 11 (CVE-2026-73568): the body was read before its length was checked."""
    async with facing(pipe=0) as (party, raw):
        await raw.send((frame(WINDOW_UPDATE, SYN, 1) if opened else b"") + frame(DATA, 0, 1, 0xFFFF_FFFF))
        with fail_after(20):
            assert isinstance(await party.outcome(), RemoteProtocolError)
        assert (GO_AWAY, 0, 0, 1, b"") in frames(await _drain(raw))


async def test_streams_on_one_connection_with_ten_mebibytes_each_way_are_not_mixed(connected: Any) -> None:
    """Advisory 30, between two of ours: bytes of interleaved streams stay apart, beyond the first window too."""
    async with connected(pipe=0) as (one, other):
        size = 1 << 20

        async def echo(stream: Any) -> None:
            async with stream:
                async for chunk in stream:
                    await stream.send(chunk)

        async def serve() -> None:
            async with create_task_group() as handlers:
                for _ in range(10):
                    handlers.start_soon(echo, await other.accept())

        async def ask(number: int) -> None:
            async with await one.open() as stream, create_task_group() as tasks:

                async def send() -> None:
                    for _ in range(16):
                        await stream.send(bytes([number]) * (size // 16))
                    await stream.send_eof()

                tasks.start_soon(send)
                received = b"".join([chunk async for chunk in stream])
                assert received == bytes([number]) * size

        async with create_task_group() as tasks:
            tasks.start_soon(serve)
            for number in range(10):
                tasks.start_soon(ask, number)


async def test_single_window_updates_without_end_cost_a_stuck_writer_nothing(facing: Any, frame: Frame) -> None:
    """A peer that grants byte after byte and reads none."""
    async with facing(Yamux(send_buffer=1 << 16), pipe=0) as (party, raw):
        stream = await party.open()
        async with create_task_group() as tasks:
            tasks.start_soon(stream.send, bytes(8 << 20))
            await wait_all_tasks_blocked()
            await raw.send(frame(WINDOW_UPDATE, ACK, 2) + frame(WINDOW_UPDATE, 0, 2, 1) * 20_000)
            session = party.connection.session
            await _until(lambda: stream._state.send_credit + session.bytes_sent == 262_144 + 20_000)
            assert session.bytes_queued <= (1 << 16) + 65_536
            assert len(session._life.crowded) <= 1
            tasks.cancel_scope.cancel()


async def test_bytes_for_a_closed_stream_are_dropped_up_to_its_window(
    facing: Any, frame: Frame, frames: Frames
) -> None:
    async with facing(pipe=0) as (party, raw):
        await raw.send(frame(WINDOW_UPDATE, SYN, 1))
        await (await party.accept()).aclose()
        await _receive_exactly(raw, 24)
        await raw.send(frame(DATA, 0, 1, body=bytes(262_144)) + frame(WINDOW_UPDATE, FIN, 1))
        await _until(lambda: len(party.connection.session.streams) == 0)
        assert party.connection._config.budget.used == 0
        await raw.send(frame(WINDOW_UPDATE, SYN, 3) + frame(DATA, 0, 3, body=bytes(262_144)) + frame(DATA, 0, 3, 1))
        assert isinstance(await party.outcome(), RemoteProtocolError)
        assert (GO_AWAY, 0, 0, 1, b"") in frames(await _drain(raw))
