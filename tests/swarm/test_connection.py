"""Streams and their handlers, and what a peer can do to them that speaks for itself. All over real Noise and yamux."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    EndOfStream,
    Event,
    create_task_group,
    fail_after,
    sleep_forever,
    wait_all_tasks_blocked,
)

from p2pstack.abc.connection import ConnectionAttribute, Direction, Stream
from p2pstack.abc.events import ConnectionEnded, LimitHit
from p2pstack.abc.muxer import MuxedStream
from p2pstack.errors import ConnectionClosed, LocalProtocolError, NegotiationError, RemoteProtocolError, StreamReset
from p2pstack.identity.address import parse_text
from p2pstack.negotiation.messages import HEADER, encode
from p2pstack.swarm.connection import SwarmConnection
from p2pstack.swarm.swarm import Swarm

ECHO = "/echo/1.0.0"
AT_SERVER = parse_text("/memory/1")


async def echo(stream: Stream) -> None:
    async for chunk in stream:
        await stream.send(chunk)


@pytest.fixture
def server(new_swarm: Any) -> Swarm:
    swarm: Swarm = new_swarm()
    swarm.handlers.add([ECHO], echo)
    return swarm


@asynccontextmanager
async def connected(new_swarm: Any, server: Swarm) -> AsyncGenerator[SwarmConnection]:
    """The client's end of a connection with `server`."""
    async with server, new_swarm() as client:
        await server.listen(AT_SERVER)
        yield await client.connect(None, [AT_SERVER])


async def say(muxed: Any, *messages: bytes) -> MuxedStream:
    """A new stream on which a raw peer has said something."""
    stream: MuxedStream = await muxed.open_stream()
    for message in messages:
        await stream.send(message)
    return stream


async def all_of(stream: Any) -> bytes:
    return b"".join([chunk async for chunk in stream])


# --- streams of ours


async def test_a_stream_is_negotiated_and_carries_bytes_both_ways(new_swarm: Any, server: Swarm) -> None:
    async with connected(new_swarm, server) as connection:
        async with await connection.open_stream("/other/1", ECHO) as stream:
            assert (stream.protocol, stream.direction) == (ECHO, Direction.OUTBOUND)
            assert stream.connection is connection
            assert stream.remote_peer == connection.remote_peer
            assert connection.streams == (stream,)
            await stream.send(b"hello")
            await stream.send_eof()
            assert await all_of(stream) == b"hello"
            stream.unread(b"")
        assert connection.streams == ()


async def test_cold_facts_travel_with_the_stream(new_swarm: Any, server: Swarm) -> None:
    seen: list[Any] = []
    kinds = (
        ConnectionAttribute.local_addr,
        ConnectionAttribute.remote_addr,
        ConnectionAttribute.direction,
        ConnectionAttribute.security,
        ConnectionAttribute.muxer,
    )

    async def look(stream: Stream) -> None:
        seen.extend(stream.extra(kind) for kind in kinds)
        assert stream.direction is Direction.INBOUND
        assert repr(stream).startswith("<inbound stream /look/1 with 12D3KooW")

    server.handlers.add(["/look/1"], look)
    async with connected(new_swarm, server) as connection:
        async with await connection.open_stream("/look/1") as stream:
            assert await all_of(stream) == b""
        assert seen == [AT_SERVER, connection.local_addr, Direction.INBOUND, "/noise", "/yamux/1.0.0"]
        assert connection.bytes_sent > 0
        assert connection.bytes_received > 0
        assert connection.opened_at > 0
        assert connection.rtt is None or connection.rtt >= 0
        assert connection.remote_public_key.peer_id == connection.remote_peer
        assert repr(connection).startswith("<outbound connection with 12D3KooW")


async def test_a_protocol_the_peer_does_not_speak_is_refused_and_the_connection_is_as_good_as_before(
    new_swarm: Any, server: Swarm
) -> None:
    async with connected(new_swarm, server) as connection:
        with pytest.raises(NegotiationError, match="speaks none of the protocols proposed: /a/1, /b/1") as caught:
            await connection.open_stream("/a/1", "/b/1")
        assert caught.value.proposed == ("/a/1", "/b/1")
        assert connection.streams == ()
        await connection.open_stream(ECHO)
        with pytest.raises(LocalProtocolError, match="expected at least one protocol"):
            await connection.open_stream()


