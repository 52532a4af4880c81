"""Streams on which nobody agrees on a protocol: each is reset, and all else on its connection goes on."""

from collections.abc import Callable
from itertools import count, takewhile

import pytest
from anyio import Event, create_task_group, current_time, fail_after, sleep

from p2pstack import NegotiationError, P2PError, RemoteProtocolError, StreamReset
from p2pstack.abc.connection import Stream
from p2pstack.abc.events import LimitHit

from .attacker import DATA, FIN, HEADER, RST, SYN, WINDOW_UPDATE, data, frame, line, varint
from .scene import ALMOST, BRIEF, SOON, Census, limits, scene

SHORT = limits(negotiation_timeout=BRIEF)


async def test_streams_that_propose_nothing_are_reset_at_the_deadline() -> None:
    said = (b"", HEADER[:7], HEADER, HEADER + line("/ipfs/ping/1.0.0")[:5], HEADER + line("ls"))
    waiting = set(range(1, 2 * len(said), 2))
    async with scene(config=SHORT) as s, await s.attacker() as attacker:
        began = current_time()
        await attacker.send_frames(
            *(data(stream, first, SYN) for stream, first in zip(sorted(waiting), said, strict=True))
        )
        while waiting:
            waiting.discard((await attacker.until(WINDOW_UPDATE, RST)).stream)
            assert ALMOST <= current_time() - began < SOON
        await attacker.ping(101)


async def test_a_proposal_now_and_then_buys_no_time() -> None:
    async with scene(config=SHORT) as s, await s.attacker() as attacker, create_task_group() as tasks:
        began = current_time()
        over = Event()
        await attacker.send_frames(data(1, HEADER, SYN))

        async def drip() -> None:
            for number in takewhile(lambda _: not over.is_set(), count()):
                await attacker.send_frames(data(1, line(f"/no/{number % 7}")))
                await s.ping()
                await sleep(BRIEF / 50)  # there may be a thousand in all

        tasks.start_soon(drip)
        await attacker.until(WINDOW_UPDATE, RST, stream=1)
        over.set()
        assert ALMOST <= current_time() - began < SOON


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        line("/multistream/2.0.0"),
        b"\x80" * 9,
        varint(1 << 32),
        HEADER + varint(1_025),
        HEADER + b"\x80" * 9,
        HEADER + varint(1 << 62),
        HEADER + b"\x05/x/1/",
        HEADER + b"\x00",
        HEADER + b"\x03\xff\xff\n",
        HEADER + line("ls") * 5_000,
        HEADER + line("/multistream/1.0.0") * 1_001,
        HEADER + line("na") * 1_001,
    ],
    ids=range(13),
)
async def test_what_is_no_negotiation_resets_its_stream_at_once(said: bytes) -> None:
    async with scene() as s, await s.attacker() as attacker:
        began = current_time()
        await attacker.send_frames(data(1, said, SYN))
        await attacker.until(WINDOW_UPDATE, RST, stream=1)
        assert current_time() - began < SOON
        await attacker.ping(3)


async def test_the_longest_line_that_may_be_is_answered() -> None:
    async with scene() as s, await s.attacker() as attacker:
        await attacker.send_frames(data(1, HEADER + line("/" + "a" * 1_022), SYN))
        assert await attacker.read(1, len(HEADER) + 4) == HEADER + line("na")
        await attacker.send_frames(data(1, line("/ipfs/ping/1.0.0") + bytes(32)))
        assert await attacker.read(1, 18 + 32) == line("/ipfs/ping/1.0.0") + bytes(32)


async def test_a_stream_that_ends_before_it_proposes_ends_here_too() -> None:
    async with scene() as s, await s.attacker() as attacker:
        await attacker.send_frames(data(1, HEADER + line("/no/1"), SYN | FIN), frame(WINDOW_UPDATE, SYN | FIN, 3, 0))
        for _ in range(2):
            await attacker.until(WINDOW_UPDATE, FIN)
        await attacker.ping(5)


