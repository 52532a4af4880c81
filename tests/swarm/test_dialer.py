"""Addresses race, and a failure says what was tried and why it did not work. No test waits for a clock: head starts are
either far longer than the test or over at once."""

import math
from typing import Any

import pytest
from anyio import CancelScope, Event, create_task_group, fail_after, sleep_forever, wait_all_tasks_blocked
from multiaddr import Multiaddr

from p2pstack.abc.gater import ConnectionGater
from p2pstack.errors import DialError, LocalProtocolError, P2PError, PeerIdMismatch, SecurityError
from p2pstack.identity.address import parse_text, with_peer
from p2pstack.identity.peer_id import PeerId

NEVER = 3_600.0


def connects(muxed: Any) -> Any:
    async def outcome() -> Any:
        return muxed

    return outcome


def fails(error: Exception) -> Any:
    async def outcome() -> Any:
        raise error

    return outcome


async def hangs() -> Any:
    await sleep_forever()


async def test_the_only_address_is_dialled(
    make_dialer: Any, transport: Any, fake_muxed: Any, peer: PeerId, addrs: Any
) -> None:
    muxed = fake_muxed()
    transport.on(addrs[0], connects(muxed))
    connected, endpoints = await make_dialer().dial(peer, [addrs[0]])
    assert connected is muxed
    assert endpoints.remote == addrs[0]
    assert transport.peers == [peer]


async def test_an_address_without_peer_accepts_anybody(
    make_dialer: Any, transport: Any, fake_muxed: Any, addrs: Any
) -> None:
    transport.on(addrs[0], connects(fake_muxed()))
    await make_dialer().dial(None, [addrs[0]])
    assert transport.peers == [None]


async def test_the_peer_in_an_address_is_expected_there(
    make_dialer: Any, transport: Any, fake_muxed: Any, peer: PeerId, addrs: Any
) -> None:
    transport.on(addrs[0], connects(fake_muxed()))
    await make_dialer().dial(None, [with_peer(addrs[0], peer)])
    assert transport.peers == [peer]


async def test_the_next_address_starts_as_soon_as_one_has_failed(
    make_dialer: Any, transport: Any, fake_muxed: Any, peer: PeerId, addrs: Any
) -> None:
    transport.on(addrs[0], fails(ConnectionRefusedError()))
    transport.on(addrs[1], fails(SecurityError("no")))
    transport.on(addrs[2], connects(fake_muxed()))
    transport.on(addrs[3], hangs)
    with fail_after(20):
        await make_dialer(dial_stagger=NEVER).dial(peer, addrs)
    assert transport.dialled == addrs[:3]


async def test_a_failure_of_an_earlier_address_starts_the_next_one_too(
    make_dialer: Any, transport: Any, fake_muxed: Any, peer: PeerId, addrs: Any
) -> None:
    give_up = Event()

    async def fails_when_told() -> Any:
        await give_up.wait()
        raise ConnectionRefusedError

    transport.on(addrs[0], fails_when_told)
    transport.on(addrs[1], hangs)
    transport.on(addrs[2], connects(fake_muxed()))
    dialer = make_dialer(dial_stagger=0.01, dial_address_timeout=NEVER, dial_peer_timeout=NEVER)
    transport.on(addrs[1], lambda: _then_hang(give_up))
    with fail_after(20):
        await dialer.dial(peer, addrs[:3])
    assert transport.dialled == addrs[:3]


async def _then_hang(event: Event) -> Any:
    event.set()
    await sleep_forever()


async def test_an_address_that_says_nothing_loses_its_head_start(
    make_dialer: Any, transport: Any, fake_muxed: Any, peer: PeerId, addrs: Any
) -> None:
    transport.on(addrs[0], hangs)
    transport.on(addrs[1], hangs)
    transport.on(addrs[2], connects(fake_muxed()))
    with fail_after(20):
        await make_dialer(dial_stagger=1e-6).dial(peer, addrs[:3])
    assert transport.dialled == addrs[:3]


async def test_the_first_connection_wins_and_the_others_are_given_up(
    make_dialer: Any, transport: Any, fake_muxed: Any, peer: PeerId, addrs: Any
) -> None:
    given_up: list[Multiaddr] = []
    first = fake_muxed()

    async def waits() -> Any:
        try:
            await sleep_forever()
        finally:
            given_up.append(addrs[0])

    transport.on(addrs[0], waits)
    transport.on(addrs[1], connects(first))
    connected, _ = await make_dialer(dial_stagger=1e-6).dial(peer, addrs[:2])
    assert connected is first
    assert given_up == [addrs[0]]
    assert not first.closed


