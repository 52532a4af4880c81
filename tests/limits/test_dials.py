"""Dials that come to nothing, and those that somebody makes slow."""

from collections.abc import Awaitable, Callable

import pytest
from anyio import create_task_group, current_time, fail_after
from anyio.abc import TaskGroup

from p2pstack import DialError, Host, NegotiationError, P2PError, PrivateKey, RemoteProtocolError, SecurityError
from p2pstack.abc.events import DialFailed

from .attacker import HEADER, YAMUX, Attacker, Deaf, line, varint
from .scene import ALMOST, BRIEF, SOON, Census, limits, scene

LISTEN = "/ip4/127.0.0.1/tcp/0"
Steps = Callable[[Attacker], Awaitable[object]]


def answer(tasks: TaskGroup, deaf: Deaf, steps: Steps) -> None:
    """Have whoever is called go through some steps, and then say no more."""

    async def run() -> None:
        await deaf.called.wait()
        await steps(deaf.callers[0])

    tasks.start_soon(run)


async def _silent(attacker: Attacker) -> None:
    """TCP, and not a byte."""


async def _half_a_line(attacker: Attacker) -> None:
    await attacker.send(HEADER[:7])


async def _half_an_answer(attacker: Attacker) -> None:
    await attacker.send(HEADER + line("/noise")[:3])


async def _half_a_handshake(attacker: Attacker) -> None:
    await attacker.propose("/noise")
    attacker.start_noise()
    await attacker.send(b"\x00\xf0half")


async def test_addresses_that_answer_nothing_are_given_up_at_the_deadline() -> None:
    async with scene(config=limits(dial_address_timeout=BRIEF)) as s, create_task_group() as tasks:

        async def call(steps: Steps) -> None:
            async with Deaf() as deaf, create_task_group() as answering:
                answer(answering, deaf, steps)
                began = current_time()
                with pytest.raises(DialError, match=r"no connection within 0\.6 s") as caught:
                    await s.host.connect(deaf.addr)
                assert ALMOST <= current_time() - began < SOON
                assert isinstance(caught.value.reasons[deaf.addr], TimeoutError)
                with fail_after(SOON):
                    await deaf.called.wait()
                    await deaf.callers[0].drain()

        for steps in (_silent, _half_a_line, _half_an_answer, _half_a_handshake):
            tasks.start_soon(call, steps)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", RemoteProtocolError),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", RemoteProtocolError),
        (b"\x15\x03\x01\x00\x02\x02\x46", RemoteProtocolError),  # TLS
        (b"\xff" * 100, RemoteProtocolError),
        (HEADER + line("na"), NegotiationError),
        (HEADER + line("/tls/1.0.0"), RemoteProtocolError),
        (HEADER + varint(1_025), RemoteProtocolError),
        (HEADER + line("/noise") + b"\xff\xff", RemoteProtocolError),
        (HEADER + line("/noise") + b"\x00\x00", SecurityError),
        (HEADER + line("/noise") + b"\x00\x60" + bytes(96), SecurityError),
    ],
    ids=range(10),
)
async def test_what_answers_in_another_language_is_hung_up_on_at_once(said: bytes, kind: type[P2PError]) -> None:
    async with scene() as s, Deaf() as deaf, create_task_group() as tasks:
        answer(tasks, deaf, lambda attacker: attacker.send(said))
        with pytest.raises(DialError) as caught, fail_after(SOON):
            await s.host.connect(deaf.addr)
        assert type(caught.value.reasons[deaf.addr]) is kind
        with fail_after(SOON):
            await deaf.callers[0].drain()


async def test_all_addresses_of_a_peer_have_so_many_seconds_together() -> None:
    config = limits(dial_peer_timeout=BRIEF, dial_stagger=0.01)
    peer = PrivateKey.generate().peer_id
    async with scene(config=config) as s, Deaf() as one, Deaf() as other:
        began = current_time()
        with pytest.raises(DialError, match=r"could not be reached within 0\.6 s"), fail_after(SOON):
            await s.host.connect([one.addr, other.addr, f"/p2p/{peer}"])
        assert ALMOST <= current_time() - began < SOON
        with fail_after(SOON):
            await one.called.wait()
            await other.called.wait()


async def test_an_address_that_says_nothing_has_its_head_start_and_no_more() -> None:
    async with scene(config=limits(dial_stagger=0.1)) as s, Deaf() as deaf, Host(listen=[LISTEN]) as other:
        addrs = [deaf.addr, str(other.addrs[0])]
        began = current_time()
        connection = await s.host.connect([*addrs, f"/p2p/{other.peer_id}"])
        assert current_time() - began < SOON
        assert connection.remote_peer == other.peer_id
        with fail_after(SOON):
            for caller in deaf.callers:
                await caller.drain()
        await connection.aclose()


async def test_peers_that_answer_nothing_hold_no_places_of_callers() -> None:
    config = limits(dial_address_timeout=BRIEF, max_pending_inbound=2)
    async with scene(config=config) as s, Deaf() as deaf, create_task_group() as tasks:
        before = Census.of(s.host)
        failed: list[DialError] = []

        async def call() -> None:
            with pytest.raises(DialError) as caught:
                await s.host.connect([deaf.addr, f"/p2p/{PrivateKey.generate().peer_id}"])
            failed.append(caught.value)

        with s.host.events.subscribe(DialFailed) as failures:
            for _ in range(20):
                tasks.start_soon(call)
            async with await s.attacker():
                await s.ping(5)
            await s.wait_for(lambda: len(failed) == 20)
            assert len(failures._events) == 20  # type: ignore[attr-defined]
        await s.wait_for(lambda: Census.of(s.host).connections == before.connections)


async def test_a_muxer_chosen_that_was_not_offered_is_refused() -> None:
    async with scene() as s, Deaf() as deaf, create_task_group() as tasks:

        async def steps(attacker: Attacker) -> None:
            await attacker.secure(muxers=())
            await attacker.send(attacker.seal(HEADER + line("/mplex/6.7.0")))

        answer(tasks, deaf, steps)
        with pytest.raises(DialError) as caught, fail_after(SOON):
            await s.host.connect(deaf.addr)
        assert isinstance(caught.value.reasons[deaf.addr], RemoteProtocolError)
        assert YAMUX in str(caught.value)
