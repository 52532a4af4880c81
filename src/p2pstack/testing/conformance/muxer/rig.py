"""Two connections to check a muxer on."""

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

from anyio import (
    Event,
    create_task_group,
    fail_after,
)

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.muxer import MuxedStream, StreamMuxer
from p2pstack.errors import StreamReset
from p2pstack.identity.keys import PrivateKey
from p2pstack.security.plaintext.channel import PlaintextChannel
from p2pstack.testing.conformance.base import DEADLINE, TYPED, Conformance
from p2pstack.testing.faults import FaultyStream, faulty_pipe

__all__ = ["MuxerRig", "OneByteAtATime", "Party", "receive_all", "reset_of"]

_MAX_UNREAD = 64 << 20


class Party:
    """A connection that runs: the streams it is offered, and how it ended."""

    def __init__(self, muxer: StreamMuxer, raw: RawStream, peer: PrivateKey, *, initiator: bool) -> None:
        self.raw = raw
        self.connection = muxer.connection(
            PlaintextChannel(raw, peer.public_key), security="/plaintext/2.0.0", initiator=initiator
        )
        self.failure: Exception | None = None
        self.ended = Event()
        self._offered: deque[MuxedStream] = deque()
        self._arrived = Event()

    async def run(self) -> None:
        try:
            await self.connection.run(self._offer)
        except Exception as error:  # noqa: BLE001 - the checks look at it
            self.failure = error
        finally:
            self.ended.set()

    def _offer(self, stream: MuxedStream) -> None:
        self._offered.append(stream)
        self._arrived.set()

    async def accept(self) -> MuxedStream:
        while not self._offered:
            self._arrived = Event()
            await self._arrived.wait()
        return self._offered.popleft()

    async def echo(self) -> None:
        """Send back what comes on each stream, for ever."""
        async with create_task_group() as tasks:
            while True:
                tasks.start_soon(_echo, await self.accept())


async def _echo(stream: MuxedStream) -> None:
    try:
        async with stream:
            async for chunk in stream:
                await stream.send(chunk)
    except TYPED:
        pass


async def receive_all(stream: MuxedStream) -> bytes:
    return b"".join([chunk async for chunk in stream])


async def reset_of(call: Awaitable[object]) -> StreamReset:
    """What a call raises on a stream that was reset."""
    try:
        await call
    except StreamReset as error:
        return error
    raise AssertionError("expected StreamReset on a stream that was reset")


class OneByteAtATime(FaultyStream):
    """What comes, comes by the byte."""

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        return await super().receive(1)


class MuxerRig(Conformance):
    """Two connections on a pipe that may have faults."""

    #: makes the muxer; called twice for each check, once for each side
    make: ClassVar[Callable[[], StreamMuxer]]
    #: bytes that may be on their way, or wait to be read, before a sender has to wait
    max_unread: ClassVar[int] = _MAX_UNREAD

    def new(self) -> StreamMuxer:
        return self._made()

    @asynccontextmanager
    async def connected(
        self, wrap: Callable[[RawStream], FaultyStream] = FaultyStream
    ) -> AsyncGenerator[tuple[Party, Party]]:
        """A dialer and a listener that run; `wrap` makes the dialer's stream."""
        inner, other = faulty_pipe()
        ours = wrap(inner)
        dialer_key, listener_key = PrivateKey.generate(), PrivateKey.generate()
        dialer = Party(self.new(), ours, listener_key, initiator=True)
        listener = Party(self.new(), other, dialer_key, initiator=False)
        with fail_after(DEADLINE):
            async with create_task_group() as tasks:
                tasks.start_soon(dialer.run)
                tasks.start_soon(listener.run)
                try:
                    yield dialer, listener
                finally:
                    tasks.cancel_scope.cancel()

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[tuple[MuxedStream, MuxedStream]]:
        """Both ends of a stream that the dialer opened, which has carried a byte."""
        async with self.connected() as (dialer, listener):
            one = await dialer.connection.open_stream()
            await one.send(b"!")
            other = await listener.accept()
            assert await other.receive() == b"!"
            yield one, other

    @asynccontextmanager
    async def facing(self) -> AsyncGenerator[tuple[Party, RawStream]]:
        """A listener that runs, and the stream to it."""
        ours, theirs = faulty_pipe()
        party = Party(self.new(), theirs, PrivateKey.generate(), initiator=False)
        with fail_after(DEADLINE):
            async with create_task_group() as tasks:
                tasks.start_soon(party.run)
                yield party, ours
                tasks.cancel_scope.cancel()
