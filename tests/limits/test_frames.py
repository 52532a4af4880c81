"""Frames that no muxer sends: each ends its connection, and that one only."""

import os
import resource
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from anyio import BrokenResourceError, ClosedResourceError, Event, create_task_group, current_time, fail_after
from anyio.lowlevel import checkpoint

from p2pstack import ConnectionClosed, DialError, Host, LimitExceeded, RemoteProtocolError
from p2pstack.abc.connection import Stream
from p2pstack.abc.events import LimitHit
from p2pstack.protocols.echo import Echo
from p2pstack.protocols.perf import Perf

from .attacker import ACK, DATA, FIN, GO_AWAY, HEADER, PING, RST, SYN, WINDOW_UPDATE, Attacker, data, frame, line
from .scene import BRIEF, SOON, Census, budget_of, limits, scene

WINDOW = 262_144

VIOLATIONS: dict[str, tuple[Sequence[bytes], str]] = {
    "another version": ([b"\x01" + frame(PING, SYN, 0, 0)[1:]], "version 1 of the frame: expected 0"),
    "an unknown type": ([frame(9, 0, 0, 0)], "frame of type 9"),
    "a stream of our parity": ([frame(WINDOW_UPDATE, SYN, 2, 0)], "stream 2 opened"),
    "stream 0": ([frame(WINDOW_UPDATE, SYN, 0, 0)], "stream 0 opened"),
    "a stream opened twice": ([frame(WINDOW_UPDATE, SYN, 1, 0)] * 2, "stream 1 opened"),
    "a stream of ours that never was": ([data(4_000, b"x")], "stream 4000, which was never opened"),
    "a first body above the window": ([frame(DATA, SYN, 1, WINDOW + 1)], f"{WINDOW + 1} bytes on new stream 1"),
    "a body above the window": (
        [frame(WINDOW_UPDATE, SYN, 1, 0), frame(DATA, 0, 1, WINDOW + 1)],
        f"{WINDOW + 1} bytes on stream 1: {WINDOW} were granted",
    ),
    "4 GiB on a new stream": ([frame(DATA, SYN, 1, 0xFFFF_FFFF)], "4294967295 bytes on new stream 1"),
    "4 GiB on no stream": ([frame(DATA, 0, 1, 0xFFFF_FFFF)], "4294967295 bytes on stream 1, which is not open"),
    "data behind the end": (
        [frame(WINDOW_UPDATE, SYN | FIN, 1, 0), data(1, b"x")],
        "1 bytes on stream 1 after its end",
    ),
    "credit above 32 bits": (
        [frame(WINDOW_UPDATE, SYN, 1, 0), frame(WINDOW_UPDATE, 0, 1, 0xFFFF_0000)],
        "window of stream 1 raised to",
    ),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
async def test_a_violation_is_told_and_ends_its_connection(violation: str) -> None:
    frames, text = VIOLATIONS[violation]
    async with scene() as s, await s.attacker() as attacker:
        began = current_time()
        await attacker.send_frames(*frames)
        goodbye = await attacker.until(GO_AWAY)
        await attacker.drain()
        assert goodbye.length == 1
        assert current_time() - began < SOON
        error = (await s.end_of(attacker.peer_id)).error
        assert isinstance(error, RemoteProtocolError)
        assert text in str(error)


async def test_any_bytes_end_the_connection_or_nothing() -> None:
    async with scene() as s:
        for _ in range(20):
            async with await s.attacker() as attacker:
                await attacker.send(attacker.seal(os.urandom(10_000)))
                await attacker.drain()
            assert isinstance((await s.end_of(attacker.peer_id)).error, RemoteProtocolError)


async def test_more_refusals_than_are_kept_at_a_time_stop_nothing() -> None:
    """What goes out at the end of a turn must not be forgotten by who waits for it from the next one on."""
    async with scene() as s, await s.attacker() as attacker:
        await attacker.send_frames(*[frame(WINDOW_UPDATE, SYN, number, 0) for number in range(1, 801, 2)])
        await attacker.send_frames(frame(PING, SYN, 0, 1))
        await attacker.until(PING, ACK)
        await attacker.send_frames(*[frame(WINDOW_UPDATE, SYN, number, 0) for number in range(1_001, 13_001, 2)])
        await attacker.send_frames(frame(PING, SYN, 0, 2))
        with fail_after(SOON):
            assert (await attacker.until(PING, ACK)).length == 2


def resident() -> int:
    """Bytes of memory that this process uses."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def test_streams_without_end_are_refused_and_told() -> None:
    async with scene() as s, await s.attacker() as attacker:
        before = resident()
        for start in range(0, 5_000, 1_000):
            await attacker.send_frames(
                *(frame(WINDOW_UPDATE, SYN, 2 * number + 1, 0) for number in range(start, start + 1_000))
            )
        flags: list[int] = []
        while flags.count(RST) < 5_000 - 256:
            got = await attacker.receive_frame()
            if got.kind == WINDOW_UPDATE and got.stream % 2:
                flags.append(got.flags)
        hit = await s.hit("inbound streams of one connection")
        assert hit == LimitHit("inbound streams of one connection", 256, 256, attacker.peer_id)
        (connection,) = s.host.connections_to(attacker.peer_id)
        assert connection._inbound == 256  # type: ignore[attr-defined]
        await s.ping(3)
        assert resident() - before < 16 << 20


async def test_streams_opened_and_reset_without_end_leave_nothing() -> None:
    async with scene() as s, await s.attacker() as attacker, create_task_group() as tasks:
        tasks.start_soon(attacker.drain)
        rtts: list[float] = []
        for start in range(0, 10_000, 1_000):
            await attacker.send_frames(
                *(
                    attacker.opening(2 * number + 1, "/ipfs/ping/1.0.0") + frame(WINDOW_UPDATE, RST, 2 * number + 1, 0)
                    for number in range(start, start + 1_000)
                )
            )
            rtts += await s.ping()
        await s.wait_for(lambda: Census.of(s.host).streams == 0)
        assert s.host.connections_to(attacker.peer_id)
        assert median(rtts) < 5
        tasks.cancel_scope.cancel()


async def test_many_connections_with_many_streams_fill_no_host() -> None:
    """200 peers of one address with 256 streams each, within limits a tenth as large."""
    config = limits(max_inbound_streams=64, max_inbound_streams_in_all=400)
    async with scene(config=config) as s, create_task_group() as tasks:

        @s.host.handle("/wait/1.0.0")
        async def wait(stream: Stream) -> None:
            await Event().wait()

        attackers = [await s.attacker() for _ in range(20)]
        for attacker in attackers:
            tasks.start_soon(attacker.drain)
            await attacker.send_frames(*(attacker.opening(2 * n + 1, "/wait/1.0.0") for n in range(64)))
            await s.ping()
        hit = await s.hit("inbound streams")
        assert hit.limit == 400
        assert hit.used >= 400
        assert Census.of(s.host).streams <= 400 + 20 * 16
        await s.ping(10)
        async with await s.friend.open_stream(s.host.peer_id, "/ipfs/id/1.0.0") as stream:
            assert await stream.receive()
        tasks.cancel_scope.cancel()


async def test_pings_that_are_never_read_cost_no_memory() -> None:
    async with scene() as s, await s.attacker() as attacker:
        (connection,) = s.host.connections_to(attacker.peer_id)
        session = connection._muxed.session  # type: ignore[attr-defined]
        for _ in range(8):
            await attacker.send_frames(*[frame(PING, SYN, 0, 7)] * 25_000)
            assert len(session._outbox.control) <= 12 * 32 + 12 * 3
        await s.wait_for(lambda: session.liveness.ignored > 180_000)


Work = Callable[[Attacker, Iterator[int]], Awaitable[None]]


async def _open(attacker: Attacker, numbers: Iterator[int]) -> None:
    await attacker.send_frames(*(frame(WINDOW_UPDATE, SYN, next(numbers), 0) for _ in range(500)))


async def _download(attacker: Attacker, numbers: Iterator[int]) -> None:
    number = next(numbers)
    await attacker.send_frames(
        attacker.opening(number, "/perf/1.0.0", b"\xff" * 8), frame(WINDOW_UPDATE, FIN, number, 0x7FFF_FFFF)
    )


@pytest.mark.parametrize("work", [_open, _download], ids=lambda work: work.__name__)
async def test_a_peer_that_makes_work_and_never_reads_is_cut(work: Work) -> None:
    options: dict[str, Any] = {"muxer": {"write_timeout": BRIEF}, "services": [Perf()]}
    async with scene(send_buffer=4_096, **options) as s, create_task_group() as tasks:
        attacker = await s.attacker(receive_buffer=4_096)
        (connection,) = s.host.connections_to(attacker.peer_id)
        session = connection._muxed.session  # type: ignore[attr-defined]
        waiting = [0]

        async def flood() -> None:
            numbers = count(1, 2)
            with suppress(BrokenResourceError, ClosedResourceError):
                while True:
                    await work(attacker, numbers)
                    await checkpoint()

        def given_up() -> bool:
            waiting.append(len(session._outbox.control) + session._outbox.queued)
            return connection.closed

        tasks.start_soon(flood)
        await s.wait_for(given_up)
        tasks.cancel_scope.cancel()
        error = (await s.end_of(attacker.peer_id)).error
        assert isinstance(error, ConnectionClosed)
        assert "has not read for 0.6 s: given up" in str(error)
        assert (
            0 < max(waiting) <= (1 << 20) + 65_536 + 131_072
        )  # data, control frames, and what one read brings of both


async def test_a_peer_that_falls_silent_is_taken_for_dead() -> None:
    async with scene(muxer={"keepalive_interval": BRIEF, "write_timeout": BRIEF}) as s, await s.attacker() as attacker:
        await attacker.drain()
        error = (await s.end_of(attacker.peer_id)).error
        assert isinstance(error, ConnectionClosed)
        assert "answers no ping: taken for dead" in str(error)


async def test_bytes_that_nobody_reads_stay_within_the_budget() -> None:
    release = Event()
    async with scene(budget=1 << 20) as s:

        @s.host.handle("/unread/1.0.0")
        async def unread(stream: Stream) -> None:
            await release.wait()
            while True:
                await stream.receive()

        async with await s.attacker() as attacker:
            streams = range(1, 21, 2)
            for number in streams:
                await attacker.open(number, "/unread/1.0.0")
                await attacker.until(DATA, stream=number)
            for number in streams:
                await attacker.send_frames(*(data(number, bytes(65_000)) for _ in range(4)))
            await attacker.until(WINDOW_UPDATE, RST)
            budget = budget_of(s.host)
            assert budget.used <= budget.limit
            assert budget.refused
            await s.ping()
            release.set()
            hit = await s.hit("bytes unread by applications")
            assert hit.limit == 1 << 20


async def test_who_fills_the_budget_takes_it_from_nobody_else() -> None:
    """By echoes that are not read: each stream then holds a window that its handler cannot read either."""
    scope = "bytes unread by applications"
    async with (
        scene(budget=4 << 20, services=[Echo()]) as s,
        await s.attacker() as attacker,
        create_task_group() as tasks,
    ):
        budget = budget_of(s.host)
        credit = {stream: WINDOW - len(HEADER + line("/echo/1.0.0")) for stream in range(1, 101, 2)}
        over = Event()

        async def listen() -> None:
            while not over.is_set():
                got = await attacker.receive_frame()
                if got.kind == WINDOW_UPDATE and got.stream in credit:
                    credit[got.stream] += got.length
                    if got.flags & RST:
                        del credit[got.stream]

        tasks.start_soon(listen)
        for stream in tuple(credit):
            await attacker.open(stream, "/echo/1.0.0")
        while not s.hits(scope):
            for stream in tuple(credit):
                if credit.get(stream, 0) >= 8_000:
                    credit[stream] -= 8_000
                    await attacker.send_frames(data(stream, bytes(8_000)))
            await s.ping()
        async with await s.friend.open_stream(s.host.peer_id, "/echo/1.0.0") as stream:
            for _ in range(4):
                await stream.send(bytes(200_000))
                received = 0
                while received < 200_000:
                    received += len(await stream.receive())
        assert {hit.peer for hit in s.hits(scope)} == {attacker.peer_id}
        assert budget.used <= budget.limit
        over.set()
        tasks.cancel_scope.cancel()


async def test_a_stream_beyond_the_budget_says_so_to_whoever_reads_it() -> None:
    async with scene(budget=100_000) as s, await s.attacker() as attacker:
        await attacker.accept_identify()
        s.host.peerstore.set_protocols(attacker.peer_id, ["/x/1"])
        async with await s.host.open_stream(s.host.connections_to(attacker.peer_id)[0], "/x/1") as stream:
            await stream.send(b"go on")
            number = (await attacker.until(WINDOW_UPDATE, SYN)).stream
            await attacker.send_frames(data(number, bytes(60_000)), data(number, bytes(60_000)))
            await attacker.until(WINDOW_UPDATE, RST, stream=number)
            with pytest.raises(LimitExceeded, match="bytes unread by applications: limit 100000, used 120000"):
                await stream.receive()


async def test_a_peer_that_said_goodbye_and_stays_is_called_anew() -> None:
    async with scene() as s, await s.attacker() as attacker:
        (connection,) = s.host.connections_to(attacker.peer_id)
        await attacker.send_frames(frame(GO_AWAY, 0, 0, 0))
        await s.wait_for(lambda: connection.closed)
        with pytest.raises(DialError, match=r"no address of peer .* is known"):
            await s.host.open_stream(attacker.peer_id, "/x/1")


async def test_a_peer_that_acknowledges_no_stream_is_not_waited_for() -> None:
    async with scene(muxer={"write_timeout": BRIEF, "ack_backlog": 8}) as s, await s.attacker() as attacker:
        connection = s.host.connections_to(attacker.peer_id)[0]
        s.host.peerstore.set_protocols(attacker.peer_id, ["/x/1"])
        with fail_after(SOON), pytest.raises(LimitExceeded, match="streams that the peer has not acknowledged"):
            for _ in range(9):
                await connection.open_stream("/x/1")


async def test_single_bytes_take_no_more_memory_than_many() -> None:
    async with scene() as s:

        @s.host.handle("/unread/1.0.0")
        async def unread(stream: Stream) -> None:
            await Event().wait()

        async with await s.attacker() as attacker:
            await attacker.open(1, "/unread/1.0.0")
            for _ in range(10):
                await attacker.send_frames(*[data(1, b"x")] * 2_000)
            await s.wait_for(lambda: budget_of(s.host).used == 20_000)
            (connection,) = s.host.connections_to(attacker.peer_id)
            (state,) = [state for state in connection._muxed.session.streams if state.unread]  # type: ignore[attr-defined]
            assert len(state.inbox) < 10


async def test_a_host_is_called_while_it_calls() -> None:
    """Both connections stay, and serve both sides."""
    async with scene() as s, Host(listen=["/ip4/127.0.0.1/tcp/0"]) as other, create_task_group() as tasks:
        tasks.start_soon(s.host.connect, other.addrs[0])
        tasks.start_soon(other.connect, s.host.addrs[0])
        await s.wait_for(lambda: len(other.connections_to(s.host.peer_id)) == 2)
        for here, there in ((s.host, other), (other, s.host)):
            async with await here.open_stream(there.peer_id, "/ipfs/ping/1.0.0") as stream:
                await stream.send(bytes(32))
                assert await stream.receive() == bytes(32)
        await other.disconnect(s.host.peer_id)
