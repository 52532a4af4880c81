"""Bytes get to where they belong."""

from random import Random

from anyio import (
    EndOfStream,
    create_task_group,
    wait_all_tasks_blocked,
)

from p2pstack.testing.conformance.base import expected
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

    # --- without waiting

    async def test_a_pump_gives_all_that_arrives_until_the_end(self) -> None:
        async with self.stream() as (one, other), create_task_group() as tasks:
            taken: list[bytes] = []

            async def pump() -> None:
                with expected(EndOfStream, when="everything was taken"):
                    await other.pump(lambda data: not taken.append(data))

            tasks.start_soon(pump)
            for number in range(300):
                await one.send(number.to_bytes(2, "big") * 1_000)
                if not number % 100:
                    await wait_all_tasks_blocked()
            await one.send_eof()
            await wait_all_tasks_blocked()
            assert b"".join(taken) == b"".join(number.to_bytes(2, "big") * 1_000 for number in range(300))

    async def test_a_pump_ends_when_it_is_told_and_receiving_goes_on(self) -> None:
        async with self.stream() as (one, other), create_task_group() as tasks:
            for times in (1, 3):
                taken: list[bytes] = []

                def take(data: bytes, taken: list[bytes] = taken, times: int = times) -> bool:
                    taken.append(data)
                    return len(taken) < times

                tasks.start_soon(other.pump, take)
                for number in range(times):
                    await wait_all_tasks_blocked()
                    await one.send(b"%d" % number)
                await wait_all_tasks_blocked()
                assert taken == [b"%d" % number for number in range(times)]
            await one.send(b"behind it")
            assert await other.receive() == b"behind it"

    async def test_what_a_taker_raises_comes_out_of_the_pump(self) -> None:
        async with self.stream() as (one, other), create_task_group() as tasks:
            numbers: list[int] = []

            def take(data: bytes) -> bool:
                numbers.append(int(data))  # ValueError where it is none
                return True

            async def pump() -> None:
                with expected(ValueError, when="what takes the bytes raises it"):
                    await other.pump(take)

            tasks.start_soon(pump)
            for data in (b"1", b"2", b"three"):
                await one.send(data)
                await wait_all_tasks_blocked()
            assert numbers == [1, 2]
            await one.send(b"4")
            assert await other.receive() == b"4"

    async def test_what_is_sent_without_waiting_arrives_whole_or_not_at_all(self) -> None:
        async with self.stream() as (one, other):
            sent = b""
            for number in range(100):
                data = number.to_bytes(2, "big") * 10_000
                if one.send_nowait(data):
                    sent += data
                elif number % 10 == 0:
                    break
            received = b""
            while len(received) < len(sent):
                received += await other.receive()
            assert received == sent
            await one.send(b"more")
            assert await other.receive() == b"more"
            await one.aclose()
            assert not one.send_nowait(b"too late")