async def test_a_protocol_the_peer_said_it_speaks_is_not_asked_for_again(new_swarm: Any, server: Swarm) -> None:
    served = Event()

    async def serve(stream: Stream) -> None:
        served.set()
        await echo(stream)

    server.handlers.add(["/known/1"], serve)
    async with connected(new_swarm, server) as connection:
        connection._context.peerstore.set_protocols(connection.remote_peer, ["/known/1"])
        stream = await connection.open_stream("/new/1", "/known/1")
        await wait_all_tasks_blocked()
        assert not served.is_set()
        await stream.send(b"hello")
        assert await stream.receive() == b"hello"
        assert stream._inner is not None
        assert type(stream._inner).__name__ == "YamuxStream"
        await stream.aclose()


async def test_a_refusal_that_comes_later_is_told_once_and_not_forgotten(new_swarm: Any, server: Swarm) -> None:
    async with connected(new_swarm, server) as connection:
        peerstore = connection._context.peerstore
        peerstore.set_protocols(connection.remote_peer, ["/gone/1", ECHO])
        stream = await connection.open_stream("/gone/1")
        await stream.send(b"hello")
        with pytest.raises(NegotiationError):
            await stream.receive()
        with pytest.raises(StreamReset):
            await stream.receive()
        assert peerstore.protocols(connection.remote_peer) == {ECHO}
        with pytest.raises(NegotiationError):
            await connection.open_stream("/gone/1")


async def test_leaving_by_an_exception_resets_the_stream(new_swarm: Any, server: Swarm) -> None:
    over: list[Exception] = []

    async def wait(stream: Stream) -> None:
        try:
            await stream.receive()
        except StreamReset as error:
            over.append(error)
            raise

    server.handlers.add(["/wait/1"], wait)
    async with connected(new_swarm, server) as connection:
        with pytest.raises(ZeroDivisionError):
            async with await connection.open_stream("/wait/1") as stream:
                raise ZeroDivisionError
        assert stream.ended
        assert connection.streams == ()
        await wait_all_tasks_blocked()
    assert len(over) == 1


async def test_a_peer_that_never_answers_a_proposal_is_given_up(new_swarm: Any, raw_peer: Any) -> None:
    opened: list[MuxedStream] = []
    async with new_swarm(negotiation_timeout=0.02) as server:
        await server.listen(AT_SERVER)
        async with raw_peer(1, opened=opened.append):
            while not len(server.table):
                await wait_all_tasks_blocked()
            (connection,) = server.table
            with pytest.raises(NegotiationError, match=r"did not say within 0\.02 s whether it speaks /a/1"):
                await connection.open_stream("/a/1")
            with pytest.raises(StreamReset):
                await all_of(opened[0])


async def test_streams_that_nobody_closed_are_not_kept_for_ever(new_swarm: Any, server: Swarm) -> None:
    async with connected(new_swarm, server) as connection:
        for _ in range(300):
            stream = await connection.open_stream(ECHO)
            await stream.send_eof()
            assert await all_of(stream) == b""
        assert len(connection._streams or ()) <= 128
        assert len(connection.streams) <= 1


# --- handlers


async def test_a_handler_that_returns_closes_its_stream(new_swarm: Any, server: Swarm) -> None:
    async def greet(stream: Stream) -> None:
        await stream.send(b"welcome")

    server.handlers.add(["/greet/1"], greet)
    async with connected(new_swarm, server) as connection, await connection.open_stream("/greet/1") as stream:
        assert await all_of(stream) == b"welcome"


