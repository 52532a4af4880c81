"""Ping, perf and echo, asked by peers that mean ill, and ping answered by them."""

import hashlib
import os
from itertools import count

import pytest
from anyio import Event, create_task_group, current_time, fail_after, sleep

from p2pstack import PrivateKey, RemoteProtocolError, ping
from p2pstack.abc.connection import Stream
from p2pstack.abc.events import LimitHit
from p2pstack.protocols.echo import Echo
from p2pstack.protocols.perf import Perf
from p2pstack.protocols.ping import Ping

from .attacker import DATA, FIN, HEADER, PING, RST, SYN, WINDOW_UPDATE, data, frame, line
from .scene import ALMOST, BRIEF, NEVER, SOON, Census, scene

PING_PROTOCOL, PERF, ECHO = "/ipfs/ping/1.0.0", "/perf/1.0.0", "/echo/1.0.0"
WINDOW = 262_144


# --- ping


async def test_a_third_stream_of_pings_is_reset_over_whichever_connection_it_comes() -> None:
    identity = PrivateKey.generate()
    async with scene() as s, await s.attacker(identity=identity) as one, await s.attacker(identity=identity) as other:
        for attacker in (one, other):
            await attacker.open(1, PING_PROTOCOL, bytes(32))
            await attacker.read(1, len(HEADER) + 18 + 32)
        await other.open(3, PING_PROTOCOL, bytes(32))
        await other.until(WINDOW_UPDATE, RST, stream=3)
        hit = await s.hit(f"inbound streams of one peer for {PING_PROTOCOL}")
        assert hit == LimitHit(f"inbound streams of one peer for {PING_PROTOCOL}", 2, 2, identity.peer_id)
        await one.send_frames(frame(WINDOW_UPDATE, FIN, 1, 0))
        await one.until(WINDOW_UPDATE, FIN, stream=1)
        await one.ping(5)


async def test_a_ping_cut_short_resets_its_stream() -> None:
    async with scene() as s, await s.attacker() as attacker:
        await attacker.open(1, PING_PROTOCOL, bytes(31))
        await attacker.send_frames(frame(WINDOW_UPDATE, FIN, 1, 0))
        await attacker.until(WINDOW_UPDATE, RST, stream=1)
        await attacker.ping(3)


async def test_a_stream_on_which_nobody_pings_is_reset() -> None:
    async with scene(services=[Ping(idle_timeout=BRIEF)]) as s, await s.attacker() as attacker:
        began = current_time()
        await attacker.open(1, PING_PROTOCOL, bytes(31))
        await attacker.until(WINDOW_UPDATE, RST, stream=1)
        assert ALMOST <= current_time() - began < SOON
        await attacker.ping(3)


async def test_pings_without_end_and_never_read_wait_for_their_window() -> None:
    async with scene() as s, await s.attacker() as attacker:
        (connection,) = s.host.connections_to(attacker.peer_id)
        await attacker.open(1, PING_PROTOCOL)
        for _ in range(7):  # and no more: the eighth would pass the window, where that is not granted anew in time
            await attacker.send_frames(data(1, bytes(32_768)))
        while not (await attacker.until(WINDOW_UPDATE, stream=1)).length:
            pass
        for _ in range(3):
            await attacker.send_frames(data(1, bytes(32_768)))
        await s.wait_for(lambda: connection.bytes_received >= 10 * 32_768)
        await s.ping()
        assert connection.bytes_sent <= 2 * WINDOW