async def test_a_second_connection_that_comes_all_the_same_is_closed(
    make_dialer: Any, transport: Any, fake_muxed: Any, peer: PeerId, addrs: Any
) -> None:
    both = Event()
    made = [fake_muxed(), fake_muxed()]

    def outcome(n: int) -> Any:
        async def connect() -> Any:
            if n == 1:
                both.set()
            with CancelScope(shield=True):  # too far to be given up
                await both.wait()
            return made[n]

        return connect

    transport.on(addrs[0], outcome(0))
    transport.on(addrs[1], outcome(1))
    connected, _ = await make_dialer(dial_stagger=1e-6).dial(peer, addrs[:2])
    assert [muxed.closed for muxed in made] == [muxed is not connected for muxed in made]


async def test_being_cancelled_at_the_finish_leaks_no_connection(
    make_dialer: Any, transport: Any, fake_muxed: Any, peer: PeerId, addrs: Any
) -> None:
    muxed = fake_muxed()
    transport.on(addrs[0], hangs)

    async with create_task_group() as tasks:

        async def connects_and_is_cancelled() -> Any:
            tasks.cancel_scope.cancel()
            return muxed

        transport.on(addrs[1], connects_and_is_cancelled)
        await make_dialer(dial_stagger=1e-6).dial(peer, addrs[:2])
    assert muxed.closed


async def test_every_address_has_its_reason(make_dialer: Any, transport: Any, peer: PeerId, addrs: Any) -> None:
    transport.on(addrs[0], fails(ConnectionRefusedError(111, "Connection refused")))
    transport.on(addrs[1], hangs)
    nowhere = parse_text("/dns4/nowhere/tcp/1")
    unknown = parse_text("/ip4/10.0.0.9/udp/1/quic-v1")
    with pytest.raises(DialError) as caught:
        await make_dialer(dial_address_timeout=0.01).dial(peer, [*addrs[:2], nowhere, unknown])
    reasons = caught.value.reasons
    assert set(reasons) == {str(addr) for addr in (*addrs[:2], nowhere, unknown)}
    assert str(caught.value).splitlines()[0] == f"peer {peer} could not be reached:"
    assert "  /ip4/10.0.0.1/tcp/1: ConnectionRefusedError: [Errno 111] Connection refused" in str(caught.value)
    assert str(reasons[str(addrs[1])]) == "no connection within 0.01 s"
    assert "nowhere is unknown" in str(reasons[str(nowhere)])
    assert str(reasons[str(unknown)]) == f"no transport here dials {unknown}; transports: FakeTransport"


async def test_a_peer_that_takes_too_long_is_given_up(
    make_dialer: Any, transport: Any, peer: PeerId, addrs: Any
) -> None:
    for addr in addrs:
        transport.on(addr, hangs)
    dialer = make_dialer(dial_peer_timeout=0.02, dial_stagger=1e-6)
    with pytest.raises(DialError, match=r"could not be reached within 0\.02 s"):
        await dialer.dial(peer, addrs)


async def test_a_name_is_not_blamed_for_the_time_that_its_peer_has(
    make_dialer: Any, lookup: Any, peer: PeerId, addrs: Any
) -> None:
    async def never(*_: Any) -> Any:
        await sleep_forever()

    lookup.addresses = never
    dialer = make_dialer(dial_peer_timeout=0.02, dial_address_timeout=NEVER)
    with pytest.raises(DialError, match=r"could not be reached within 0\.02 s") as caught:
        await dialer.dial(peer, [parse_text("/dns4/example.com/tcp/1")])
    assert not caught.value.reasons


async def test_somebody_else_at_the_only_address_is_a_mismatch(
    make_dialer: Any, transport: Any, fake_muxed: Any, peer: PeerId, other: PeerId, addrs: Any
) -> None:
    muxed = fake_muxed(other)
    transport.on(addrs[0], connects(muxed))
    with pytest.raises(PeerIdMismatch) as caught:
        await make_dialer().dial(peer, [addrs[0]])
    assert (caught.value.expected, caught.value.actual) == (peer, other)
    assert muxed.closed


async def test_somebody_else_at_one_of_several_addresses_is_one_reason(
    make_dialer: Any, transport: Any, peer: PeerId, other: PeerId, addrs: Any
) -> None:
    transport.on(addrs[0], fails(PeerIdMismatch(peer, other)))
    transport.on(addrs[1], fails(ConnectionRefusedError()))
    with pytest.raises(DialError) as caught:
        await make_dialer().dial(peer, addrs[:2])
    assert isinstance(caught.value.reasons[str(addrs[0])], PeerIdMismatch)