async def test_streams_that_never_propose_take_their_places_and_no_others() -> None:
    async with scene(config=SHORT) as s, await s.attacker() as attacker:
        await attacker.send_frames(*(data(2 * n + 1, HEADER, SYN) for n in range(300)))
        hit = await s.hit("inbound streams of one connection")
        assert hit == LimitHit("inbound streams of one connection", 256, 256, attacker.peer_id)
        await s.ping()
        resets = 0
        while resets < 300:  # 44 at once, the others at the deadline
            resets += bool((await attacker.until(WINDOW_UPDATE, RST)).stream % 2)
        await s.wait_for(lambda: Census.of(s.host).watched == 0)
        await attacker.ping(1_001)


# --- on streams of ours


async def _agrees(stream: Stream) -> None:
    await stream.send(b"question")
    await stream.receive()


@pytest.mark.parametrize("known", [False, True], ids=["asked", "taken for granted"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (data(0, line("na")), P2PError),
        (data(0, HEADER + line("na")), NegotiationError),
        (data(0, HEADER + line("/x/2")), RemoteProtocolError),
        (data(0, b"HTTP/1.1 400 Bad Request\r\n"), RemoteProtocolError),
        (data(0, b"\x80" * 9), RemoteProtocolError),
        (data(0, HEADER + varint(1_025)), RemoteProtocolError),
        (data(0, HEADER + b"\x02\xff\n"), RemoteProtocolError),
        (frame(WINDOW_UPDATE, FIN, 0, 0), NegotiationError),
        (frame(WINDOW_UPDATE, RST, 0, 0), StreamReset),
    ],
    ids=range(9),
)
async def test_an_answer_that_is_none_is_told_to_who_asked(answer: bytes, kind: type[P2PError], known: bool) -> None:
    async with scene() as s, await s.attacker() as attacker:
        (connection,) = s.host.connections_to(attacker.peer_id)
        await attacker.identify()
        s.host.peerstore.set_protocols(attacker.peer_id, ["/x/1"] if known else [])
        async with create_task_group() as tasks:

            async def ask() -> None:
                with pytest.raises(kind), fail_after(SOON):
                    async with await connection.open_stream("/x/1") as stream:
                        await _agrees(stream)

            tasks.start_soon(ask)
            number = (await attacker.until(WINDOW_UPDATE, SYN)).stream
            await attacker.until(DATA, stream=number)
            await attacker.send_frames(answer[:4] + number.to_bytes(4, "big") + answer[8:])
        await s.wait_for(lambda: not connection.streams)
        await attacker.ping(1)


async def test_a_peer_that_answers_no_proposal_is_not_waited_for() -> None:
    async with scene(config=SHORT) as s, await s.attacker() as attacker:
        (connection,) = s.host.connections_to(attacker.peer_id)
        await attacker.identify()
        began = current_time()
        with pytest.raises(NegotiationError, match=r"did not say within 0\.6 s whether it speaks /x/1"):
            await connection.open_stream("/x/1")
        assert ALMOST <= current_time() - began < SOON
        await attacker.ping(1)


# --- what handlers find


@pytest.mark.parametrize(
    "violation",
    [
        lambda n: frame(WINDOW_UPDATE, RST, n, 0),
        lambda n: frame(WINDOW_UPDATE, RST, n, 0xFFFF_FFFF),
        lambda n: data(n, b"half", RST),
        lambda n: data(n, b"half", FIN) + frame(WINDOW_UPDATE, RST, n, 0),
        lambda n: frame(DATA, FIN | RST, n, 0),
    ],
    ids=range(5),
)
async def test_streams_reset_in_any_way_leave_no_handler_behind(violation: Callable[[int], bytes]) -> None:
    async with scene() as s, await s.attacker() as attacker:
        ended: list[Exception] = []

        @s.host.handle("/read/1.0.0")
        async def read(stream: Stream) -> None:
            try:
                while True:
                    await stream.receive()
            except Exception as error:
                ended.append(error)
                raise

        for number in range(1, 41, 2):
            await attacker.send_frames(attacker.opening(number, "/read/1.0.0") + violation(number))
            await attacker.open(number + 100, "/read/1.0.0")
            await attacker.until(DATA, stream=number + 100)
            await attacker.send_frames(violation(number + 100))
        await s.wait_for(lambda: len(ended) >= 20 and Census.of(s.host).streams == 0)
        await attacker.ping(1_001)
