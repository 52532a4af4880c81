"""A swarm dials, listens, keeps and closes, and what one stranger does is felt by nobody else."""

from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    Event,
    create_task_group,
    fail_after,
    sleep_forever,
    wait_all_tasks_blocked,
)
from anyio.lowlevel import checkpoint
from multiaddr import Multiaddr

from p2pstack.abc.connection import Direction, Stream
from p2pstack.abc.events import ConnectionStarted, LimitHit, ListenerClosed, Listening, PeerDisconnected
from p2pstack.abc.gater import ConnectionGater
from p2pstack.abc.transport import Arrival, Endpoints, Listener
from p2pstack.errors import (
    ConnectionClosed,
    DialError,
    LimitExceeded,
    ListenError,
    LocalProtocolError,
    PeerIdMismatch,
)
from p2pstack.identity.address import parse_text
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.muxers.yamux import Yamux
from p2pstack.peerstore import MemoryPeerstore
from p2pstack.security.noise import Noise
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.connection import SwarmConnection
from p2pstack.swarm.swarm import Swarm
from p2pstack.transports.memory import Memory, MemoryNetwork
from p2pstack.transports.memory.network import MemoryListener

ONE, TWO = parse_text("/memory/1"), parse_text("/memory/2")


async def echo(stream: Stream) -> None:
    async for chunk in stream:
        await stream.send(chunk)


async def all_accepted(network: MemoryNetwork) -> None:
    """Until nobody waits to be accepted any longer, nor to be looked at."""
    while any(listener._waiting for listener in network._listeners.values()):
        await checkpoint()
    for _ in range(5):
        await checkpoint()


# --- who is connected


async def test_a_peer_that_is_connected_is_not_dialled_again(new_swarm: Any) -> None:
    async with new_swarm() as server, new_swarm() as client:
        await server.listen(ONE)
        with server.events.subscribe(ConnectionStarted) as events:
            first = await client.connect(None, [ONE])
            await anext(events)
        assert await client.connect(None, [ONE]) is first
        assert await client.connect(server._local_peer, []) is first
        assert await client.connect(server._local_peer, [TWO]) is first
        assert len(server.table) == 1
        (inbound,) = server.table
        assert await server.connect(client._local_peer, []) is inbound


async def test_addresses_come_from_the_peerstore_too(new_swarm: Any) -> None:
    async with new_swarm() as server, new_swarm() as client:
        await server.listen(ONE)
        client._peerstore.add_addrs(server._local_peer, [ONE])
        connection = await client.connect(server._local_peer, [TWO])
        assert connection.remote_addr == ONE


async def test_dialling_each_other_at_once_makes_two_connections_and_either_works(new_swarm: Any) -> None:
    async with new_swarm() as alice, new_swarm() as bob:
        alice.handlers.add(["/echo/1"], echo)
        bob.handlers.add(["/echo/1"], echo)
        await alice.listen(ONE)
        await bob.listen(TWO)
        async with create_task_group() as tasks:
            tasks.start_soon(alice.connect, bob._local_peer, [TWO])
            tasks.start_soon(bob.connect, alice._local_peer, [ONE])
        await wait_all_tasks_blocked()
        assert len(alice.table) == len(bob.table) == 2
        assert alice.table.peers == (bob._local_peer,)
        assert [connection.direction for connection in alice.table.to(bob._local_peer)] == [
            Direction.OUTBOUND,
            Direction.INBOUND,
        ]
        for here, there in ((alice, bob), (bob, alice)):
            stream = await here.open_stream(there._local_peer, [], ["/echo/1"])
            await stream.send(b"hello")
            assert await stream.receive() == b"hello"


async def test_a_connection_that_ends_just_then_is_replaced_by_another(
    new_swarm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Any] = []

    async def ends_first(connection: SwarmConnection, *protocols: str) -> Any:
        monkeypatch.undo()
        ended.append(connection)
        await connection._muxed.aclose()
        return await connection.open_stream(*protocols)

    async with new_swarm() as server, new_swarm() as client:
        server.handlers.add(["/echo/1"], echo)
        await server.listen(ONE)
        first = await client.connect(server._local_peer, [ONE])
        monkeypatch.setattr(SwarmConnection, "open_stream", ends_first)
        stream = await client.open_stream(server._local_peer, [ONE], ["/echo/1"])
        assert ended == [first]
        assert stream.connection is not first


# --- mistakes of the caller


