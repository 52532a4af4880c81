"""The other implementation dials, this stack listens."""

from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from typing import Any

import anyio
import pytest

from p2pstack import Connection, Echo, Host, Perf, PrivateKey, Stream, ping
from p2pstack.abc.events import ConnectionEnded, PeerIdentified

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
MIB = 1 << 20

#: The libraries that read the first message of identify and leave those that may follow.
FIRST_MESSAGE_ONLY = {"rust", "py"}


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """Serves what the commands of the peers ask for."""
    async with serving() as host:
        yield host


def serving(key: str = "ed25519") -> Host:
    host = Host(key=PrivateKey.generate(key), listen=[LOOPBACK], services=[Echo(), Perf()])
    host.handle("/hash/1.0.0", handler=answer_hash)
    return host


async def answer_hash(stream: Stream) -> None:
    received = sha256()
    async for chunk in stream:
        received.update(chunk)
    await stream.send(received.digest())


async def test_what_is_echoed_is_what_was_sent(peer: Any, host: Host) -> None:
    [line] = await peer.run("echo", host.addrs[0], "--bytes", 10 * MIB)
    assert line["bytes"] == 10 * MIB
    assert line["sent_sha256"] == line["received_sha256"]


@pytest.mark.parametrize("size", [0, MIB])
async def test_the_answer_is_read_after_the_peers_direction_is_closed(peer: Any, host: Host, size: int) -> None:
    assert await peer.run("half-close", host.addrs[0], "--bytes", size) == [{"bytes": size, "ok": True}]


async def test_pings_are_answered(peer: Any, host: Host) -> None:
    lines = await peer.run("ping", host.addrs[0], "--count", 20)
    assert len(lines) == 20
    assert all(0 < line["rtt_ms"] < 10_000 for line in lines)


async def test_fifty_streams_at_once_keep_their_bytes_apart(peer: Any, host: Host) -> None:
    assert await peer.run("streams", host.addrs[0], "--count", 50) == [{"count": 50, "ok": 50}]


async def test_six_thousand_short_streams_lose_nothing(peer: Any, host: Host) -> None:
    assert await peer.run("short-streams", host.addrs[0], "--count", 6000) == [{"count": 6000, "ok": 6000}]


async def test_perf_moves_as_many_bytes_as_asked_for(peer: Any, host: Host) -> None:
    with host.events.subscribe(ConnectionEnded) as ended:
        [line] = await peer.run(
            "perf", host.addrs[0], "--upload-bytes", 24 * MIB, "--download-bytes", 24 * MIB + 1, "--iterations", 1
        )
        with anyio.fail_after(10):
            connection = (await anext(ended)).connection
    assert line["upload_bytes_per_s"] > 0
    assert line["download_bytes_per_s"] > 0
    # Beside these there are headers, negotiation and identify.
    assert 24 * MIB < connection.bytes_received < 24 * MIB + 16_384
    assert 24 * MIB < connection.bytes_sent < 24 * MIB + 16_384


@pytest.mark.parametrize("key", ["ed25519", "secp256k1", "ecdsa", "rsa"])
async def test_identify_tells_who_we_are(peer: Any, key: str, expect_key: Callable[..., None]) -> None:
    expect_key(key)
    async with serving(key) as host:
        [told] = await peer.run("identify", host.addrs[0], key=key)
        listening = str(host.addrs[0]).removesuffix(f"/p2p/{host.peer_id}")
    assert told["peer_id"] == str(host.peer_id)
    assert told["key_type"] == key
    assert told["agent_version"].startswith("p2pstack/")
    assert told["protocol_version"] == "ipfs/0.1.0"
    assert set(told["protocols"]) == set(host.protocols)
    assert told["listen_addrs"] == [listening]
    assert told["observed_addr"].startswith("/ip4/127.0.0.1/tcp/")


@pytest.mark.parametrize("key", ["ed25519", "secp256k1", "ecdsa", "rsa"])
async def test_identify_tells_who_dialled(peer: Any, key: str, host: Host, expect_key: Callable[..., None]) -> None:
    expect_key(key)
    with host.events.subscribe(PeerIdentified) as events:
        async with peer.idling(host.addrs[0], key=key):
            with anyio.fail_after(10):
                told = await anext(events)
            assert list(host.connections) == [told.connection]
    assert told.peer == told.connection.remote_peer
    assert told.connection.remote_public_key.type.name.lower() == key
    assert told.agent_version == f"interop-{peer.name}/1"
    assert told.protocol_version == "p2pstack-interop/1"
    assert {"/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"} <= set(told.protocols)
    assert told.observed_addr == told.connection.local_addr


async def test_identify_of_a_host_that_speaks_much_is_read(peer: Any, host: Host) -> None:
    many = [f"/some-protocol-with-a-long-name/{number}" for number in range(400)]
    host.handle(*many, handler=answer_hash)
    [told] = await peer.run("identify", host.addrs[0])
    assert told["peer_id"] == str(host.peer_id)
    if peer.name in FIRST_MESSAGE_ONLY:
        assert {"/ipfs/id/1.0.0", many[0]} <= set(told["protocols"]) < set(host.protocols)
    else:
        assert set(told["protocols"]) == set(host.protocols)


async def test_a_dialler_takes_a_push_and_can_be_called_back(peer: Any, host: Host) -> None:
    with host.events.subscribe(PeerIdentified) as events:
        async with peer.idling(host.addrs[0]):
            with anyio.fail_after(10):
                connection: Connection = (await anext(events)).connection
            sent = connection.bytes_sent
            host.handle("/new/1.0.0", handler=answer_hash)
            with anyio.fail_after(10):
                # A description of ours is longer than that, pings of the peer are not.
                while connection.bytes_sent < sent + 150:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
            rtts = [rtt async for rtt in ping(host, connection, count=3, interval=0)]
            assert len(rtts) == 3
            assert list(host.connections) == [connection]


async def test_another_peer_id_than_the_dialled_one_is_refused(peer: Any, host: Host) -> None:
    [line] = await peer.run("wrong-peer-id", host.addrs[0])
    assert line["refused"]
    assert line["error"]
    # Whoever was refused did us no harm.
    assert await peer.run("ping", host.addrs[0], "--count", 1)


async def test_an_unknown_protocol_is_refused_and_the_connection_stays_usable(peer: Any, host: Host) -> None:
    with host.events.subscribe(ConnectionEnded) as ended:
        [line] = await peer.run("unknown-protocol", host.addrs[0])
        with anyio.fail_after(10):
            await anext(ended)
    assert line["refused"]
    assert line["ping_ms"] > 0
