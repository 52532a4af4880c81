"""Connections that are made to cost something: silent, slow, many at once, full of junk."""

import os
import resource
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from anyio import BrokenResourceError, create_task_group, current_time, to_thread

from p2pstack import Host, LimitExceeded, PrivateKey
from p2pstack.abc.events import LimitHit

from .attacker import HEADER, YAMUX, Attacker, address_of, line
from .scene import ALMOST, BRIEF, SOON, limits, scene

Steps = Callable[[Attacker], Any]


async def _silent(attacker: Attacker) -> None:
    """TCP, and not a byte."""


async def _half_a_line(attacker: Attacker) -> None:
    await attacker.send(HEADER[:7])


async def _half_a_proposal(attacker: Attacker) -> None:
    await attacker.send(HEADER + line("/noise")[:3])


async def _half_a_handshake(attacker: Attacker) -> None:
    await attacker.propose("/noise")
    attacker.start_noise()
    await attacker.send_message(attacker.noise.write_message())
    attacker.noise.read_message(await attacker.receive_message())
    await attacker.send(b"\x00\xf0half")


async def _half_a_muxer(attacker: Attacker) -> None:
    await attacker.secure(muxers=())
    await attacker.send(attacker.seal(HEADER + line(YAMUX)[:3]))


async def test_connections_that_come_to_nothing_end_at_the_deadline() -> None:
    lasted: dict[Steps, float] = {}
    async with scene(config=limits(upgrade_timeout=BRIEF)) as s, create_task_group() as tasks:

        async def attempt(steps: Steps) -> None:
            began = current_time()
            async with await s.attacker(secure=False) as attacker:
                await steps(attacker)
                await attacker.drain()
                lasted[steps] = current_time() - began

        attempts = (_silent, _half_a_line, _half_a_proposal, _half_a_handshake, _half_a_muxer)
        for steps in attempts:
            tasks.start_soon(attempt, steps)
        await s.wait_for(lambda: s.host._swarm.pending == len(attempts))
        await s.wait_for(lambda: len(lasted) == len(attempts) and s.host._swarm.pending == 0)
    assert {steps: seconds for steps, seconds in lasted.items() if not ALMOST <= seconds < SOON} == {}


async def test_a_byte_now_and_then_buys_no_time() -> None:
    async with scene(config=limits(upgrade_timeout=BRIEF)) as s:
        began = current_time()
        async with await s.attacker(secure=False) as attacker, create_task_group() as tasks:

            async def drip() -> None:
                with suppress(BrokenResourceError):
                    for byte in HEADER + line("/a") * 999:
                        await attacker.send(bytes([byte]))
                        await s.ping()

            tasks.start_soon(drip)
            await attacker.drain()
            tasks.cancel_scope.cancel()
        assert ALMOST <= current_time() - began < SOON


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"\x00",
        b"\xff\xff\xff\xff\x0f",  # 4 GiB
        b"\x80" * 20,
        b"\x81\x08" + b"/" * 1_025,  # a line of 1,025 bytes
        line("/multistream/2.0.0"),
        HEADER + line("/noise") + b"\xff\xff",  # a handshake message of 64 KiB
        HEADER + line("/noise") + b"\x00\x00",
        HEADER + line("/noise") + b"\x00\x20" + bytes(32),  # a key of order 1
        HEADER + line("/a") * 1_001,
    ],
    ids=range(11),
)
async def test_what_is_no_upgrade_is_closed_at_once(first: bytes) -> None:
    async with scene() as s, await s.attacker(secure=False) as attacker:
        began = current_time()
        await attacker.send(first)
        await attacker.drain()
        assert current_time() - began < SOON


async def test_a_security_protocol_nobody_speaks_is_refused_and_another_may_be_proposed() -> None:
    async with scene() as s, await s.attacker(secure=False) as attacker:
        await attacker.send(HEADER + line("/tls/1.0.0"))
        assert await attacker.receive_line() == "/multistream/1.0.0"
        assert await attacker.receive_line() == "na"
        await attacker.send(line("/noise"))
        assert await attacker.receive_line() == "/noise"


async def test_junk_on_many_connections_does_not_keep_a_friend_waiting() -> None:
    junk = os.urandom(65_536)

    def attack(host: str, port: int) -> None:
        for _ in range(5):
            sockets = [socket.create_connection((host, port)) for _ in range(100)]
            for sock in sockets:
                with suppress(OSError), sock:
                    sock.sendall(junk)

    async with scene() as s:
        rtts: list[float] = []
        async with create_task_group() as tasks:

            async def ping() -> None:
                while True:
                    rtts.extend(await s.ping())

            tasks.start_soon(ping)
            await to_thread.run_sync(attack, *address_of(s.host.addrs[0]))
            tasks.cancel_scope.cancel()
        assert len(rtts) > 5
        assert sorted(rtts)[int(len(rtts) * 0.99)] < 5
        assert s.host._swarm.pending <= 128


