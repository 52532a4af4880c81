"""Round trips are measured, answers are checked, and nobody keeps a host busy by pinging it."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from anyio import EndOfStream, Event, fail_after

from p2pstack import Host, LocalProtocolError, NegotiationError, Ping, RemoteProtocolError, Stream, StreamReset, ping
from p2pstack.abc.events import LimitHit
from p2pstack.protocols.ping import PING

New = Callable[..., Host]


async def test_round_trips_are_counted_and_positive(new_host: New) -> None:
    async with new_host(1) as server, new_host() as client:
        rtts = [rtt async for rtt in ping(client, server.addrs, count=3, interval=0)]
        assert len(rtts) == 3
        assert all(0 < rtt < 10 for rtt in rtts)
        (connection,) = client.connections
        assert not [stream for stream in connection.streams if stream.protocol == PING]


async def test_it_goes_on_until_it_is_left(new_host: New) -> None:
    async with new_host(1) as server, new_host() as client:
        async with ping(client, server.addrs, interval=0) as rtts:
            for _ in range(5):
                await anext(rtts)
            stream = rtts._stream
        assert stream is not None
        assert stream.ended or not client.connections[0].streams
        with pytest.raises(StopAsyncIteration):
            await anext(rtts)
        await rtts.aclose()


async def test_pings_are_due_an_interval_apart(new_host: New) -> None:
    async with new_host(1) as server, new_host() as client:
        ticks = iter(range(100))
        async with ping(client, server.addrs, count=2, interval=0.02, clock=lambda: float(next(ticks))) as rtts:
            assert [rtt async for rtt in rtts] == [1.0, 1.0]


async def test_the_bytes_come_from_the_randomness_of_the_host(new_host: New) -> None:
    seen: list[bytes] = []

    async def look(stream: Stream) -> None:
        async for data in stream:
            seen.append(data)
            await stream.send(data)

    async with new_host(1, default_services=False) as server, new_host(random=Random(7)) as client:
        server.handle(PING, handler=look)
        assert len([rtt async for rtt in ping(client, server.addrs, count=2, interval=0)]) == 2
    expected = Random(7)
    assert seen == [expected.randbytes(32), expected.randbytes(32)]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda data: bytes(32), "expected the 32 bytes sent from .*, got others"),
        (lambda data: b"", "got the end of the stream"),
        (lambda data: data[:31], "expected 32 bytes, got 31"),
    ],
)
async def test_a_wrong_answer_is_the_peers_fault(new_host: New, answer: Any, text: str) -> None:
    async def lie(stream: Stream) -> None:
        data = answer(await stream.receive())
        if data:
            await stream.send(data)

    async with new_host(1, default_services=False) as server, new_host() as client:
        server.handle(PING, handler=lie)
        rtts = ping(client, server.addrs)
        with pytest.raises(RemoteProtocolError, match=text):
            await anext(rtts)
        with pytest.raises(StopAsyncIteration):
            await anext(rtts)


async def test_no_answer_is_waited_for_so_long(new_host: New) -> None:
    was_reset = Event()

    async def ignore(stream: Stream) -> None:
        try:
            await sleep_forever_while(stream)
        except StreamReset:
            was_reset.set()
            raise

    async def sleep_forever_while(stream: Stream) -> None:
        while True:
            await stream.receive()

    async with new_host(1, default_services=False) as server, new_host() as client:
        server.handle(PING, handler=ignore)
        with pytest.raises(TimeoutError, match=rf"peer {server.peer_id} did not answer a ping within 0\.2 s"):
            await anext(ping(client, server.addrs, timeout=0.2))
        with fail_after(20):
            await was_reset.wait()


async def test_a_peer_that_does_not_speak_it_says_so(new_host: New) -> None:
    async with new_host(1, default_services=False) as server, new_host() as client:
        with pytest.raises(NegotiationError):
            await anext(ping(client, server.addrs))


async def test_bytes_in_pieces_are_answered_whole(new_host: New) -> None:
    async with new_host(1) as server, new_host() as client, await client.open_stream(server.addrs, PING) as stream:
        for n in range(32):
            await stream.send(bytes([n]))
        answer = b""
        while len(answer) < 32:
            answer += await stream.receive()
        assert answer == bytes(range(32))
        await stream.send(b"half")
        await stream.send_eof()
        with pytest.raises((StreamReset, EndOfStream)):
            await stream.receive()


async def test_a_third_stream_of_a_peer_is_reset(new_host: New) -> None:
    """py-libp2p #1414."""
    async with new_host(1) as server, new_host() as client:
        with server.events.subscribe(LimitHit) as events:
            pings = [ping(client, server.addrs, interval=0) for _ in range(2)]
            for one in pings:
                await anext(one)
            with fail_after(20), pytest.raises(StreamReset):
                await anext(ping(client, server.addrs))
            assert (await anext(events)).scope == f"inbound streams of one peer for {PING}"
            for one in pings:
                await anext(one)
            await pings[0].aclose()
            async with new_host() as other:
                await anext(ping(other, server.addrs))


async def test_a_stream_on_which_nobody_pings_any_longer_is_reset(new_host: New) -> None:
    async with new_host(1, services=[Ping(idle_timeout=0.2)]) as server, new_host() as client:
        stream = await client.open_stream(server.addrs, PING)
        with fail_after(20), pytest.raises(StreamReset):
            await stream.receive()


@pytest.mark.parametrize("wrong", [{"count": -1}, {"interval": -1}, {"timeout": 0}])
def test_numbers_out_of_range_are_refused(new_host: New, wrong: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="ping: expected numbers above 0"):
        ping(new_host(), "/memory/1", **wrong)


@pytest.mark.parametrize("wrong", [{"max_streams_per_peer": 0}, {"idle_timeout": 0}])
def test_limits_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="Ping: expected"):
        Ping(**wrong)


async def test_no_pings_are_none(new_host: New) -> None:
    assert [rtt async for rtt in ping(new_host(), "/memory/1", count=0)] == []