async def test_an_address_of_another_peer_is_not_dialled(
    make_dialer: Any, transport: Any, peer: PeerId, other: PeerId, addrs: Any
) -> None:
    transport.on(addrs[0], hangs)
    with pytest.raises(PeerIdMismatch):
        await make_dialer().dial(peer, [with_peer(addrs[0], other)])
    assert transport.dialled == []


async def test_an_address_that_turns_out_to_be_ours_is_refused(
    make_dialer: Any, transport: Any, fake_muxed: Any, us: Any, addrs: Any
) -> None:
    muxed = fake_muxed(us.peer_id)
    transport.on(addrs[0], connects(muxed))
    with pytest.raises(LocalProtocolError, match="is an address of ourselves"):
        await make_dialer().dial(None, [addrs[0]])
    assert muxed.closed


async def test_no_transport_for_any_address_is_the_callers_mistake(make_dialer: Any, peer: PeerId) -> None:
    addrs = [parse_text("/ip4/1.1.1.1/udp/1/quic-v1"), parse_text("/unix/tmp/x")]
    with pytest.raises(LocalProtocolError, match=r"no transport here dials /unix/tmp/x; transports: FakeTransport"):
        await make_dialer().dial(peer, addrs)
    with pytest.raises(LocalProtocolError, match="no transport here dials"):
        await make_dialer().dial(peer, addrs[:1])


async def test_a_peer_without_addresses_says_what_to_do(make_dialer: Any, peer: PeerId) -> None:
    with pytest.raises(DialError, match=rf"no address of peer {peer} is known: connect to an address such as .*{peer}"):
        await make_dialer().dial(peer, [])


async def test_the_gater_is_asked_for_the_peer_and_each_resolved_address(
    make_dialer: Any, transport: Any, lookup: Any, peer: PeerId, addrs: Any
) -> None:
    class Strict(ConnectionGater):
        def allow_dial_addr(self, peer: PeerId | None, addr: Multiaddr) -> bool:
            asked.append(addr)
            return False

    class Hostile(ConnectionGater):
        def allow_dial_peer(self, peer: PeerId) -> bool:
            return False

    asked: list[Multiaddr] = []
    lookup.hosts["example.com"] = ["10.0.0.1"]
    transport.on(addrs[0], hangs)
    with pytest.raises(P2PError, match=r"the connection gater refuses to dial /ip4/10\.0\.0\.1/tcp/1"):
        await make_dialer(gater=Strict()).dial(peer, [parse_text("/dns/example.com/tcp/1")])
    assert asked == [addrs[0]]
    with pytest.raises(DialError, match="the connection gater refuses it"):
        await make_dialer(gater=Hostile()).dial(peer, addrs)
    assert transport.dialled == []


async def test_so_many_addresses_are_tried_and_no_more(
    make_dialer: Any, transport: Any, peer: PeerId, addrs: Any
) -> None:
    for addr in addrs:
        transport.on(addr, fails(ConnectionRefusedError()))
    with pytest.raises(DialError):
        await make_dialer(max_dial_addresses=2).dial(peer, addrs)
    assert transport.dialled == addrs[:2]


async def test_a_name_that_takes_too_long_keeps_nobody_from_the_other_addresses(
    make_dialer: Any, transport: Any, lookup: Any, fake_muxed: Any, peer: PeerId, addrs: Any
) -> None:
    async def never(name: str, family: object) -> Any:
        await sleep_forever()

    lookup.addresses = never
    transport.on(addrs[0], connects(fake_muxed()))
    slow = parse_text("/dns4/slow.example.com/tcp/1")
    await make_dialer(dial_address_timeout=0.01).dial(peer, [slow, addrs[0]])
    with pytest.raises(DialError) as caught:
        await make_dialer(dial_address_timeout=0.01).dial(peer, [slow])
    assert str(caught.value.reasons[str(slow)]) == "not resolved within 0.01 s"


async def test_a_cancelled_dial_ends_its_attempts(make_dialer: Any, transport: Any, peer: PeerId, addrs: Any) -> None:
    ended: list[Multiaddr] = []

    def waits(addr: Multiaddr) -> Any:
        async def outcome() -> Any:
            try:
                await sleep_forever()
            finally:
                ended.append(addr)

        return outcome

    for addr in addrs[:2]:
        transport.on(addr, waits(addr))
    dialer = make_dialer(dial_stagger=1e-6)
    async with create_task_group() as tasks:
        tasks.start_soon(dialer.dial, peer, addrs[:2])
        while len(transport.dialled) < 2:
            await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert sorted(map(str, ended)) == sorted(map(str, addrs[:2]))


def test_a_day_is_a_timeout_too(make_dialer: Any) -> None:
    make_dialer(dial_peer_timeout=math.inf)