async def test_of_half_open_connections_the_oldest_make_room(many_descriptors: None) -> None:
    scope = "inbound connections not yet upgraded"
    async with scene() as s, AsyncExitStack() as stack:
        address = address_of(s.host.addrs[0])
        sockets = [stack.enter_context(socket.create_connection(address)) for _ in range(1_000)]
        await s.wait_for(lambda: s.host._swarm.pending > 128 or len(s.hits(scope)) == 872)
        assert s.host._swarm.pending == 128
        for sock in sockets[:872]:
            assert await s.wait_for(lambda sock=sock: _received(sock)) == [b""]
        async with Host() as newcomer:
            await newcomer.connect(s.host.addrs[0])
        assert s.hits(scope)[872:] == [LimitHit(scope, 128, 129)]
        for sock in sockets[873:]:
            sock.sendall(HEADER)  # they are still heard
            assert await s.wait_for(lambda sock=sock: _received(sock)) == [HEADER]


async def test_one_address_takes_its_own_places_only() -> None:
    scope = "inbound connections not yet upgraded, of one IP address"
    async with scene() as s, AsyncExitStack() as stack:
        addrs = await s.host.listen("/ip4/0.0.0.0/tcp/0")
        elsewhere = [address_of(addr) for addr in addrs if "/127." not in str(addr)]
        if not elsewhere:
            pytest.skip("this machine has no address but those of loopback, which have no places of their own")
        sockets = [stack.enter_context(socket.create_connection(elsewhere[0])) for _ in range(20)]
        loopback = stack.enter_context(socket.create_connection(address_of(s.host.addrs[0])))
        await s.wait_for(lambda: len(s.hits(scope)) == 12 and s.host._swarm.pending == 9)
        for sock in sockets[:12]:
            assert await s.wait_for(lambda sock=sock: _received(sock)) == [b""]
        assert s.hits(scope) == [LimitHit(scope, 8, 9)] * 12
        for sock in (*sockets[12:], loopback):
            sock.sendall(HEADER)
            assert await s.wait_for(lambda sock=sock: _received(sock)) == [HEADER]
        (listener,) = s.host._swarm._running.listeners._listeners[1:]  # type: ignore[union-attr]
        await listener.aclose()


async def test_out_of_file_descriptors_those_connected_are_served_and_others_later() -> None:
    async with scene() as s, AsyncExitStack() as stack:
        (listener,) = s.host._swarm._running.listeners._listeners  # type: ignore[union-attr]
        sockets = [stack.enter_context(socket.socket()) for _ in range(30)]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(sock.fileno() for sock in sockets)
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, hard))
        try:
            for sock in sockets:
                sock.connect(address_of(s.host.addrs[0]))
                sock.sendall(HEADER)
            await s.wait_for(lambda: listener.exhausted)  # type: ignore[attr-defined]
            await s.ping(20)
            assert s.host._swarm.pending < 30
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for sock in sockets:
            assert await s.wait_for(lambda sock=sock: _received(sock)) == [HEADER]


def _received(sock: socket.socket) -> list[bytes]:
    """What has arrived, if anything."""
    try:
        return [sock.recv(100, socket.MSG_DONTWAIT)]
    except BlockingIOError:
        return []


async def test_there_are_so_many_connections_and_no_more() -> None:
    async with scene(config=limits(max_connections=3)) as s:
        async with await s.attacker() as one, await s.attacker() as other:
            async with await s.attacker(secure=False) as third:
                assert await third.drain() == b""
                hit = await s.hit("connections")
                assert (hit.limit, hit.used) == (3, 3)
            with pytest.raises(LimitExceeded, match="connections: limit 3, used 3; close some, or raise the limit"):
                await s.host.connect("/ip4/127.0.0.1/tcp/1")
            await one.accept_identify()
            await other.accept_identify()
        await s.wait_for(lambda: len(s.host.connections) == 1)
        async with await s.attacker():
            pass


async def test_a_peer_has_so_many_connections_and_no_more() -> None:
    identity = PrivateKey.generate()
    async with scene() as s:
        attackers = [await s.attacker(identity=identity) for _ in range(8)]
        async with await s.attacker(secure=False, identity=identity) as ninth:
            await ninth.secure()
            await ninth.drain()
        assert await s.hit("connections to one peer") == LimitHit("connections to one peer", 8, 8, identity.peer_id)
        assert len(s.host.connections_to(identity.peer_id)) == 8
        async with await s.attacker():
            pass
        for attacker in attackers:
            await attacker.stream.aclose()
