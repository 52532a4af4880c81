"""A host is what a user holds in hand: it does what the documentation says, and says what is wrong where it cannot."""

import random
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import CancelScope, Event, create_task_group, fail_after, sleep_forever, wait_all_tasks_blocked
from anyio.abc import TaskStatus

from p2pstack import (
    ConnectionClosed,
    DialError,
    Host,
    Identify,
    KeyType,
    ListenError,
    LocalProtocolError,
    Memory,
    NegotiationError,
    Noise,
    PeerIdMismatch,
    Ping,
    Plaintext,
    PrivateKey,
    Stream,
    SwarmConfig,
    Yamux,
)
from p2pstack.abc.events import ConnectionEnded, ConnectionStarted, ListenerClosed, Listening, PeerConnected
from p2pstack.abc.host import Host as AbstractHost
from p2pstack.abc.peerstore import PeerInfo

New = Callable[..., Host]


async def echo(stream: Stream) -> None:
    async for chunk in stream:
        await stream.send(chunk)


async def ask(host: Host, target: Any, text: bytes = b"hello") -> bytes:
    async with await host.open_stream(target, "/echo/1.0.0") as stream:
        await stream.send(text)
        await stream.send_eof()
        return b"".join([chunk async for chunk in stream])


# --- what a user writes


async def test_the_program_of_the_design_runs(capsys: pytest.CaptureFixture[str]) -> None:
    server = Host(listen=["/ip4/127.0.0.1/tcp/0"])

    @server.handle("/echo/1.0.0")
    async def echo(stream: Stream) -> None:
        async for chunk in stream:
            await stream.send(chunk)

    async with server, Host() as client, await client.open_stream(server.addrs[0], "/echo/1.0.0") as stream:
        await stream.send(b"hello")
        await stream.send_eof()
        print(await stream.receive())
    assert capsys.readouterr().out == "b'hello'\n"


@pytest.mark.parametrize("listen", ["/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0", "/ip4/0.0.0.0/tcp/0", "/memory/0"])
async def test_every_way_to_name_a_target_reaches_it(listen: str) -> None:
    async with Host(listen=[listen]) as server:
        server.handle("/echo/1.0.0", handler=echo)
        addr = server.addrs[0]
        bare = str(addr).partition("/p2p/")[0]
        for target in (addr, str(addr), bare, [bare, addr], PeerInfo(server.peer_id, (addr,))):
            async with Host() as client:
                assert await ask(client, target) == b"hello"
                assert await ask(client, server.peer_id) == b"hello"
                assert await ask(client, str(server.peer_id)) == b"hello"
                (connection,) = client.connections_to(server.peer_id)
                assert await ask(client, connection) == b"hello"
                assert await client.connect(connection) is connection


async def test_both_ends_see_the_same_connection(new_host: New) -> None:
    async with new_host(1) as server, new_host() as client:
        with server.events.subscribe(PeerConnected) as events:
            connection = await client.connect(server.addrs)
            assert (await anext(events)).peer == client.peer_id
        assert client.peers == (server.peer_id,)
        assert server.peers == (client.peer_id,)
        assert client.connections == (connection,)
        (inbound,) = server.connections
        assert connection.remote_peer == server.peer_id
        assert connection.remote_public_key == server.key.public_key
        assert (connection.local_addr, connection.remote_addr) == (inbound.remote_addr, inbound.local_addr)


async def test_a_host_without_listen_is_called_back_on_the_connection_it_made(new_host: New) -> None:
    async with new_host(1) as server, new_host() as client:
        client.handle("/echo/1.0.0", handler=echo)
        with server.events.subscribe(PeerConnected) as events:
            await client.connect(server.addrs)
            await anext(events)
        assert await ask(server, client.peer_id) == b"hello"


async def test_disconnecting_closes_every_connection_to_a_peer(new_host: New) -> None:
    async with new_host(1) as server, new_host() as client:
        with server.events.subscribe(ConnectionEnded) as events:
            connection = await client.connect(server.addrs)
            await client.disconnect(str(server.peer_id))
            await client.disconnect(server.peer_id)
            assert connection.closed
            assert client.connections == ()
            with fail_after(20):
                assert (await anext(events)).error is None
        assert await client.connect(server.addrs) is not connection


