"""What every secure transport has to do."""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any, ClassVar, TypeAlias

from anyio import EndOfStream, create_task_group, fail_after

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.security import SecureChannel, SecureTransport
from p2pstack.errors import NegotiationError, PeerIdMismatch, SecurityError
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.negotiation.dialer import Dialer
from p2pstack.negotiation.select import negotiate_inbound
from p2pstack.streams.memory import memory_pipe
from p2pstack.testing.checkpoints import Interruption
from p2pstack.testing.conformance.base import DEADLINE, TYPED, Conformance, expected
from p2pstack.testing.everywhere import FaultPlan, at_every_byte, at_every_checkpoint
from p2pstack.testing.faults import FaultyStream

__all__ = ["SecureTransportConformance"]

_Handshake: TypeAlias = Callable[[SecureTransport, RawStream], Coroutine[Any, Any, SecureChannel]]

_MUXERS = ("/one/1.0.0", "/two/1.0.0")


class _Flips(FaultyStream):
    """Changes a bit of what comes, once it is told to."""

    flip = False

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        data = bytearray(await super().receive(max_bytes))
        if self.flip:
            data[-1] ^= 1
        return bytes(data)


class SecureTransportConformance(Conformance):
    """One line runs it: `class TestMine(SecureTransportConformance): make = MySecureTransport`."""

    #: makes it for an identity
    make: ClassVar[Callable[[PrivateKey], SecureTransport]]
    #: whether it keeps what is sent from being changed; False for those that secure nothing
    authenticates: ClassVar[bool] = True
    #: the types of keys that identities may have
    key_types: ClassVar[tuple[KeyType, ...]] = tuple(KeyType)

    def _new(self, key: PrivateKey | None = None) -> SecureTransport:
        return self._made(key or PrivateKey.generate())

    async def _secure(
        self,
        one: RawStream,
        other: RawStream,
        *,
        keys: tuple[PrivateKey, PrivateKey] | None = None,
        peer: PeerId | None = None,
        muxers: tuple[tuple[str, ...], tuple[str, ...]] = ((), ()),
    ) -> tuple[SecureChannel, SecureChannel]:
        """Channels of a dialer and a listener. The first error comes out alone; what is left then is closed."""
        dialer_key, listener_key = keys or (PrivateKey.generate(), PrivateKey.generate())
        dialer, listener = self._new(dialer_key), self._new(listener_key)
        channels: dict[int, SecureChannel] = {}
        errors: list[Exception] = []

        async def secure(number: int, stream: RawStream) -> None:
            try:
                if number:
                    channels[number] = await listener.secure_inbound(stream, muxers=muxers[1])
                else:
                    channels[number] = await dialer.secure_outbound(stream, peer=peer, muxers=muxers[0])
            except Exception as error:  # noqa: BLE001 - the checks look at it
                errors.append(error)
                await stream.aclose()

        with fail_after(DEADLINE):
            async with create_task_group() as tasks:
                tasks.start_soon(secure, 0, one)
                tasks.start_soon(secure, 1, other)
        if errors:
            for channel in channels.values():
                await channel.aclose()
            raise errors[0]
        return channels[0], channels[1]

    @asynccontextmanager
    async def _channels(self) -> AsyncGenerator[tuple[SecureChannel, SecureChannel]]:
        one, other = await self._secure(*memory_pipe())
        with fail_after(DEADLINE):
            yield one, other
        await one.aclose()
        await other.aclose()

    # --- who is there

    async def test_each_side_learns_who_the_other_is(self) -> None:
        for kind in self.key_types:
            keys = PrivateKey.generate(kind), PrivateKey.generate()
            for ours, theirs in (keys, keys[::-1]):
                one, other = await self._secure(*memory_pipe(), keys=(ours, theirs), peer=theirs.peer_id)
                assert (one.remote_peer, one.remote_public_key) == (theirs.peer_id, theirs.public_key)
                assert (other.remote_peer, other.remote_public_key) == (ours.peer_id, ours.public_key)
                await one.aclose()
                await other.aclose()

    async def test_another_peer_than_the_expected_one_is_refused(self) -> None:
        somebody = PrivateKey.generate().peer_id
        with expected(PeerIdMismatch, when="another peer than the expected one answers"):
            await self._secure(*memory_pipe(), peer=somebody)

    async def test_its_protocol_is_an_id(self) -> None:
        assert self._new().protocol.startswith("/")

    async def test_a_muxer_that_is_agreed_on_early_is_the_same_on_both_sides(self) -> None:
        one, other = await self._secure(*memory_pipe(), muxers=(_MUXERS, _MUXERS[::-1]))
        assert one.muxer == other.muxer
        assert one.muxer is None or one.muxer in _MUXERS
        await one.aclose()
        await other.aclose()

    async def test_a_proposal_travels_with_the_handshake(self) -> None:
        dialer, listener = self._new(), self._new()
        ours, theirs = memory_pipe()
        accepted: list[SecureChannel] = []

        async def accept() -> None:
            assert await negotiate_inbound(theirs, [listener.protocol]) == listener.protocol
            accepted.append(await listener.secure_inbound(theirs))

        one: SecureChannel | None = None
        with fail_after(DEADLINE):
            async with create_task_group() as tasks:
                tasks.start_soon(accept)
                one = await dialer.secure_outbound(ours, peer=None, proposal=Dialer([dialer.protocol]))
        assert one is not None
        await one.send(b"hello")
        assert await accepted[0].receive() == b"hello"
        await one.aclose()
        await accepted[0].aclose()

    async def test_a_proposal_that_is_refused_says_so(self) -> None:
        dialer = self._new()
        ours, theirs = memory_pipe()

        async def refuse() -> None:
            try:
                await negotiate_inbound(theirs, ["/other/1.0.0"])
            except TYPED:
                await theirs.aclose()

        with fail_after(DEADLINE):
            async with create_task_group() as tasks:
                tasks.start_soon(refuse)
                with expected(NegotiationError, when="the proposal is refused"):
                    await dialer.secure_outbound(ours, peer=None, proposal=Dialer([dialer.protocol]))
                await ours.aclose()

    # --- bytes

    async def test_bytes_go_both_ways_in_their_order(self) -> None:
        data = Random(1).randbytes(400_001)
        async with self._channels() as ends:
            for one, other in (ends, ends[::-1]):
                received = bytearray()
                async with create_task_group() as tasks:
                    tasks.start_soon(one.send, data)
                    while len(received) < len(data):
                        received += await other.receive(10_000)
                assert received == data

    async def test_chunks_go_in_batches_and_none_comes_empty(self) -> None:
        async with self._channels() as (one, other):
            size = one.record_size
            chunks = [b"a", bytes(size), memoryview(b"bcd"), bytearray(b"e")]
            received: list[bytes] = []
            async with create_task_group() as tasks:
                tasks.start_soon(one.send_chunks, chunks)
                while sum(map(len, received)) < size + 5:
                    received += await other.receive_chunks()
            assert all(received), "no chunk is empty"
            assert b"".join(received) == b"a" + bytes(size) + b"bcde"

    async def test_chunks_are_pumped_until_it_is_enough(self) -> None:
        async with self._channels() as (one, other):
            received = bytearray()

            def take(chunks: Any) -> bool:
                received.extend(b"".join(chunks))
                return len(received) < 6

            async with create_task_group() as tasks:
                tasks.start_soon(other.pump, take)
                await one.send(b"abc")
                await one.send(b"def")
            assert received == b"abcdef"
            await one.send(b"more")
            assert await other.receive() == b"more"

    async def test_what_was_read_too_far_comes_again(self) -> None:
        async with self._channels() as (one, other):
            await one.send(b"hello")
            assert await other.receive(4) == b"hell"
            other.unread(b"ell")
            received = b""
            while len(received) < 4:
                received += await other.receive()
            assert received == b"ello"

    async def test_the_end_comes_after_the_last_byte(self) -> None:
        async with self._channels() as (one, other):
            await one.send(b"last")
            await one.send_eof()
            assert await other.receive() == b"last"
            with expected(EndOfStream, when="the peer sends no more"):
                await other.receive()
            await other.send(b"answer")
            assert await one.receive() == b"answer"

    # --- peers and networks that break the rules

    async def test_a_changed_bit_is_noticed(self) -> None:
        if not self.authenticates:
            return
        ours, theirs = memory_pipe()
        tampered = _Flips(theirs)
        one, other = await self._secure(ours, tampered)
        tampered.flip = True
        await one.send(b"hello")
        with expected(SecurityError, when="a bit was changed on its way"):
            await other.receive()
        await one.aclose()
        await other.aclose()

    async def test_bytes_that_are_no_handshake_are_refused(self) -> None:
        random = Random(2)
        for number in range(40):
            ours, theirs = memory_pipe()
            await theirs.send(random.randbytes(random.randrange(1, 400)))
            await theirs.send_eof()
            secure = self._new()
            with fail_after(DEADLINE), expected(*TYPED, when="the peer sends noise"):
                if number % 2:
                    await secure.secure_inbound(ours)
                else:
                    await secure.secure_outbound(ours, peer=None)
            await ours.aclose()
            await theirs.aclose()

    async def test_a_fault_at_any_byte_gives_errors_that_have_a_type(self) -> None:
        keys = PrivateKey.generate(), PrivateKey.generate()

        async def scenario(plan: FaultPlan) -> None:
            ours, theirs = memory_pipe()
            wrapped = plan.wrap(ours)
            try:
                one, other = await self._secure(wrapped, theirs, keys=keys)
                with fail_after(DEADLINE):
                    await one.send(b"hello")
                    assert await other.receive() == b"hello"[: plan.stream.sent if plan.stream else 5]
            except TYPED:
                assert not plan.harmless
            except AssertionError:
                assert not self.authenticates
            await wrapped.aclose()
            await theirs.aclose()

        await at_every_byte(scenario)

    async def test_a_handshake_cancelled_at_any_checkpoint_leaves_the_stream_to_its_owner(self) -> None:
        for calls in (self._outbound, self._inbound):
            await self._cancel_everywhere(calls, self._inbound if calls == self._outbound else self._outbound)

    async def _cancel_everywhere(self, calls: _Handshake, answers: _Handshake) -> None:
        keys = PrivateKey.generate(), PrivateKey.generate()

        async def scenario(interruption: Interruption[Any]) -> None:
            ours, theirs = memory_pipe()
            channels: list[SecureChannel] = []
            channel: SecureChannel | None = None

            async def other_side() -> None:
                try:
                    channels.append(await answers(self._new(keys[1]), theirs))
                except TYPED:
                    await theirs.aclose()

            async with create_task_group() as tasks:
                tasks.start_soon(other_side)
                channel = await interruption.call(calls, self._new(keys[0]), ours)
                if channel is None:
                    await ours.aclose()
            if channel is not None:
                assert len(channels) == 1
                await channel.aclose()
            await theirs.aclose()

        with fail_after(DEADLINE):
            await at_every_checkpoint(scenario)

    async def _inbound(self, secure: SecureTransport, stream: RawStream) -> SecureChannel:
        return await secure.secure_inbound(stream)

    async def _outbound(self, secure: SecureTransport, stream: RawStream) -> SecureChannel:
        return await secure.secure_outbound(stream, peer=None)
