"""Streams and connections end as they should."""

from anyio import (
    ClosedResourceError,
    EndOfStream,
    create_task_group,
    wait_all_tasks_blocked,
)

from p2pstack.abc.muxer import MuxedStream
from p2pstack.errors import ConnectionClosed, StreamReset
from p2pstack.identity.keys import PrivateKey
from p2pstack.testing.conformance.base import expected
from p2pstack.testing.conformance.muxer.rig import MuxerRig, Party, receive_all, reset_of
from p2pstack.testing.faults import FaultKind, FaultyStream, faulty_pipe

__all__ = ["Ending"]


class Ending(MuxerRig):
    """Streams and connections end as they should."""

    # --- ends

    async def test_one_direction_ends_and_the_other_goes_on(self) -> None:
        async with self.stream() as (one, other):
            await one.send(b"last words")
            await one.send_eof()
            assert await receive_all(other) == b"last words"
            with expected(EndOfStream, when="everything was received"):
                await other.receive()
            with expected(ClosedResourceError, when="sending after send_eof"):
                await one.send(b"more")
            await other.send(b"answer")
            await other.send_eof()
            assert await receive_all(one) == b"answer"
            assert one.ended
            assert other.ended

    async def test_what_was_sent_before_closing_arrives(self) -> None:
        async with self.stream() as (one, other):
            await one.send(bytes(100_000))
            await one.aclose()
            await one.aclose()
            assert len(await receive_all(other)) == 100_000
            with expected(ClosedResourceError, when="receiving on a stream closed here"):
                await one.receive()
            with expected(ClosedResourceError, when="sending on a stream closed here"):
                await one.send(b"more")

    async def test_a_reset_ends_both_directions_on_both_sides(self) -> None:
        async with self.stream() as (one, other):
            one.reset()
            one.reset()
            assert one.ended
            await wait_all_tasks_blocked()
            for stream, remote in ((one, False), (other, True)):
                assert (await reset_of(stream.receive())).remote is remote
                assert (await reset_of(stream.send(b"more"))).remote is remote
            assert other.ended

    async def test_a_reset_wakes_who_waits(self) -> None:
        async with self.stream() as (one, other), create_task_group() as tasks:

            async def wait(stream: MuxedStream) -> None:
                with expected(StreamReset, when="a stream is reset that somebody receives from"):
                    await stream.receive()

            tasks.start_soon(wait, one)
            tasks.start_soon(wait, other)
            await wait_all_tasks_blocked()
            one.reset()

    async def test_leaving_by_an_exception_resets(self) -> None:
        async with self.stream() as (one, other):
            with expected(KeyError, when="the block raises it"):
                async with one:
                    raise KeyError
            with expected(StreamReset, when="the peer left its block by an exception"):
                await other.receive()

    async def test_closing_a_connection_ends_it_in_order_on_both_sides(self) -> None:
        async with self.connected() as parties:
            dialer, listener = parties
            one = await dialer.connection.open_stream()
            await one.send(b"before the end")
            other = await listener.accept()
            await dialer.connection.aclose()
            await dialer.connection.aclose()
            assert await other.receive() == b"before the end", "what was sent is flushed"
            for party in parties:
                await party.ended.wait()
                assert party.failure is None, f"run returns after an end in order, and did not raise {party.failure!r}"
                assert party.connection.closed
                with expected(ConnectionClosed, when="opening a stream on a closed connection"):
                    await party.connection.open_stream()
            for stream in (one, other):
                assert stream.ended
                with expected(ConnectionClosed, when="the connection of a stream was closed"):
                    await stream.receive()

    async def test_a_connection_that_breaks_says_so(self) -> None:
        async with self.connected() as parties:
            dialer, listener = parties
            one = await dialer.connection.open_stream()
            await one.send(b"!")
            other = await listener.accept()
            assert isinstance(listener.raw, FaultyStream)
            await listener.raw.strike(FaultKind.RESET)
            for party, stream in ((dialer, one), (listener, other)):
                await party.ended.wait()
                assert isinstance(party.failure, ConnectionClosed), f"got {party.failure!r}"
                assert party.connection.closed
                with expected(ConnectionClosed, when="the connection of a stream broke"):
                    await stream.send(b"more")

    async def test_a_connection_that_is_cancelled_closes_its_channel(self) -> None:
        async with self.connected() as (dialer, _):
            stream = await dialer.connection.open_stream()
        assert stream.ended
        with expected(ClosedResourceError, when="the connection has closed its channel"):
            await dialer.raw.receive()

    async def test_a_connection_that_never_ran_can_be_closed(self) -> None:
        ours, theirs = faulty_pipe()
        party = Party(self.new(), ours, PrivateKey.generate(), initiator=True)
        await party.connection.aclose()
        with expected(EndOfStream, when="the other side closed its connection"):
            await theirs.receive()
