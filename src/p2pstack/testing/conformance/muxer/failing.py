"""Nothing that goes wrong does more harm than it must."""

from random import Random
from typing import Any

from anyio import (
    create_task_group,
    move_on_after,
)

from p2pstack.abc.muxer import MuxedStream
from p2pstack.errors import P2PError, RemoteProtocolError, StreamReset
from p2pstack.testing.checkpoints import Interruption
from p2pstack.testing.conformance.base import TYPED, expected
from p2pstack.testing.conformance.muxer.rig import MuxerRig, Party, receive_all
from p2pstack.testing.everywhere import FaultPlan, at_every_byte, at_every_checkpoint

__all__ = ["Failing"]


class Failing(MuxerRig):
    """Nothing that goes wrong does more harm than it must."""

    # --- peers that break the rules

    async def test_bytes_that_are_no_frames_end_the_connection(self) -> None:
        async with self.facing() as (party, raw):
            await raw.send(b"\xff" * 64)
            await party.ended.wait()
            assert isinstance(party.failure, RemoteProtocolError), f"got {party.failure!r}"

    async def test_any_bytes_end_it_with_an_error_that_has_a_type(self) -> None:
        random = Random(2)
        for _ in range(50):
            async with self.facing() as (party, raw):
                await raw.send(random.randbytes(random.randrange(1, 200)))
                await raw.send_eof()
                await party.ended.wait()
                assert party.failure is None or isinstance(party.failure, P2PError), f"got {party.failure!r}"

    # --- faults

    async def test_a_fault_at_any_byte_gives_errors_that_have_a_type(self) -> None:
        async def scenario(plan: FaultPlan) -> None:
            async with self.connected(plan.wrap) as (dialer, listener), create_task_group() as tasks:
                tasks.start_soon(listener.echo)
                failure: Exception | None = None
                try:
                    stream = await dialer.connection.open_stream()
                    async with stream:
                        await stream.send(b"hello")
                        await stream.send_eof()
                        assert await receive_all(stream) == b"hello"
                    await dialer.connection.aclose()
                except TYPED as error:
                    failure = error
                if plan.harmless:
                    assert failure is None, f"got {failure!r}"
                elif plan.struck:
                    await dialer.ended.wait()
                    await listener.ended.wait()
                    for party in (dialer, listener):
                        assert party.failure is None or isinstance(party.failure, P2PError), f"got {party.failure!r}"
                tasks.cancel_scope.cancel()

        await at_every_byte(scenario)

    async def test_a_call_cancelled_at_any_checkpoint_leaves_the_connection_whole(self) -> None:
        async def answer(stream: MuxedStream) -> None:
            try:
                async with stream:
                    await stream.send(b"%d" % len(await receive_all(stream)))
            except StreamReset:
                pass

        async def serve(party: Party) -> None:
            async with create_task_group() as tasks:
                while True:
                    tasks.start_soon(answer, await party.accept())

        async def ask(party: Party, size: int) -> None:
            async with await party.connection.open_stream() as stream:
                await stream.send(bytes(size))
                await stream.send_eof()
                assert await receive_all(stream) == b"%d" % size

        async def scenario(interruption: Interruption[Any]) -> None:
            async with self.connected() as (dialer, listener), create_task_group() as tasks:
                tasks.start_soon(serve, listener)
                await interruption.call(ask, dialer, 600_000)
                await ask(dialer, 10)
                await ask(dialer, 600_000)
                assert dialer.failure is None
                assert listener.failure is None
                tasks.cancel_scope.cancel()

        await at_every_checkpoint(scenario)

    async def test_a_receive_that_is_cancelled_loses_nothing(self) -> None:
        async def scenario(interruption: Interruption[bytes]) -> None:
            async with self.stream() as (one, other), create_task_group() as tasks:
                tasks.start_soon(one.send, b"hello")
                received = await interruption.call(other.receive) or b""
                if len(received) < 5:
                    received += await other.receive()
                assert received == b"hello"

        await at_every_checkpoint(scenario)

    async def test_a_send_that_is_cancelled_half_way_resets_the_stream(self) -> None:
        async with self.stream() as (one, other):
            with move_on_after(0):
                await one.send(bytes(self.max_unread))
            with expected(StreamReset, when="an earlier send was cancelled half-way"):
                await one.send(b"behind it")
            with expected(StreamReset, when="the peer was cancelled half-way"):
                while True:
                    await other.receive()
