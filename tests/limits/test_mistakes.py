"""What a user gets wrong is told in an error that says what was expected and what to do, and harms nobody."""

import re
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from anyio import fail_after
from multiaddr import Multiaddr

from p2pstack import (
    ConnectionClosed,
    DialError,
    Host,
    ListenError,
    LocalProtocolError,
    NegotiationError,
    P2PError,
    PeerId,
    PeerIdMismatch,
    PrivateKey,
    SwarmConfig,
    perf,
    ping,
)

STRANGER = PrivateKey.generate().peer_id
OTHER = PrivateKey.generate().peer_id
NO_ADDRESS = Multiaddr(b"\xff\xff")


@pytest.fixture
async def server() -> AsyncGenerator[Host]:
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as host:
        yield host


@pytest.fixture
async def client() -> AsyncGenerator[Host]:
    async with Host() as host:
        yield host


def bare(host: Host) -> str:
    return str(host.addrs[0]).partition("/p2p/")[0]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"listen": "/ip4/127.0.0.1/tcp/0"}, "listen: expected a list of addresses, got just '/ip4.*put it in \\[\\]"),
        ({"listen": ["127.0.0.1:4001"]}, "expected an address such as /ip4/127.0.0.1/tcp/4001, got '127.0.0.1:4001'"),
        ({"listen": [4001]}, "expected an address such as /ip4/127.0.0.1/tcp/4001, got 4001"),
        ({"listen": [NO_ADDRESS]}, "malformed address ffff"),
        ({"listen": [f"/ip4/127.0.0.1/tcp/0/p2p/{OTHER}"]}, "expected an address to listen on.*leave out /p2p"),
        ({"announce": "/ip4/1.2.3.4/tcp/1"}, "announce: expected a list of addresses"),
        ({"announce": [NO_ADDRESS]}, "malformed address ffff"),
        ({"security": []}, "expected at least one security protocol and one muxer"),
        ({"muxers": []}, "expected at least one security protocol and one muxer"),
    ],
)
def test_a_host_is_made_of_what_it_needs(options: dict[str, Any], text: str) -> None:
    with pytest.raises(LocalProtocolError, match=text):
        Host(**options)


@pytest.mark.parametrize("value", [0, -1, "5", None])
def test_a_limit_is_a_number_above_zero(value: Any) -> None:
    with pytest.raises(LocalProtocolError, match=r"SwarmConfig\.max_connections: expected a number above 0, got"):
        SwarmConfig(max_connections=value)


@pytest.mark.parametrize(
    ("addr", "error", "text"),
    [
        ("/ip4/127.0.0.1/udp/0/quic-v1", LocalProtocolError, "no transport here listens on .*transports: Tcp, Memory"),
        ("/dns4/localhost/tcp/0", LocalProtocolError, "no transport here listens on /dns4/localhost/tcp/0"),
        (
            "/ip4/192.0.2.1/tcp/0",
            ListenError,
            "cannot listen on /ip4/192.0.2.1/tcp/0: .*choose another address or port",
        ),
    ],
)
async def test_listening_where_one_cannot(addr: str, error: type[P2PError], text: str) -> None:
    with pytest.raises(error, match=text):
        async with Host(listen=[addr]):
            pass


async def test_listening_on_a_port_that_is_taken(server: Host, client: Host) -> None:
    with pytest.raises(ListenError, match=r"Address already in use; choose another .*\(0 picks a free one\)") as caught:
        await client.listen(bare(server))
    assert caught.value.address == bare(server)


async def test_a_host_is_used_while_it_runs(server: Host) -> None:
    async def use(host: Host, text: str) -> None:
        for attempt in (
            lambda: host.connect(server.addrs[0]),
            lambda: host.listen("/ip4/127.0.0.1/tcp/0"),
            lambda: host.open_stream(server.addrs[0], "/echo/1.0.0"),
        ):
            with pytest.raises(LocalProtocolError, match=text):
                await attempt()

    host = Host()
    await use(host, "the host is not running: use it within `async with host:`")
    async with host:
        pass
    await use(host, "the host has ended: make a new one")
    with pytest.raises(LocalProtocolError, match="a host can be entered once: make a new one"):
        async with host:
            pass