@pytest.mark.parametrize("answer", ["silence", "others", "half", "more"])
async def test_an_answer_that_is_none_is_told_to_who_pings(answer: str) -> None:
    async with scene() as s, await s.attacker() as attacker, create_task_group() as tasks:
        await attacker.identify()
        kind, timeout = (TimeoutError, BRIEF) if answer == "silence" else (RemoteProtocolError, NEVER)

        async def measure() -> None:
            with fail_after(SOON), pytest.raises(kind):
                async for _ in ping(s.host, attacker.peer_id, timeout=timeout, interval=0):
                    pass

        tasks.start_soon(measure)
        stream = await attacker.accept(PING_PROTOCOL)
        sent = await attacker.read(stream, 32)
        if answer == "others":
            await attacker.send_frames(data(stream, os.urandom(32)))
        elif answer == "half":
            await attacker.send_frames(data(stream, sent[:16]), frame(WINDOW_UPDATE, FIN, stream, 0))
        elif answer == "more":
            await attacker.send_frames(data(stream, sent + bytes(64)))
        await attacker.until(WINDOW_UPDATE, RST, stream=stream)
        await attacker.ping(1)


# --- perf and echo: bytes, as many as wanted


async def test_frames_fit_one_record_and_no_more_is_sent_than_was_granted() -> None:
    async with scene(services=[Perf()]) as s, await s.attacker() as attacker:
        begin = len(HEADER + line(PERF))
        await attacker.open(1, PERF, (1 << 40).to_bytes(8, "big"))
        await attacker.send_frames(frame(WINDOW_UPDATE, FIN, 1, 0))
        received, granted = 0, WINDOW
        for more in (0, 1, 65_506, 65_507, 65_508, 200_000):
            granted += more
            await attacker.send_frames(frame(WINDOW_UPDATE, 0, 1, more), frame(PING, SYN, 0, more))
            while received < granted:
                got = await attacker.until(DATA, stream=1)
                assert got.length <= 65_507
                received += got.length
            await s.ping(2)
            assert received == granted
        assert s.host.connections_to(attacker.peer_id)[0].bytes_sent <= granted + (1 << 20) + begin
        await attacker.send_frames(frame(WINDOW_UPDATE, RST, 1, 0))


async def test_a_sender_is_granted_no_more_than_the_largest_window() -> None:
    largest = 2 * WINDOW
    async with scene(muxer={"max_window": largest}, services=[Perf()]) as s, await s.attacker() as attacker:
        begin = HEADER + line(PERF) + bytes(8)
        await attacker.send_frames(data(1, begin, SYN))
        credit = WINDOW - len(begin)
        grown = False
        for _ in range(100):
            while credit >= 60_000:
                await attacker.send_frames(data(1, bytes(60_000)))
                credit -= 60_000
            while credit < 60_000:
                got = await attacker.receive_frame()
                if got.kind == PING and got.flags & SYN:
                    await sleep(0.03)  # a peer that is far away: for it the window is to grow
                    await attacker.send_frames(frame(PING, 2, 0, got.length))
                elif got.kind == WINDOW_UPDATE and got.stream == 1:
                    credit += got.length
                    assert credit <= largest
                    grown |= credit > WINDOW
        assert grown


async def test_a_header_cut_short_resets_its_stream() -> None:
    async with scene(services=[Perf()]) as s, await s.attacker() as attacker:
        await attacker.open(1, PERF, bytes(7))
        await attacker.send_frames(frame(WINDOW_UPDATE, FIN, 1, 0))
        await attacker.until(WINDOW_UPDATE, RST, stream=1)
        await attacker.ping(3)


async def test_a_seventeenth_stream_of_perf_is_reset() -> None:
    async with scene(services=[Perf()]) as s, await s.attacker() as attacker:
        for stream in range(1, 35, 2):
            await attacker.open(stream, PERF)
        assert (await attacker.until(WINDOW_UPDATE, RST)).stream in range(1, 35, 2)
        hit = await s.hit(f"inbound streams of one peer for {PERF}")
        assert hit == LimitHit(f"inbound streams of one peer for {PERF}", 16, 16, attacker.peer_id)
        await attacker.ping(101)


async def test_a_transfer_on_which_nothing_moves_is_given_up() -> None:
    async with scene(services=[Perf(stall_timeout=BRIEF)]) as s, await s.attacker() as attacker:
        await attacker.open(1, PERF, bytes(8))  # and no end
        await attacker.open(3, PERF, b"\xff" * 8)
        await attacker.send_frames(frame(WINDOW_UPDATE, FIN, 3, 0))  # and no window
        ended = {(await attacker.until(WINDOW_UPDATE, RST)).stream for _ in range(2)}
        assert ended == {1, 3}
        await attacker.ping(5)