async def test_listening_goes_on_at_run_time(new_host: New) -> None:
    async with new_host() as host:
        assert host.addrs == ()
        with host.events.subscribe(Listening, ListenerClosed) as events:
            (addr,) = await host.listen("/ip4/127.0.0.1/tcp/0")
            assert host.addrs == (addr,)
            assert str(addr).endswith(f"/p2p/{host.peer_id}")
            await anext(events)
            with pytest.raises(ListenError, match=r"choose another .* \(0 picks a free one\)") as caught:
                await host.listen(str(addr).partition("/p2p/")[0])
            assert str(caught.value.address).startswith("/ip4/127.0.0.1/tcp/")


async def test_addresses_of_a_nat_are_announced_first(new_host: New) -> None:
    async with new_host(1, announce=["/ip4/192.0.2.1/tcp/4001", "/memory/1"]) as host:
        assert [str(addr) for addr in host.addrs] == [
            f"/ip4/192.0.2.1/tcp/4001/p2p/{host.peer_id}",
            f"/memory/1/p2p/{host.peer_id}",
        ]


async def test_parts_can_be_exchanged(new_host: New) -> None:
    parts: dict[str, Any] = {
        "security": [Plaintext],
        "muxers": [Yamux(max_window=1 << 20)],
        "config": SwarmConfig(close_timeout=1),
        "default_services": False,
    }
    async with new_host(1, **parts) as server, new_host(**parts) as client:
        server.handle("/echo/1.0.0", handler=echo)
        assert await ask(client, server.addrs) == b"hello"
        assert client.connections[0].security == "/plaintext/2.0.0"
        assert client.protocols == ()
        async with new_host(security=[Noise]) as stranger:
            with pytest.raises(DialError, match="NegotiationError"):
                await stranger.connect(server.addrs[0])


@pytest.mark.parametrize("kind", list(KeyType))
async def test_every_kind_of_key_is_an_identity(new_host: New, kind: KeyType) -> None:
    key = PrivateKey.generate(kind)
    async with new_host(1, key=key) as server, new_host() as client:
        server.handle("/echo/1.0.0", handler=echo)
        assert server.key is key
        assert server.peer_id == key.peer_id
        assert await ask(client, server.addrs) == b"hello"


async def test_a_host_is_what_services_see(new_host: New) -> None:
    host = new_host()
    assert isinstance(host, AbstractHost)
    assert repr(host) == f"<Host {host.peer_id}>"
    assert isinstance(host.random, random.SystemRandom)
    seeded = random.Random(1)
    assert new_host(random=seeded).random is seeded


# --- handlers


async def test_handlers_come_and_go(new_host: New) -> None:
    server = new_host(1)
    assert server.handle("/echo/1.0.0", "/echo/2", handler=echo) is echo

    @server.handle("/few/1", max_streams_per_peer=1)
    async def few(stream: Stream) -> None:
        await echo(stream)

    assert few is not None
    async with server, new_host() as client:
        assert set(server.protocols) >= {"/echo/1.0.0", "/echo/2", "/few/1", "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"}
        assert await ask(client, server.addrs) == b"hello"
        server.unhandle("/echo/1.0.0")
        assert "/echo/1.0.0" not in server.protocols
        with pytest.raises(NegotiationError):
            await ask(client, server.addrs)
        server.handle("/echo/1.0.0", handler=echo)
        assert await ask(client, server.addrs) == b"hello"


def test_a_handler_added_wrongly_says_so(new_host: New) -> None:
    host = new_host()
    host.handle("/echo/1.0.0", handler=echo)
    with pytest.raises(LocalProtocolError, match="has a handler already"):

        @host.handle("/echo/1.0.0")
        async def again(stream: Stream) -> None: ...

    with pytest.raises(LocalProtocolError, match="expected a protocol id"):
        host.handle(echo)  # type: ignore[call-overload]
    with pytest.raises(LocalProtocolError, match="expected at least one protocol"):
        host.handle(handler=echo)


