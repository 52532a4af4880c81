"""What every transport has to do."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from anyio import (
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    create_task_group,
    fail_after,
    move_on_after,
    wait_all_tasks_blocked,
)
from multiaddr import Multiaddr

from p2pstack.abc.muxer import MuxedConnection, MuxedStream
from p2pstack.abc.transport import Endpoints, Listener, Transport
from p2pstack.abc.upgrader import Upgrader
from p2pstack.errors import ListenError, P2PError, PeerIdMismatch
from p2pstack.host import defaults
from p2pstack.identity.address import parse_text
from p2pstack.identity.keys import PrivateKey
from p2pstack.swarm.upgrader import ConnectionUpgrader
from p2pstack.testing.checkpoints import Interruption
from p2pstack.testing.conformance.base import DEADLINE, Conformance, expected
from p2pstack.testing.everywhere import at_every_checkpoint
from p2pstack.testing.leaks import LeakCheck

__all__ = ["TransportConformance"]

_FOREIGN = ("/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/udp/1/quic-v1", "/memory/1", "/unix/tmp", "/dns4/example.com/tcp/1")


class TransportConformance(Conformance):
    """Two lines run it: `class TestMine(TransportConformance): make = MyTransport`, and `listen` with an address."""

    #: makes one; called once for each check, and for both sides
    make: ClassVar[Callable[[], Transport]]
    #: an address to listen on that picks a free port, or whatever the transport has for that
    listen: ClassVar[str]
    #: addresses that are not of this transport
    foreign: ClassVar[Sequence[str]] = ()

    def _new(self) -> Transport:
        return self._made()

    def _upgrader(self, key: PrivateKey) -> Upgrader:
        """What a transport is given that has no security of its own; those that have one do not call it."""
        return ConnectionUpgrader(security=[make(key) for make in defaults.security()], muxers=defaults.muxers())

    @asynccontextmanager
    async def _listening(self) -> AsyncGenerator[tuple[Transport, Listener, PrivateKey]]:
        transport, key = self._new(), PrivateKey.generate()
        async with LeakCheck():
            with fail_after(DEADLINE):
                listener = await transport.listen(parse_text(self.listen), upgrader=self._upgrader(key))
                try:
                    yield transport, listener, key
                finally:
                    with CancelScope(shield=True):
                        await listener.aclose()

    async def _connect(
        self, transport: Transport, listener: Listener, *, peer: Any = None
    ) -> tuple[MuxedConnection, Endpoints, MuxedConnection, Endpoints]:
        """A connection: the dialer's end, then the listener's."""
        found: list[tuple[MuxedConnection, Endpoints]] = []

        async def accept() -> None:
            arrival = await listener.accept()
            found.append((await arrival.upgrade(), arrival.endpoints))

        async def dial() -> None:
            found.insert(0, await self._dial(transport, listener.addrs[0], peer))

        async with create_task_group() as tasks:
            tasks.start_soon(accept)
            await dial()
        (ours, dialled), (theirs, accepted) = found
        return ours, dialled, theirs, accepted

    async def _dial(self, transport: Transport, addr: Multiaddr, peer: Any = None) -> tuple[MuxedConnection, Endpoints]:
        return await transport.dial(addr, upgrader=self._upgrader(PrivateKey.generate()), peer=peer)

    # --- addresses

    async def test_it_knows_its_own_addresses(self) -> None:
        async with self._listening() as (transport, listener, _):
            assert transport.can_listen(parse_text(self.listen))
            assert listener.addrs, "a listener has an address"
            for addr in listener.addrs:
                assert transport.can_dial(addr)
                assert transport.can_listen(addr)
                assert "/p2p/" not in str(addr), "addresses are without the peer"

    def test_it_leaves_other_addresses_alone(self) -> None:
        transport = self._new()
        own = parse_text(self.listen)
        kind = str(own).split("/")[-2:]
        for text in self.foreign or [text for text in _FOREIGN if kind[0] not in text.split("/")]:
            assert not transport.can_dial(parse_text(text)), f"{text} is no address of this transport"
            assert not transport.can_listen(parse_text(text)), f"{text} is no address of this transport"

    async def test_a_free_address_is_picked_each_time(self) -> None:
        async with self._listening() as (transport, listener, key):
            other = await transport.listen(parse_text(self.listen), upgrader=self._upgrader(key))
            assert not set(other.addrs) & set(listener.addrs)
            await other.aclose()

    async def test_an_address_has_one_listener_at_a_time(self) -> None:
        async with self._listening() as (transport, listener, key):
            addr = listener.addrs[0]
            with expected(ListenError, when="somebody listens there"):
                await transport.listen(addr, upgrader=self._upgrader(key))
            await listener.aclose()
            again = await transport.listen(addr, upgrader=self._upgrader(key))
            assert tuple(again.addrs) == (addr,)
            await again.aclose()

    # --- connections

    async def test_both_ends_are_secure_multiplexed_and_know_their_addresses(self) -> None:
        async with self._listening() as (transport, listener, key):
            ours, dialled, theirs, accepted = await self._connect(transport, listener, peer=key.peer_id)
            assert ours.remote_peer == key.peer_id
            assert theirs.remote_peer == theirs.remote_public_key.peer_id
            assert ours.security == theirs.security
            assert ours.muxer == theirs.muxer
            assert dialled.remote == accepted.local == listener.addrs[0]
            assert dialled.local == accepted.remote
            await ours.aclose()
            await theirs.aclose()

    async def test_bytes_go_both_ways(self) -> None:
        data = bytes(range(256)) * 2_000
        async with self._listening() as (transport, listener, _):
            ours, _, theirs, _ = await self._connect(transport, listener)

            async with create_task_group() as tasks:

                async def echo(stream: MuxedStream) -> None:
                    async with stream:
                        async for chunk in stream:
                            await stream.send(chunk)

                tasks.start_soon(ours.run, MuxedStream.reset)

                def on_stream(stream: MuxedStream) -> None:
                    tasks.start_soon(echo, stream)

                tasks.start_soon(theirs.run, on_stream)
                stream = await ours.open_stream()
                async with stream, create_task_group() as sending:

                    async def send() -> None:
                        await stream.send(data)
                        await stream.send_eof()

                    sending.start_soon(send)
                    assert b"".join([chunk async for chunk in stream]) == data
                await ours.aclose()

    async def test_many_connect_at_once(self) -> None:
        async with self._listening() as (transport, listener, _):
            connections: list[MuxedConnection] = []

            async def dial() -> None:
                connections.append((await self._dial(transport, listener.addrs[0]))[0])

            async def accept() -> None:
                connections.append(await (await listener.accept()).upgrade())

            async with create_task_group() as tasks:
                for _ in range(20):
                    tasks.start_soon(dial)
                    tasks.start_soon(accept)
            assert len(connections) == 40
            for connection in connections:
                await connection.aclose()

    async def test_another_peer_than_the_expected_one_is_refused(self) -> None:
        async with self._listening() as (transport, listener, _), create_task_group() as tasks:

            async def accept() -> None:
                arrival = await listener.accept()
                with expected(P2PError, when="the dialer expects somebody else"):
                    connection = await arrival.upgrade()
                    try:
                        await connection.run(MuxedStream.reset)
                    finally:
                        await connection.aclose()
                    raise P2PError("the connection was made, and ended at once: that is as good")

            tasks.start_soon(accept)
            with expected(PeerIdMismatch, when="another peer than the expected one answers"):
                await self._dial(transport, listener.addrs[0], PrivateKey.generate().peer_id)

    async def test_nobody_there_is_an_error_of_the_system(self) -> None:
        async with self._listening() as (transport, listener, _):
            addr = listener.addrs[0]
            await listener.aclose()
            with expected(OSError, when="nobody listens there"):
                await self._dial(transport, addr)

    async def test_an_arrival_can_be_refused(self) -> None:
        async with self._listening() as (transport, listener, _), create_task_group() as tasks:

            async def refuse() -> None:
                (await listener.accept()).abort()

            tasks.start_soon(refuse)
            with expected(P2PError, OSError, when="the listener refuses"):
                await self._dial(transport, listener.addrs[0])

    # --- ends

    async def test_closing_a_listener_wakes_who_accepts(self) -> None:
        async with self._listening() as (_, listener, _), create_task_group() as tasks:

            async def accept() -> None:
                with expected(ClosedResourceError, when="the listener is closed"):
                    await listener.accept()

            tasks.start_soon(accept)
            await wait_all_tasks_blocked()
            await listener.aclose()
            await listener.aclose()
            await accept()

    async def test_an_accept_that_is_cancelled_loses_no_connection(self) -> None:
        async with self._listening() as (transport, listener, _):
            with move_on_after(0):
                await listener.accept()
            ours, _, theirs, _ = await self._connect(transport, listener)
            await ours.aclose()
            await theirs.aclose()

    async def test_a_dial_cancelled_at_any_checkpoint_leaves_nothing(self) -> None:
        async def scenario(interruption: Interruption[Any]) -> None:
            async with self._listening() as (transport, listener, _), create_task_group() as tasks:

                async def accept() -> None:
                    while True:
                        arrival = await listener.accept()
                        try:
                            connection = await arrival.upgrade()
                            await connection.aclose()
                        except (P2PError, OSError, EndOfStream):
                            pass

                tasks.start_soon(accept)
                dialled = await interruption.call(self._dial, transport, listener.addrs[0])
                if dialled is not None:
                    await dialled[0].aclose()
                tasks.cancel_scope.cancel()

        await at_every_checkpoint(scenario)