async def test_streams_whose_frames_come_mixed_and_cut_anywhere_get_their_own_bytes() -> None:
    """A megabyte each way, on 50 streams, in pieces of odd sizes, while pings and updates of no bytes come between."""
    streams = range(1, 101, 2)
    each = 20_000
    async with scene(services=[Echo()]) as s, await s.attacker() as attacker, create_task_group() as tasks:
        sent = {stream: os.urandom(each) for stream in streams}
        wire = bytearray()
        for stream in streams:
            wire += frame(WINDOW_UPDATE, SYN, stream, 1_000) + data(stream, HEADER + line(ECHO))
        for at in range(0, each, 777):
            for stream in streams:
                wire += data(stream, sent[stream][at : at + 777]) + frame(WINDOW_UPDATE, 0, stream, 0)
            wire += frame(PING, SYN, 0, at) + data(1, b"")
        for stream in streams:
            wire += frame(WINDOW_UPDATE, FIN, stream, 0)

        async def send() -> None:
            sizes = (1, 11, 12, 13, 65_519, 4_000, 7)
            at = 0
            for n in count():
                if at >= len(wire):
                    break
                await attacker.send(attacker.seal(bytes(wire[at : at + sizes[n % 7]])))
                at += sizes[n % 7]

        tasks.start_soon(send)
        received = {stream: bytearray() for stream in streams}
        ended = 0
        while ended < len(streams):
            got = await attacker.receive_frame()
            if got.kind == DATA and got.stream % 2:
                received[got.stream] += got.body
            ended += bool(got.kind == WINDOW_UPDATE and got.flags & FIN and got.stream % 2)
        begin = len(HEADER + line(ECHO))
        assert all(
            hashlib.sha256(received[stream][begin:]).digest() == hashlib.sha256(sent[stream]).digest()
            for stream in streams
        )


async def test_a_slow_reader_holds_up_nobody_but_itself() -> None:
    async with scene(services=[Echo(), Perf()]) as s, await s.attacker() as attacker:
        (connection,) = s.host.connections_to(attacker.peer_id)
        session = connection._muxed.session  # type: ignore[attr-defined]
        begin = len(HEADER + line(PERF))
        await attacker.send_frames(
            *(
                attacker.opening(n, PERF, b"\xff" * 8) + frame(WINDOW_UPDATE, FIN, n, 0xFFFF_FFFF - WINDOW)
                for n in range(1, 21, 2)
            )
        )
        await attacker.until(DATA, stream=19)
        assert session.bytes_queued <= 2 << 20
        await s.ping(20)
        await attacker.open(101, ECHO, b"heard")
        assert (await attacker.read(101, begin + 5)).endswith(b"heard")
        for n in (*range(1, 21, 2), 101):
            await attacker.send_frames(frame(WINDOW_UPDATE, RST, n, 0))
        await s.wait_for(lambda: Census.of(s.host).streams == 0)


async def test_a_handler_that_waits_for_a_peer_ends_with_the_connection() -> None:
    ended: list[Exception] = []
    both = Event()
    async with scene() as s:

        @s.host.handle("/both/1.0.0")
        async def both_ways(stream: Stream) -> None:
            async def read() -> None:
                await stream.receive()

            async def write() -> None:
                while True:
                    await stream.send(bytes(65_536))

            try:
                async with create_task_group() as tasks:
                    tasks.start_soon(read)
                    tasks.start_soon(write)
            except Exception as error:
                ended.append(error)
                raise
            finally:
                both.set()

        async with await s.attacker() as attacker:
            await attacker.open(1, "/both/1.0.0")
            await attacker.until(DATA, stream=1)
        with fail_after(SOON):
            await both.wait()
        assert len(ended) <= 1