async def test_a_handler_that_fails_harms_nobody_else(new_host: New, caplog: pytest.LogCaptureFixture) -> None:
    server = new_host(1)
    server.handle("/echo/1.0.0", handler=echo)

    @server.handle("/fail/1")
    async def fail(stream: Stream) -> None:
        raise ZeroDivisionError

    async with server, new_host() as client, await client.open_stream(server.addrs, "/echo/1.0.0") as undisturbed:
        with pytest.raises(Exception, match="reset"):
            await (await client.open_stream(server.addrs, "/fail/1")).receive()
        await undisturbed.send(b"still here")
        assert await undisturbed.receive() == b"still here"
    assert "ZeroDivisionError" in caplog.text


# --- mistakes


@pytest.mark.parametrize("name", ["listen", "announce"])
def test_an_address_instead_of_a_list_is_pointed_out(name: str) -> None:
    with pytest.raises(LocalProtocolError, match=rf"{name}: expected a list of addresses, got just .*: put it in \[\]"):
        Host(**{name: "/ip4/127.0.0.1/tcp/0"})


def test_a_malformed_address_is_refused_when_the_host_is_made() -> None:
    with pytest.raises(LocalProtocolError, match=r"expected an address such as .*, got '127\.0\.0\.1:0'"):
        Host(listen=["127.0.0.1:0"])


async def test_a_host_is_used_within_its_block(new_host: New) -> None:
    host = new_host()
    with pytest.raises(LocalProtocolError, match="the host is not running: use it within `async with host:`"):
        await host.connect("/memory/1")
    with pytest.raises(LocalProtocolError, match="not running"):
        await host.open_stream("/memory/1", "/echo/1.0.0")
    with pytest.raises(LocalProtocolError, match="not running"):
        await host.listen("/memory/1")
    async with host:
        pass
    with pytest.raises(LocalProtocolError, match="the host has ended: make a new one"):
        await host.connect("/memory/1")
    with pytest.raises(LocalProtocolError, match="a host can be entered once: make a new one"):
        await host.__aenter__()


async def test_an_address_to_listen_on_that_is_taken_ends_the_start(new_host: New) -> None:
    async with new_host(1):
        with pytest.raises(ListenError, match="cannot listen on /memory/1"):
            await new_host(1).__aenter__()


async def test_dialling_goes_wrong_in_words(new_host: New) -> None:
    async with new_host(1) as server, new_host() as client:
        stranger = PrivateKey.generate().peer_id
        with pytest.raises(
            PeerIdMismatch, match=f"expected to reach peer {stranger}, but peer {server.peer_id} answered"
        ):
            await client.connect(f"/memory/1/p2p/{stranger}")
        with pytest.raises(DialError, match=r"no address of peer .* is known"):
            await client.connect(stranger)
        with pytest.raises(LocalProtocolError, match="our own peer id"):
            await client.connect(client.peer_id)
        with pytest.raises(LocalProtocolError, match="is an address of ourselves"):
            await server.connect("/memory/1")
        with pytest.raises(LocalProtocolError, match=r"no transport here dials .*quic-v1; transports: Memory, Tcp"):
            await client.connect("/ip4/127.0.0.1/udp/1/quic-v1")
        with pytest.raises(DialError, match="ConnectionRefusedError"):
            await client.connect("/memory/2")
        assert client.connections == ()


# --- services


class Noting:
    """A service that notes its life."""

    def __init__(self, *, fail: BaseException | None = None) -> None:
        self.life: list[str] = []
        self.fail = fail
        self.go = Event()

    async def run(self, host: AbstractHost, *, task_status: TaskStatus[None]) -> None:
        self.life.append(f"starts, {len(host.addrs)} addresses")
        task_status.started()
        try:
            await self.go.wait()
            if self.fail is not None:
                raise self.fail
        finally:
            with CancelScope(shield=True):
                await wait_all_tasks_blocked()
            self.life.append(f"ends, {len(host.connections)} connections")


async def test_a_service_lives_from_before_the_first_address_to_before_the_last_connection(new_host: New) -> None:
    service = Noting()
    async with new_host(2) as other:
        async with new_host(1, services=[service]) as host:
            assert service.life == ["starts, 0 addresses"]
            await host.connect(other.addrs)
        assert service.life[1:] == ["ends, 1 connections"]


async def test_a_service_that_returns_leaves_the_host_running(new_host: New) -> None:
    service = Noting()
    service.go.set()
    async with new_host(services=[service]):
        while len(service.life) < 2:
            await wait_all_tasks_blocked()


