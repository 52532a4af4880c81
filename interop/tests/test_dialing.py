"""This stack dials, the other implementation listens."""

import os
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import anyio
import pytest
from multiaddr import Multiaddr

from p2pstack import Connection, Host, Identify, NegotiationError, PeerIdMismatch, PrivateKey, Stream, perf, ping
from p2pstack.identity.address import split_peer, with_peer

ECHO, HASH = "/echo/1.0.0", "/hash/1.0.0"
PROTOCOLS = {ECHO, HASH, "/perf/1.0.0", "/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0"}
KIB, MIB = 1 << 10, 1 << 20

#: What sends no signed peer record with identify, or one whose envelope lacks the type of the key.
NO_RECORD = {("rust", "ed25519"), ("rust", "secp256k1"), ("rust", "ecdsa"), ("rust", "rsa"), ("py", "rsa")}


async def through(stream: Stream, data: bytes) -> bytes:
    """What comes back while `data` is sent."""

    async def send() -> None:
        for start in range(0, len(data), 64 * KIB):
            await stream.send(data[start : start + 64 * KIB])
        await stream.send_eof()

    async with stream, anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        return b"".join([chunk async for chunk in stream])


async def hashed(connection: Connection, data: bytes) -> bytes:
    """What comes back after `data` was sent and our direction closed."""
    async with await connection.open_stream(HASH) as stream:
        if data:
            await stream.send(data)
        await stream.send_eof()
        return b"".join([chunk async for chunk in stream])


async def test_what_is_echoed_is_what_was_sent(listener: Any) -> None:
    data = os.urandom(10 * MIB)
    async with Host() as host:
        received = await through(await host.open_stream(listener.addr, ECHO), data)
    assert sha256(received).digest() == sha256(data).digest()


@pytest.mark.parametrize("size", [0, MIB])
async def test_the_answer_is_read_after_our_direction_is_closed(listener: Any, size: int) -> None:
    data = os.urandom(size)
    async with Host() as host:
        assert await hashed(await host.connect(listener.addr), data) == sha256(data).digest()


async def test_pings_come_back(listener: Any) -> None:
    async with Host() as host:
        times = [rtt async for rtt in ping(host, listener.addr, count=20, interval=0)]
    assert len(times) == 20
    assert all(0 < rtt < 10 for rtt in times)


async def test_fifty_streams_at_once_keep_their_bytes_apart(listener: Any) -> None:
    same = 0

    async def use(stream: Stream) -> None:
        nonlocal same
        data = os.urandom(64 * KIB)
        received = await through(stream, data)
        same += received == data

    async with Host() as host:
        connection = await host.connect(listener.addr)
        streams = [await connection.open_stream(ECHO) for _ in range(50)]
        async with anyio.create_task_group() as tasks:
            for stream in streams:
                tasks.start_soon(use, stream)
        assert same == 50
        assert not connection.closed


async def test_six_thousand_short_streams_lose_nothing(listener: Any) -> None:
    async with Host() as host:
        connection = await host.connect(listener.addr)
        for _ in range(6000):
            data = os.urandom(29)
            assert await hashed(connection, data) == sha256(data).digest()


async def test_streams_given_up_in_any_way_leave_the_connection_usable(listener: Any) -> None:
    data = os.urandom(64 * KIB)
    async with Host() as host:
        connection = await host.connect(listener.addr)
        for _ in range(100):
            (await connection.open_stream(ECHO)).reset()
            await (await connection.open_stream(ECHO)).aclose()
            async with await connection.open_stream(ECHO) as unread:
                await unread.send(data)
            async with await connection.open_stream(HASH) as unanswered:
                await unanswered.send(data)
                await unanswered.send_eof()
                unanswered.reset()
        assert await hashed(connection, data) == sha256(data).digest()


async def test_perf_moves_as_many_bytes_as_asked_for(listener: Any) -> None:
    async with Host() as host:
        connection = await host.connect(listener.addr)
        before = connection.bytes_sent, connection.bytes_received
        up = await perf(host, connection, upload_bytes=24 * MIB)
        down = await perf(host, connection, download_bytes=24 * MIB + 1)
        sent, received = connection.bytes_sent - before[0], connection.bytes_received - before[1]
    assert (up.upload_bytes, up.download_bytes) == (24 * MIB, 0)
    assert (down.upload_bytes, down.download_bytes) == (0, 24 * MIB + 1)
    # Beside these there are headers, negotiation and identify.
    assert 24 * MIB < sent < 24 * MIB + 16 * KIB
    assert 24 * MIB < received < 24 * MIB + 16 * KIB


@pytest.mark.parametrize("key", ["ed25519", "secp256k1", "ecdsa", "rsa"])
async def test_identify_tells_who_listens(
    listen: Callable[..., Any], key: str, peer: Any, expect_key: Callable[..., None]
) -> None:
    expect_key(key)
    listener = listen(key)
    identify = Identify()
    async with Host(key=PrivateKey.generate(key), services=[identify]) as host:
        connection = await host.connect(listener.addr)
        told = await identify.wait(connection)
        record = host.peerstore.record(told.peer)
    assert str(told.peer) == str(connection.remote_peer) == listener.peer_id
    assert connection.remote_public_key.type.name.lower() == key
    assert told.agent_version == f"interop-{peer.name}/1"
    assert told.protocol_version == "p2pstack-interop/1"
    assert set(told.protocols) == PROTOCOLS
    assert split_peer(Multiaddr(listener.addr))[0] in told.listen_addrs
    assert told.observed_addr == connection.local_addr
    assert host.peerstore.protocols(told.peer) == PROTOCOLS
    if (peer.name, key) in NO_RECORD:
        assert record is None
    else:
        assert record is not None
        assert record.public_key == connection.remote_public_key


async def test_another_peer_id_than_the_dialled_one_is_refused(listener: Any) -> None:
    address, _ = split_peer(Multiaddr(listener.addr))
    somebody = PrivateKey.generate().peer_id
    async with Host() as host:
        with pytest.raises(PeerIdMismatch) as raised:
            await host.connect(with_peer(address, somebody))
        assert not host.connections
    assert (str(raised.value.expected), str(raised.value.actual)) == (str(somebody), listener.peer_id)


async def test_an_unknown_protocol_is_refused_and_the_connection_stays_usable(listener: Any) -> None:
    async with Host() as host:
        connection = await host.connect(listener.addr)
        with pytest.raises(NegotiationError):
            await connection.open_stream("/does-not-exist/1.0.0")
        [rtt] = [rtt async for rtt in ping(host, connection, count=1)]
        assert rtt > 0
        assert list(host.connections) == [connection]