async def test_ourselves_cannot_be_dialled(new_swarm: Any) -> None:
    async with new_swarm() as swarm:
        await swarm.listen(ONE)
        with pytest.raises(LocalProtocolError, match="is our own peer id: connect to another peer"):
            await swarm.connect(swarm._local_peer, [ONE])
        with pytest.raises(LocalProtocolError, match="/memory/1 is an address of ourselves"):
            await swarm.connect(None, [ONE])
        await wait_all_tasks_blocked()
        assert len(swarm.table) == 0


async def test_an_address_of_a_transport_we_do_not_have_says_which_there_are(new_swarm: Any) -> None:
    tcp = parse_text("/ip4/127.0.0.1/tcp/1")
    async with new_swarm() as swarm:
        with pytest.raises(LocalProtocolError, match=r"no transport here dials /ip4/.*; transports: Memory"):
            await swarm.connect(None, [tcp])
        with pytest.raises(LocalProtocolError, match=r"no transport here listens on /ip4/.*; transports: Memory"):
            await swarm.listen(tcp)


async def test_an_address_that_is_taken_says_so(new_swarm: Any) -> None:
    async with new_swarm() as one, new_swarm() as two:
        await one.listen(ONE)
        with pytest.raises(ListenError, match=r"cannot listen on /memory/1: .* choose another number") as caught:
            await two.listen(ONE)
        assert caught.value.address == "/memory/1"


async def test_before_and_after_its_time_a_swarm_says_what_to_do(new_swarm: Any) -> None:
    swarm: Swarm = new_swarm()
    assert (swarm.addrs, swarm.pending) == ((), 0)
    with pytest.raises(LocalProtocolError, match="not running: use it within `async with host:`"):
        await swarm.connect(None, [ONE])
    async with swarm:
        await swarm.listen(ONE)
        assert swarm.addrs == (ONE,)
    with pytest.raises(LocalProtocolError, match="the host has ended: make a new one"):
        await swarm.listen(ONE)


async def test_somebody_else_at_the_address_is_a_mismatch(new_swarm: Any, other: PeerId) -> None:
    """GHSA-rch7-f4h5-x9rj, over the whole stack."""
    async with new_swarm() as server, new_swarm() as client:
        await server.listen(ONE)
        with pytest.raises(PeerIdMismatch) as caught:
            await client.connect(other, [ONE])
        assert (caught.value.expected, caught.value.actual) == (other, server._local_peer)
        await wait_all_tasks_blocked()
        assert len(server.table) == len(client.table) == 0
        await client.connect(server._local_peer, [ONE])


async def test_nobody_at_the_address_is_a_dial_error(new_swarm: Any, other: PeerId) -> None:
    async with new_swarm() as client:
        with pytest.raises(DialError, match=r"could not be reached:\n  /memory/1: ConnectionRefusedError"):
            await client.connect(other, [ONE])


# --- limits


async def test_the_outbound_limit_raises_before_anything_is_dialled(new_swarm: Any) -> None:
    async with new_swarm() as one, new_swarm() as two, new_swarm(max_connections=1) as client:
        await one.listen(ONE)
        await two.listen(TWO)
        await client.connect(None, [ONE])
        with pytest.raises(LimitExceeded, match="connections: limit 1, used 1"):
            await client.connect(None, [TWO])
        await wait_all_tasks_blocked()
        assert len(two.table) == 0


async def test_connections_beyond_the_limit_are_refused_and_those_within_are_served(
    new_swarm: Any, raw_peer: Any
) -> None:
    """CVE-2022-23492: connections without end by peers made up for it."""
    async with new_swarm(max_connections=3) as server:
        server.handlers.add(["/echo/1"], echo)
        await server.listen(ONE)
        async with new_swarm() as good:
            stream = await good.open_stream(None, [ONE], ["/echo/1"])
            with server.events.subscribe(LimitHit) as events:
                async with raw_peer(1, key=PrivateKey.generate()), raw_peer(1, key=PrivateKey.generate()):
                    while len(server.table) < 3:
                        await wait_all_tasks_blocked()
                    with fail_after(20), pytest.raises(Exception, match=r"ended|broke|closed"):
                        await raw_peer(1, key=PrivateKey.generate()).__aenter__()
                    assert (await anext(events)).scope == "connections"
                    await stream.send(b"still served")
                    assert await stream.receive() == b"still served"
            assert len(server.table) <= 3


async def test_a_peer_may_have_so_many_connections(new_swarm: Any, raw_peer: Any, peer: PeerId) -> None:
    async with new_swarm(max_connections_per_peer=2) as server:
        await server.listen(ONE)
        with server.events.subscribe(LimitHit) as events:
            async with raw_peer(1), raw_peer(1), raw_peer(1):
                hit = await anext(events)
                await wait_all_tasks_blocked()
                assert len(server.table) == 2
        assert (hit.scope, hit.peer) == ("connections to one peer", peer)