async def test_a_service_that_fails_ends_the_host_with_its_error(new_host: New) -> None:
    service = Noting(fail=ZeroDivisionError("broken"))
    with pytest.raises(ZeroDivisionError, match="broken"):
        async with new_host(services=[service]):
            await _forever_after(service.go)


async def test_given_services_run_beside_the_default_ones_and_in_place_of_their_like(new_host: New) -> None:
    mine = Identify(agent_version="mine/1")
    async with new_host(services=[mine, Noting()]) as host:
        assert [type(service) for service in host._services] == [Ping, Identify, Noting]
        assert mine in host._services
    async with new_host(services=[Ping()], default_services=False) as host:
        assert host.protocols == ("/ipfs/ping/1.0.0",)


# --- the end


async def test_an_exception_in_the_block_comes_out_as_it_is(new_host: New) -> None:
    error = ZeroDivisionError("mine")
    with pytest.raises(ZeroDivisionError) as caught:
        async with new_host(1) as server, new_host() as client:
            await _connect_and_raise(client, server, error)
    assert caught.value is error
    assert caught.value.__context__ is None


async def _connect_and_raise(client: Host, server: Host, error: Exception) -> None:
    await client.connect(server.addrs)
    raise error


async def _forever_after(go: Event) -> None:
    go.set()
    await sleep_forever()


async def test_a_group_of_errors_in_the_block_comes_out_as_a_group(new_host: New) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with new_host():
            raise ExceptionGroup("mine", [ValueError()])
    assert caught.value.message == "mine"


async def test_leaving_ends_handlers_and_tells_peers(new_host: New) -> None:
    ended = Event()
    started = Event()
    server = new_host(1)

    @server.handle("/stay/1")
    async def stay(stream: Stream) -> None:
        started.set()
        try:
            await sleep_forever()
        finally:
            ended.set()

    async with new_host() as client:
        async with server:
            stream = await client.open_stream(server.addrs, "/stay/1")
            await started.wait()
            subscription = server.events.subscribe(ConnectionStarted)
        assert ended.is_set()
        with fail_after(20), pytest.raises((ConnectionClosed, anyio.BrokenResourceError, anyio.EndOfStream)):
            await stream.receive()
        assert [event async for event in subscription] == []
    assert server.connections == client.connections == ()
    assert server.addrs == ()


async def test_being_cancelled_within_the_block_ends_it_in_time(new_host: New) -> None:
    with fail_after(20):
        async with new_host(1) as server:
            with CancelScope() as scope:
                async with new_host() as client:
                    await client.connect(server.addrs)
                    scope.cancel()
                    await sleep_forever()
            assert scope.cancelled_caught
            assert client.connections == ()


async def test_a_connect_that_is_cancelled_leaves_nothing_behind(new_host: New) -> None:
    async with new_host() as client, new_host(1) as server:
        with CancelScope() as scope:
            scope.cancel()
            await client.connect(server.addrs)
        await wait_all_tasks_blocked()
        assert client._swarm._running is not None
        assert client._swarm._running.dials._under_way == {}
        connection = await client.connect(server.addrs)
        assert connection.remote_peer == server.peer_id


async def test_nothing_runs_on_when_a_host_has_ended() -> None:
    before = {task.id for task in anyio.get_running_tasks()}
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as server:
        server.handle("/echo/1.0.0", handler=echo)
        async with create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(_ask_as_stranger, server.addrs[0])
    assert {task.id for task in anyio.get_running_tasks()} == before


async def _ask_as_stranger(addr: Any) -> None:
    async with Host() as client:
        assert await ask(client, addr) == b"hello"


async def test_an_idle_connection_costs_three_tasks_at_most_an_end() -> None:
    def tasks() -> int:
        return len(anyio.get_running_tasks())

    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as server, Host() as client:
        await wait_all_tasks_blocked()
        idle = tasks()
        await client.connect(server.addrs)
        with fail_after(20):
            while server.peerstore.agent_version(client.peer_id) is None or tasks() > idle + 6:
                await wait_all_tasks_blocked()


def test_the_default_transport_of_this_process_is_memory() -> None:
    assert Memory().can_listen(Host(listen=["/memory/5"])._listen[0])
