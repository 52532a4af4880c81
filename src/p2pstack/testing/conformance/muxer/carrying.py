"""Bytes get to where they belong."""

from random import Random

from anyio import (
    create_task_group,
    wait_all_tasks_blocked,
)

from p2pstack.testing.conformance.muxer.rig import MuxerRig, OneByteAtATime, receive_all

__all__ = ["Carrying"]


class Carrying(MuxerRig):
    """Bytes get to where they belong."""

    # --- facts

    async def test_a_connection_says_what_it_is(self) -> None:
        async with self.connected() as (dialer, _):
            connection = dialer.connection
            assert connection.muxer == self.new().protocol
            assert connection.muxer.startswith("/"), "a protocol id begins with /"
            assert connection.security == "/plaintext/2.0.0"
            assert connection.remote_peer == connection.remote_public_key.peer_id
            assert not connection.closed

    async def test_bytes_are_counted(self) -> None:
        async with self.connected() as (dialer, listener):
            stream = await dialer.connection.open_stream()
            await stream.send(bytes(1000))
            await stream.send_eof()
            assert len(await receive_all(await listener.accept())) == 1000
            assert dialer.connection.bytes_sent == listener.connection.bytes_received == 1000
            assert dialer.connection.bytes_received == listener.connection.bytes_sent == 0

    # --- bytes

    async def test_either_side_opens_streams_that_carry_bytes_both_ways(self) -> None:
        async with self.connected() as parties:
            for one, other in (parties, parties[::-1]):
                ours = await one.connection.open_stream()
                await ours.send(b"hello")
                theirs = await other.accept()
                assert await theirs.receive() == b"hello"
                await theirs.send(b"yes")
                assert await ours.receive() == b"yes"

    async def test_many_bytes_arrive_in_their_order(self) -> None:
        random = Random(1)
        data = random.randbytes(1_500_007)
        async with self.connected() as (dialer, listener), create_task_group() as tasks:
            tasks.start_soon(listener.echo)
            stream = await dialer.connection.open_stream()

            async def send() -> None:
                rest = memoryview(data)
                while rest:
                    size = random.choice((1, 100, 16_384, 65_536, 300_000))
                    await stream.send(bytes(rest[:size]))
                    rest = rest[size:]
                await stream.send_eof()

            tasks.start_soon(send)
            assert await receive_all(stream) == data
            tasks.cancel_scope.cancel()

    async def test_streams_do_not_mix(self) -> None:
        async with self.connected() as (dialer, listener), create_task_group() as serving:
            serving.start_soon(listener.echo)

            async def use(number: int) -> None:
                stream = await dialer.connection.open_stream()
                data = number.to_bytes(2, "big") * 5_000
                async with stream:
                    for at in range(0, len(data), 1_000):
                        await stream.send(data[at : at + 1_000])
                    await stream.send_eof()
                    assert await receive_all(stream) == data

            async with create_task_group() as tasks:
                for number in range(50):
                    tasks.start_soon(use, number)
            serving.cancel_scope.cancel()

    async def test_receive_gives_no_more_than_is_asked_for(self) -> None:
        async with self.stream() as (one, other):
            await one.send(b"hello")
            assert await other.receive(2) == b"he"
            assert await other.receive(100) == b"llo"

    async def test_what_was_read_too_far_comes_again(self) -> None:
        async with self.stream() as (one, other):
            await one.send(b"hello")
            data = await other.receive()
            other.unread(data[2:])
            assert await other.receive() == data[2:]

    async def test_frames_may_come_by_the_byte(self) -> None:
        async with self.connected(OneByteAtATime) as (dialer, listener):
            stream = await listener.connection.open_stream()
            await stream.send(bytes(range(256)) * 4)
            await stream.send_eof()
            assert await receive_all(await dialer.accept()) == bytes(range(256)) * 4

    # --- backpressure

    async def test_what_is_not_read_holds_up_its_sender_and_nobody_else(self) -> None:
        async with self.connected() as (dialer, listener), create_task_group() as tasks:
            full = await dialer.connection.open_stream()
            sent = 0

            async def fill() -> None:
                nonlocal sent
                while True:
                    await full.send(bytes(65_536))
                    sent += 65_536
                    assert sent <= self.max_unread, "a sender has to wait while nobody reads"

            tasks.start_soon(fill)
            await wait_all_tasks_blocked()
            await listener.accept()
            for _ in range(3):
                other = await dialer.connection.open_stream()
                await other.send(b"past it")
                assert await (await listener.accept()).receive() == b"past it"
            tasks.cancel_scope.cancel()