async def test_of_a_thousand_silent_arrivals_the_oldest_are_dropped_and_a_good_peer_is_served(
    new_swarm: Any, network: MemoryNetwork
) -> None:
    """CVE-2023-23487."""
    async with new_swarm(max_pending_inbound=16) as server, new_swarm() as good:
        await server.listen(ONE)
        silent = []
        for _ in range(20):
            silent += [network.connect(1)[0] for _ in range(50)]
            await all_accepted(network)
            assert server.pending <= 16
        assert len(silent) == 1_000
        with pytest.raises(EndOfStream):
            await silent[0].receive()
        assert silent[-1]._incoming.no_writer is False
        with fail_after(20):
            await good.connect(None, [ONE])
        for stream in silent:
            await stream.aclose()
        await wait_all_tasks_blocked()
        assert server.pending == 0
        assert len(server.table) == 1


async def test_junk_from_many_strangers_does_not_keep_a_good_peer_out(new_swarm: Any, network: MemoryNetwork) -> None:
    """public-attacknets #8: 65 KB of junk at the handshake, 500 times."""
    async with new_swarm() as server, new_swarm() as good:
        server.handlers.add(["/echo/1"], echo)
        await server.listen(ONE)
        stream = await good.open_stream(None, [ONE], ["/echo/1"])
        for n in range(500):
            stranger, _ = network.connect(1)
            await stranger.send(b"\x13/multistream/1.0.0\n\x07/noise\n" + bytes([n % 256]) * 65_000)
            await all_accepted(network)
            if n % 50 == 0:
                with fail_after(20):
                    await stream.send(b"hello")
                    assert await stream.receive() == b"hello"
        await wait_all_tasks_blocked()
        assert server.pending == 0
        assert len(server.table) == 1


async def test_an_upgrade_that_takes_too_long_frees_its_place(new_swarm: Any, network: MemoryNetwork) -> None:
    async with new_swarm(upgrade_timeout=0.02) as server:
        await server.listen(ONE)
        stranger, _ = network.connect(1)
        with fail_after(20), pytest.raises(EndOfStream):
            await stranger.receive()
        await wait_all_tasks_blocked()
        assert server.pending == 0


# --- the gater


async def test_the_gater_is_asked_at_each_stage(new_swarm: Any, peer: PeerId) -> None:
    class Gater(ConnectionGater):
        def __init__(self, *, accept: bool = True, upgraded: bool = True) -> None:
            self.accept, self.upgraded = accept, upgraded
            self.asked: list[Any] = []

        def allow_accept(self, endpoints: Endpoints) -> bool:
            self.asked.append(endpoints.local)
            return self.accept

        def allow_upgraded(self, direction: Direction, peer: PeerId, endpoints: Endpoints) -> bool:
            self.asked.append((direction, peer))
            return self.upgraded

    async with new_swarm() as client:
        for accept, upgraded, stages in ((True, True, 2), (False, True, 1), (True, False, 2)):
            gater = Gater(accept=accept, upgraded=upgraded)
            async with new_swarm(gater=gater) as server:
                await server.listen(ONE)
                try:
                    connection = await client.connect(server._local_peer, [ONE])
                except DialError:
                    assert not accept
                else:
                    if not upgraded:
                        with fail_after(20):
                            while not connection.closed:
                                await wait_all_tasks_blocked()
                await wait_all_tasks_blocked()
                assert gater.asked == [ONE, (Direction.INBOUND, client._local_peer)][:stages]
                assert len(server.table) == (accept and upgraded)

        async with new_swarm() as server, new_swarm(gater=Gater(upgraded=False)) as picky:
            await server.listen(ONE)
            with pytest.raises(DialError, match="the connection gater refuses the connection with peer"):
                await picky.connect(None, [ONE])
            assert len(picky.table) == 0


# --- listeners


class TroubledListener(MemoryListener):
    """Ends when it is told, as a listener does whose socket broke."""

    trouble: BaseException | None = None

    async def accept(self) -> Any:
        try:
            return await super().accept()
        except ClosedResourceError:
            raise ClosedResourceError from self.trouble


class TroubledMemory(Memory):
    listeners: list[TroubledListener]

    async def listen(self, addr: Multiaddr, *, upgrader: Any) -> Listener:  # type: ignore[override]
        listener = TroubledListener(self.network, 1, upgrader=upgrader, backlog=1)
        self.listeners.append(listener)
        return listener