@pytest.mark.parametrize(
    ("target", "error", "text"),
    [
        ("", LocalProtocolError, "expected a peer id such as 12D3KooW..., got ''"),
        ("127.0.0.1:4001", LocalProtocolError, "an address begins with /, such as /ip4/127.0.0.1/tcp/4001"),
        ("/ip4/127.0.0.1/tcp/99999", LocalProtocolError, "expected an address such as .*integer not in range"),
        ("/foo/1", LocalProtocolError, "expected an address such as .*unknown protocol: foo"),
        ("/", LocalProtocolError, "expected an address such as"),
        (NO_ADDRESS, LocalProtocolError, "malformed address ffff"),
        (None, LocalProtocolError, "expected a peer id, an address, addresses of one peer or a PeerInfo, got None"),
        (b"abc", LocalProtocolError, "expected an address such as"),
        ([], LocalProtocolError, "expected a peer id, an address"),
        ([f"/p2p/{STRANGER}", f"/p2p/{OTHER}"], LocalProtocolError, "expected addresses of one peer, got some of"),
        ("/ip4/127.0.0.1/udp/1/quic-v1", LocalProtocolError, "no transport here dials .*transports: Tcp, Memory"),
        ("/ip6zone/nowhere/ip6/fe80::1/tcp/1", LocalProtocolError, "no network interface named 'nowhere'"),
        (STRANGER, DialError, "no address of peer .* is known: connect to an address such as .* or add one"),
        ("/ip4/127.0.0.1/tcp/0", DialError, "/ip4/127.0.0.1/tcp/0: ConnectionRefusedError"),
        ("/memory/999", DialError, "/memory/999: ConnectionRefusedError"),
    ],
)
async def test_connecting_to_what_is_no_peer(client: Host, target: Any, error: type[P2PError], text: str) -> None:
    with pytest.raises(error, match=re.compile(text, re.DOTALL)) as caught:
        await client.connect(target)
    assert type(caught.value) is error
    with pytest.raises(error):
        await client.open_stream(target, "/echo/1.0.0")


async def test_connecting_to_oneself(server: Host) -> None:
    for target in (server.peer_id, server.addrs[0], bare(server)):
        with pytest.raises(LocalProtocolError, match=r"our own peer id|an address of ourselves.*dial another peer"):
            await server.connect(target)
    assert server.connections == ()


async def test_somebody_else_at_the_address(server: Host, client: Host) -> None:
    with pytest.raises(PeerIdMismatch, match="the address is out of date or somebody else's; look the peer up again"):
        await client.connect(f"{bare(server)}/p2p/{STRANGER}")
    assert client.connections == ()


async def test_disconnecting_from_what_is_no_peer(client: Host) -> None:
    with pytest.raises(LocalProtocolError, match="expected a peer id"):
        await client.disconnect("nobody")
    await client.disconnect(STRANGER)


@pytest.mark.parametrize(
    "protocol", ["", "/a\n", "/" + "a" * 1_023, "ls", "na", "/multistream/1.0.0", "\ud800", ["/a"], b"/a", 5, None]
)
async def test_a_protocol_is_a_line_of_text(server: Host, client: Host, protocol: Any) -> None:
    connection = await client.connect(server.addrs[0])
    for attempt in (client.open_stream(server.peer_id, protocol), connection.open_stream("/x", protocol)):
        with pytest.raises(LocalProtocolError, match="expected a protocol id of 1 to 1,023 bytes on one line"):
            await attempt
    with pytest.raises(LocalProtocolError, match="expected a protocol id of 1 to 1,023 bytes on one line"):
        server.handle(protocol)
    assert connection.streams == ()


async def test_a_stream_is_for_some_protocol(server: Host, client: Host) -> None:
    with pytest.raises(LocalProtocolError, match="expected at least one protocol to open a stream for"):
        await client.open_stream(server.addrs[0])
    with pytest.raises(NegotiationError, match="speaks none of the protocols proposed: /nope/1, /nope/2") as caught:
        await client.open_stream(server.addrs[0], "/nope/1", "/nope/2")
    assert caught.value.proposed == ("/nope/1", "/nope/2")


async def test_a_connection_that_has_ended_opens_no_streams(server: Host, client: Host) -> None:
    connection = await client.connect(server.addrs[0])
    await connection.aclose()
    await connection.aclose()
    for attempt in (connection.open_stream("/x"), client.open_stream(connection, "/x")):
        with pytest.raises(ConnectionClosed), fail_after(20):
            await attempt


async def _serve(stream: object) -> None:
    pass


@pytest.mark.parametrize(
    ("handle", "text"),
    [
        (lambda host: host.handle(), "expected at least one protocol to handle"),
        (lambda host: host.handle(_serve), "expected a protocol id"),
        (lambda host: host.handle("/ipfs/ping/1.0.0"), "/ipfs/ping/1.0.0 has a handler already: unhandle it first"),
        (lambda host: host.handle("/a", handler=5), "expected a function to handle /a, got 5"),
        (lambda host: host.handle("/a", handler=_serve, max_streams_per_peer=0), "expected at least 1, got 0"),
        (lambda host: host.events.subscribe(buffer=0), "a subscription buffers at least 1 event"),
        (lambda host: ping(host, STRANGER, count=-1), "ping: expected numbers above 0"),
    ],
)
async def test_wrong_arguments_are_named(client: Host, handle: Callable[[Host], Any], text: str) -> None:
    before = client.protocols
    with pytest.raises(LocalProtocolError, match=text):
        handle(client)
    assert client.protocols == before


async def test_measuring_less_than_nothing(client: Host) -> None:
    with pytest.raises(LocalProtocolError, match="perf: expected numbers above 0"):
        await perf(client, STRANGER, upload_bytes=-1)


def test_a_peer_id_is_not_any_text() -> None:
    with pytest.raises(LocalProtocolError, match="expected a peer id such as 12D3KooW"):
        PeerId.parse("12D3KooWxxx")