async def test_a_handler_that_raises_resets_its_stream_and_is_logged(
    new_swarm: Any, server: Swarm, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(stream: Stream) -> None:
        await stream.receive()
        raise ZeroDivisionError("that was wrong")

    server.handlers.add(["/fail/1"], fail)
    async with connected(new_swarm, server) as connection:
        stream = await connection.open_stream("/fail/1")
        await stream.send(b"x")
        with pytest.raises(StreamReset):
            await stream.receive()
        async with await connection.open_stream(ECHO) as stream:
            await stream.send(b"still here")
            assert await stream.receive() == b"still here"
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.name == "p2pstack.swarm.connection"
    assert "the handler of /fail/1 failed with peer 12D3KooW" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize(
    "error", [StreamReset(), EndOfStream(), RemoteProtocolError("no"), ConnectionClosed("gone")], ids=repr
)
async def test_a_handler_that_fails_for_what_the_peer_did_is_no_news(
    new_swarm: Any, server: Swarm, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async def fail(stream: Stream) -> None:
        await stream.receive()
        raise error

    server.handlers.add(["/fail/1"], fail)
    async with connected(new_swarm, server) as connection:
        stream = await connection.open_stream("/fail/1")
        await stream.send(b"x")
        with pytest.raises(StreamReset):
            await stream.receive()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_handlers_end_with_their_connection(new_swarm: Any, server: Swarm) -> None:
    ended = Event()
    started = Event()

    async def stay(stream: Stream) -> None:
        started.set()
        try:
            await sleep_forever()
        finally:
            ended.set()

    server.handlers.add(["/stay/1"], stay)
    async with connected(new_swarm, server) as connection:
        stream = await connection.open_stream("/stay/1")
        await started.wait()
        await connection.aclose()
        assert connection.closed
        assert connection.error is None
        assert connection.streams == ()
        with fail_after(20):
            await ended.wait()
        with pytest.raises((ConnectionClosed, BrokenResourceError)):
            await stream.receive()
        with pytest.raises(ConnectionClosed):
            await connection.open_stream(ECHO)
        await connection.aclose()


async def test_a_handler_may_close_its_own_connection(new_swarm: Any, server: Swarm) -> None:
    async def leave(stream: Stream) -> None:
        await stream.connection.aclose()

    server.handlers.add(["/leave/1"], leave)
    async with connected(new_swarm, server) as connection:
        stream = await connection.open_stream("/leave/1")
        with fail_after(20), pytest.raises((ConnectionClosed, BrokenResourceError, EndOfStream)):
            await stream.receive()


async def test_a_handler_taken_back_between_proposal_and_answer_resets_the_stream(
    new_swarm: Any, server: Swarm, raw_peer: Any
) -> None:
    class Forgetful(dict[str, Any]):
        def get(self, *args: Any) -> Any:
            return None

    async with server:
        await server.listen(AT_SERVER)
        async with raw_peer(1) as muxed:
            while not len(server.table):
                await wait_all_tasks_blocked()
            (connection,) = server.table
            object.__setattr__(connection._context, "handlers", Forgetful({ECHO: None}))
            stream = await say(muxed, HEADER + encode(ECHO))
            with pytest.raises(StreamReset):
                await all_of(stream)


# --- what a peer may try


@pytest.mark.parametrize(
    "junk",
    [
        b"\x13/multistream/2.0.0\n",
        b"GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: somebody who is lost\r\nAccept: */*\r\n\r\n",
        b"\x80" * 10,  # a varint without end (py #1415)
        b"\xff\xff\xff\xff\x0f",  # 4 GiB
        HEADER + b"\x80\x80\x04",  # a protocol id of 64 KiB
        HEADER + b"\x03\xff\xfe\n",
        HEADER + encode("/no/1") * 1_001,
    ],
)
async def test_junk_on_a_stream_resets_it_and_nothing_else(server: Swarm, raw_peer: Any, junk: bytes) -> None:
    async with server:
        await server.listen(AT_SERVER)
        async with raw_peer(1) as muxed:
            stream = await say(muxed, junk)
            with fail_after(20), pytest.raises((StreamReset, BrokenResourceError)):
                await all_of(stream)
            await _assert_echo_works(muxed)
            assert [connection._inbound for connection in server.table] == [0]


async def test_an_unknown_protocol_is_answered_with_na(server: Swarm, raw_peer: Any) -> None:
    """js #2161: no answer at all."""
    async with server:
        await server.listen(AT_SERVER)
        async with raw_peer(1) as muxed:
            stream = await say(muxed, HEADER + encode("/unknown/1"))
            assert await stream.receive() == HEADER + encode("na")
            await stream.send(encode(ECHO) + b"hello")
            answer = b""
            while len(answer) < len(encode(ECHO) + b"hello"):
                answer += await stream.receive()
            assert answer == encode(ECHO) + b"hello"
            stream = await say(muxed, HEADER + encode("/unknown/1"))
            await stream.send_eof()
            assert await all_of(stream) == HEADER + encode("na")


async def test_a_stream_that_proposes_nothing_has_so_many_seconds(new_swarm: Any, raw_peer: Any) -> None:
    async with new_swarm(negotiation_timeout=0.2) as server:
        server.handlers.add([ECHO], echo)
        await server.listen(AT_SERVER)
        async with raw_peer(1) as muxed:
            stream = await say(muxed, HEADER)
            with fail_after(20), pytest.raises(StreamReset):
                await all_of(stream)
            stream = await say(muxed, HEADER + encode(ECHO))
            await stream.receive()
            with fail_after(20):
                await _sleep_past(server)
            await stream.send(b"no deadline once that is settled")
            assert await stream.receive()


async def _sleep_past(server: Swarm) -> None:
    """Until a stream opened now would have been given up."""
    (connection,) = server.table
    overdue = connection._context.overdue

    class Probe:
        def reset(self) -> None:
            over.set()

    over = Event()
    overdue.watch(Probe())  # type: ignore[arg-type]
    await over.wait()


async def test_so_many_streams_may_be_open_and_a_further_one_is_reset(new_swarm: Any, raw_peer: Any) -> None:
    """CVE-2022-23486: streams without end on one connection."""
    async with new_swarm(max_inbound_streams=5) as server:
        server.handlers.add([ECHO], echo)
        await server.listen(AT_SERVER)
        with server.events.subscribe(LimitHit) as events:
            async with raw_peer(1) as muxed:
                streams = [await say(muxed, HEADER + encode(ECHO)) for _ in range(5)]
                for stream in streams:
                    await stream.receive()
                for _ in range(20):
                    excess = await say(muxed, HEADER + encode(ECHO))
                    with fail_after(20), pytest.raises(StreamReset):
                        await excess.receive()
                (connection,) = server.table
                assert connection._inbound == 5
                assert await anext(events) == LimitHit(
                    "inbound streams of one connection", 5, 5, connection.remote_peer
                )
                await streams[0].aclose()
                while connection._inbound == 5:
                    await wait_all_tasks_blocked()
                await _assert_echo_works(muxed)


async def test_a_peer_may_have_so_many_streams_of_a_protocol(server: Swarm, raw_peer: Any) -> None:
    server.handlers.add(["/few/1"], echo, max_streams_per_peer=2)
    async with server:
        await server.listen(AT_SERVER)
        with server.events.subscribe(LimitHit) as events:
            async with raw_peer(1) as muxed, raw_peer(1) as second:
                open_streams = [await say(end, HEADER + encode("/few/1")) for end in (muxed, second)]
                for stream in open_streams:
                    await stream.receive()
                excess = await say(muxed, HEADER + encode("/few/1") + b"x")
                with fail_after(20), pytest.raises(StreamReset):
                    await all_of(excess)
                assert (await anext(events)).scope == "inbound streams of one peer for /few/1"
                await _assert_echo_works(muxed)


async def test_a_peer_that_breaks_the_muxer_is_gone_and_others_stay(
    new_swarm: Any, server: Swarm, raw_peer: Any
) -> None:
    async with connected(new_swarm, server) as undisturbed:
        with server.events.subscribe(ConnectionEnded) as events:
            async with raw_peer(1) as muxed:
                await wait_all_tasks_blocked()
                await muxed._channel.send_chunks([b"\x63" * 12])  # version 99
                with fail_after(20):
                    ended = await anext(events)
        assert isinstance(ended.error, RemoteProtocolError)
        async with await undisturbed.open_stream(ECHO) as stream:
            await stream.send(b"hello")
            assert await stream.receive() == b"hello"


async def _assert_echo_works(muxed: Any) -> None:
    stream = await say(muxed, HEADER + encode(ECHO), b"hello")
    await stream.send_eof()
    with fail_after(20):
        assert await all_of(stream) == HEADER + encode(ECHO) + b"hello"


async def test_a_stream_that_comes_when_all_is_over_is_reset(fake_muxed: Any, new_swarm: Any, addrs: Any) -> None:
    from p2pstack.abc.transport import Endpoints

    swarm: Swarm = new_swarm()
    muxed = fake_muxed()
    connection = SwarmConnection(muxed, Endpoints(addrs[0], addrs[1]), Direction.INBOUND, swarm._context)
    swarm.table.add(connection)
    async with create_task_group() as tasks:
        tasks.start_soon(connection.serve)
        await wait_all_tasks_blocked()
        await connection.aclose()
    was_reset: list[bool] = []

    class Late:
        def reset(self) -> None:
            was_reset.append(True)

    muxed.on_stream(Late())
    assert was_reset == [True]
    with pytest.raises(ConnectionClosed):
        connection._remember(None)  # type: ignore[arg-type]