async def test_a_listener_that_breaks_says_why_and_takes_nothing_with_it(
    us: PrivateKey, caplog: pytest.LogCaptureFixture
) -> None:
    transport = TroubledMemory(network=MemoryNetwork())
    object.__setattr__(transport, "listeners", [])
    swarm = Swarm(
        us.peer_id, transports=[transport], security=[Noise(us)], muxers=[Yamux()], peerstore=MemoryPeerstore()
    )
    async with swarm:
        with swarm.events.subscribe(ListenerClosed, Listening) as events:
            await swarm.listen(ONE)
            assert await anext(events) == Listening((ONE,))
            await wait_all_tasks_blocked()
            (listener,) = transport.listeners
            listener.trouble = OSError("the network is gone")
            await listener.aclose()
            closed = await anext(events)
        assert closed == ListenerClosed((ONE,), listener.trouble)
        assert swarm.addrs == ()
    assert "no longer listening on /memory/1: the network is gone" in caplog.text


async def test_an_arrival_that_cannot_be_looked_at_is_dropped(new_swarm: Any) -> None:
    class Gone(Arrival):
        aborted = 0

        @property
        def endpoints(self) -> Endpoints:
            raise OSError("not connected")

        remote_ip = None

        async def upgrade(self) -> Any:
            raise NotImplementedError

        def abort(self) -> None:
            Gone.aborted += 1

    async with new_swarm() as swarm, new_swarm() as good:
        await swarm.listen(ONE)
        (listener,) = swarm._running.listeners._listeners
        listener._waiting.append(Gone())
        await good.connect(None, [ONE])
        assert Gone.aborted == 1


async def test_a_swarm_listens_on_several_addresses(new_swarm: Any) -> None:
    async with new_swarm() as server:
        assert await server.listen(ONE) == (ONE,)
        (free,) = await server.listen(parse_text("/memory/0"))
        assert server.addrs == (ONE, free)
        assert server.addrs is server.addrs
        async with new_swarm() as client:
            assert (await client.connect(None, [free])).remote_addr == free


# --- the end


async def test_the_end_says_goodbye_and_leaves_nothing(new_swarm: Any, network: MemoryNetwork) -> None:
    async with new_swarm() as client:
        with client.events.subscribe(PeerDisconnected) as events:
            async with new_swarm() as server:
                await server.listen(ONE)
                connection = await client.connect(None, [ONE])
                stuck, _ = network.connect(1)
                subscription = server.events.subscribe(ConnectionStarted)
            with fail_after(20):
                assert (await anext(events)).peer == connection.remote_peer
        assert connection.error is None
        assert [event async for event in subscription if event.connection is None] == []
        assert len(server.table) == len(client.table) == 0
        assert network._listeners == {}
        with pytest.raises((EndOfStream, BrokenResourceError)):
            await stuck.receive()


async def test_the_end_waits_for_a_stuck_peer_so_long_and_no_longer(
    transport: Any, us: PrivateKey, fake_muxed: Any, addrs: Any
) -> None:
    muxed = fake_muxed()
    muxed.aclose = sleep_forever

    async def connects() -> Any:
        return muxed

    transport.on(addrs[0], connects)
    swarm = Swarm(
        us.peer_id,
        transports=[transport],
        security=[Noise(us)],
        muxers=[Yamux()],
        peerstore=MemoryPeerstore(),
        config=SwarmConfig(close_timeout=0.02),
    )
    with fail_after(20):
        async with swarm:
            await swarm.connect(None, addrs[:1])
            assert len(swarm.table) == 1
    assert len(swarm.table) == 0


async def test_being_cancelled_closes_everything_too(new_swarm: Any) -> None:
    async with new_swarm() as client:
        with CancelScope() as scope:
            async with new_swarm() as server:
                await server.listen(ONE)
                connection = await client.connect(None, [ONE])
                scope.cancel()
                await sleep_forever()
        with fail_after(20):
            while not connection.closed:
                await wait_all_tasks_blocked()
        assert len(server.table) == 0


async def test_a_dial_under_way_at_the_end_is_cancelled(
    transport: Any, us: PrivateKey, peer: PeerId, addrs: Any
) -> None:
    dialling = Event()

    async def hangs() -> Any:
        dialling.set()
        await sleep_forever()

    transport.on(addrs[0], hangs)
    swarm = Swarm(
        us.peer_id, transports=[transport], security=[Noise(us)], muxers=[Yamux()], peerstore=MemoryPeerstore()
    )
    async with create_task_group() as tasks:

        async def connect() -> None:
            with pytest.raises(ConnectionClosed, match="the host ended while it dialled"):
                await swarm.connect(peer, [addrs[0]])

        async with swarm:
            tasks.start_soon(connect)
            await dialling.wait()
