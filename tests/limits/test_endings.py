"""Hosts that end, and calls that are cancelled, while others are busy with them."""

import logging
from contextlib import suppress

import pytest
from anyio import ClosedResourceError, EndOfStream, Event, create_task_group, fail_after, move_on_after
from anyio.lowlevel import checkpoint

from p2pstack import ConnectionClosed, Host, PeerId, PrivateKey, StreamReset
from p2pstack.abc.connection import Stream
from p2pstack.abc.events import LimitHit, ListenerClosed

from .attacker import FIN, RST, SYN, WINDOW_UPDATE, Attacker, Deaf, data, frame, line
from .scene import SOON, scene


@pytest.fixture
def stranger() -> PeerId:
    return PrivateKey.generate().peer_id


async def test_a_subscription_ends_with_a_host_that_failed() -> None:
    host = Host()
    events = host.events.subscribe(LimitHit)
    with pytest.raises(ZeroDivisionError):
        async with host:
            raise ZeroDivisionError
    with fail_after(SOON):
        assert [event async for event in events] == []


async def test_a_listener_that_is_closed_while_it_accepts_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as host, create_task_group() as tasks:
        closed = host.events.subscribe(ListenerClosed)
        addr = host.addrs[0]

        async def call() -> None:
            with suppress(OSError):
                while True:
                    async with await Attacker.dial(addr):
                        pass

        for _ in range(8):
            tasks.start_soon(call)
        (listener,) = host._swarm._running.listeners._listeners  # type: ignore[union-attr]
        for _ in range(100):
            await checkpoint()
        await listener.aclose()
        assert (await anext(closed)).error is None
        with pytest.raises(ClosedResourceError) as caught:
            await listener.accept()
        assert caught.value.__cause__ is None
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_all_who_share_a_dial_hear_that_the_host_ended(stranger: PeerId) -> None:
    errors: list[ConnectionClosed] = []

    async def call(address: str) -> None:
        with pytest.raises(ConnectionClosed, match="the host ended while it dialled") as caught:
            await host.connect([address, f"/p2p/{stranger}"])
        errors.append(caught.value)

    async with Deaf() as one, Deaf() as other, create_task_group() as tasks:
        with fail_after(SOON):
            async with Host() as host:
                tasks.start_soon(call, one.addr)
                await one.called.wait()
                tasks.start_soon(call, other.addr)  # would dial by itself when the shared dial fails
                while len(host._swarm._running.dials._under_way) != 1:  # type: ignore[union-attr]
                    await checkpoint()
                await checkpoint()
    assert len(errors) == 2


async def test_a_host_that_ends_is_not_kept_by_its_dials(stranger: PeerId) -> None:
    async with Deaf() as deaf, create_task_group() as tasks:

        async def call() -> None:
            with pytest.raises(ConnectionClosed):
                await host.connect([deaf.addr, f"/p2p/{stranger}"])

        with fail_after(SOON):
            async with Host() as host:
                tasks.start_soon(call)
                await deaf.called.wait()


async def test_a_handler_that_waits_for_ever_ends_with_the_host() -> None:
    began, ended = Event(), Event()
    host = Host(listen=["/ip4/127.0.0.1/tcp/0"])

    @host.handle("/wait/1.0.0")
    async def wait(stream: Stream) -> None:
        began.set()
        try:
            await Event().wait()
        finally:
            ended.set()

    async with Host() as friend:
        with fail_after(SOON):
            async with host:
                stream = await friend.open_stream(host.addrs[0], "/wait/1.0.0")
                await began.wait()
        assert ended.is_set()
        with pytest.raises((ConnectionClosed, StreamReset, EndOfStream)):
            await stream.receive()


async def test_a_handler_that_ends_its_own_connection_ends_with_it() -> None:
    ended = Event()
    async with scene() as s:

        @s.host.handle("/bye/1.0.0")
        async def bye(stream: Stream) -> None:
            try:
                await stream.connection.aclose()
            finally:
                ended.set()

        attacker = await s.attacker()
        await attacker.open(1, "/bye/1.0.0")
        await attacker.drain()
        await attacker.stream.aclose()
        assert (await s.end_of(attacker.peer_id)).error is None
        await ended.wait()


async def test_a_cancelled_receive_loses_nothing_of_the_peers_answer() -> None:
    async with scene() as s, await s.attacker() as attacker:
        (connection,) = s.host.connections_to(attacker.peer_id)
        await attacker.accept_identify()
        s.host.peerstore.set_protocols(attacker.peer_id, ["/x/1"])
        stream = await s.host.open_stream(connection, "/x/1")
        await stream.send(b"question")
        number = (await attacker.until(WINDOW_UPDATE, SYN)).stream
        await attacker.send_frames(data(number, line("/multistream/1.0.0")))
        with move_on_after(0.05):
            await stream.receive()
        await attacker.send_frames(data(number, line("/x/1") + b"answer"))
        assert await stream.receive() == b"answer"
        await attacker.send_frames(frame(WINDOW_UPDATE, FIN, number, 0))
        await stream.aclose()


async def test_what_peers_do_to_handlers_is_no_news_whatever_shape_it_comes_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended: list[BaseException] = []
    async with scene() as s:

        @s.host.handle("/both/1.0.0")
        async def both(stream: Stream) -> None:
            async def read() -> None:
                async for _ in stream:
                    pass

            async def write() -> None:
                while True:
                    await stream.send(bytes(65_536))

            try:
                async with create_task_group() as tasks:
                    tasks.start_soon(read)
                    tasks.start_soon(write)
            except BaseException as error:
                ended.append(error)
                raise

        with caplog.at_level(logging.INFO, "p2pstack"):
            async with await s.attacker() as attacker:
                await attacker.open(1, "/both/1.0.0")
                await attacker.until(0, stream=1)
                await attacker.send_frames(frame(WINDOW_UPDATE, RST, 1, 0))
                await s.wait_for(lambda: ended)
                (error,) = ended
                assert isinstance(error, ExceptionGroup)
                assert isinstance(error.exceptions[0], StreamReset)
            await s.end_of(attacker.peer_id)
    assert not caplog.records
