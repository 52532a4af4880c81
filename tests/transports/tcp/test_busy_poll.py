"""When a connection stays awake for an answer, and when it sleeps."""

import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import pytest
from anyio import ClosedResourceError, EndOfStream, create_task_group, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from p2pstack import LocalProtocolError, Tcp
from p2pstack.transports.tcp import stream as stream_module
from p2pstack.transports.tcp.busy_poll import BusyPoll, Upgrades
from p2pstack.transports.tcp.stream import SocketStream

PATIENCE = 0.001

Streams: TypeAlias = Callable[[], AbstractAsyncContextManager[tuple[SocketStream, SocketStream]]]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def poll(clock: Clock) -> BusyPoll:
    return BusyPoll(PATIENCE, clock)


def answer(poll: BusyPoll, clock: Clock, after: float, size: int = 32) -> bool:
    """Send, and have an answer some time later. Whether the connection stays awake then."""
    poll.sent(size)
    clock.now += after
    return poll.received(size)


def in_vain(poll: BusyPoll, clock: Clock) -> None:
    """Wait awake for what does not come."""
    assert poll.goes_on()
    clock.now += 2 * PATIENCE
    assert not poll.goes_on()
    assert not poll.awake


def test_sleeps_before_anything_was_answered(poll: BusyPoll) -> None:
    poll.sent(32)
    assert not poll.goes_on()


def test_stays_awake_after_an_answer_that_came_soon(poll: BusyPoll, clock: Clock) -> None:
    assert answer(poll, clock, PATIENCE / 2)
    assert poll.goes_on()


def test_sleeps_after_an_answer_that_took_its_time(poll: BusyPoll, clock: Clock) -> None:
    assert not answer(poll, clock, 3 * PATIENCE)
    assert not poll.goes_on()


def test_what_is_sent_meanwhile_prolongs_it(poll: BusyPoll, clock: Clock) -> None:
    answer(poll, clock, PATIENCE / 2)
    clock.now += PATIENCE * 0.9
    poll.sent(32)
    clock.now += PATIENCE * 0.9
    assert poll.goes_on()
    clock.now += PATIENCE * 0.2
    assert not poll.goes_on()


def test_what_is_sent_does_not_wake_who_sleeps(poll: BusyPoll, clock: Clock) -> None:
    answer(poll, clock, PATIENCE / 2)
    in_vain(poll, clock)
    poll.sent(32)
    assert not poll.goes_on()


@pytest.mark.parametrize("large", [4_097, 131_072])
def test_transfers_sleep(poll: BusyPoll, clock: Clock, large: int) -> None:
    assert not answer(poll, clock, PATIENCE / 10, size=large)
    answer(poll, clock, PATIENCE / 10)
    poll.sent(large)
    assert not poll.goes_on()


def test_attempts_in_vain_become_rare(poll: BusyPoll, clock: Clock) -> None:
    gaps: list[int] = []
    skipped = 0
    for _ in range(400):
        if answer(poll, clock, PATIENCE / 2):
            gaps.append(skipped)
            skipped = 0
            in_vain(poll, clock)
        else:
            skipped += 1
        clock.now += 10 * PATIENCE
    assert gaps[:9] == [0, 1, 2, 4, 8, 16, 32, 64, 64]


def test_one_success_makes_up_for_all(poll: BusyPoll, clock: Clock) -> None:
    answer(poll, clock, PATIENCE / 2)
    in_vain(poll, clock)
    assert [answer(poll, clock, PATIENCE / 2) for _ in range(2)] == [False, True]
    in_vain(poll, clock)
    assert [answer(poll, clock, PATIENCE / 2) for _ in range(4)] == [False, False, True, True]
    in_vain(poll, clock)
    assert [answer(poll, clock, PATIENCE / 2) for _ in range(2)] == [False, True]


def test_no_patience_is_no_polling(clock: Clock) -> None:
    poll = BusyPoll(0.0, clock)
    assert not answer(poll, clock, 0.0)
    assert not poll.goes_on()


def test_an_upgrade_with_a_peer_that_is_near_stays_awake_whatever_moves(poll: BusyPoll, clock: Clock) -> None:
    poll.upgrade_begins(Upgrades())
    assert poll.awake
    assert answer(poll, clock, 4 * PATIENCE, size=9_000)
    poll.sent(9_000)
    clock.now += 4 * PATIENCE
    assert poll.goes_on()
    clock.now += 4 * PATIENCE
    assert not poll.goes_on()


def test_of_many_upgrades_the_latest_stays_awake(clock: Clock) -> None:
    upgrades = Upgrades()
    polls = [BusyPoll(PATIENCE, clock) for _ in range(3)]
    for poll in polls:
        poll.upgrade_begins(upgrades)
        assert poll.goes_on()
    assert [poll.goes_on() for poll in polls] == [False, False, True]
    assert not polls[0].awake


def test_upgrades_in_vain_become_rare_until_one_is_not(clock: Clock) -> None:
    upgrades = Upgrades()

    def begin() -> BusyPoll:
        clock.now += 1.0
        poll = BusyPoll(PATIENCE, clock)
        poll.upgrade_begins(upgrades)
        return poll

    def silent() -> bool:
        poll = begin()
        awake = poll.awake
        clock.now += 11 * PATIENCE
        assert not poll.goes_on()
        return awake

    awake = [silent() for _ in range(300)]
    assert [number for number, was in enumerate(awake) if was] == [0, 2, 5, 10, 19, 36, 69, 134, 199, 264]
    poll = begin()
    clock.now += 2 * PATIENCE
    assert not poll.received(100)  # asleep, but it would have been worth while
    assert begin().awake


def test_what_follows_an_upgrade_is_a_dialogue_like_any_other(poll: BusyPoll, clock: Clock) -> None:
    poll.upgrade_begins(Upgrades())
    clock.now += 20 * PATIENCE
    assert not poll.goes_on()
    poll.upgrade_over()
    assert not poll.awake
    assert answer(poll, clock, PATIENCE / 2)  # the upgrade took too long, for which no attempt is skipped
    in_vain(poll, clock)


def test_no_patience_is_no_polling_in_an_upgrade_either(clock: Clock) -> None:
    poll = BusyPoll(0.0, clock)
    poll.upgrade_begins(Upgrades())
    assert not poll.awake
    poll.upgrade_over()
    assert not poll.goes_on()


async def test_a_peer_of_this_machine_is_near(streams: Streams) -> None:
    async with streams() as (ours, theirs):
        assert theirs._poll.awake  # made last
        assert not ours._poll.goes_on()
        async with create_task_group() as tasks:
            tasks.start_soon(theirs.pump, lambda _: True)
            await wait_all_tasks_blocked()
            assert not theirs._poll.awake
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("why", ["the kernel does not say", "it is far", "the system is another"])
async def test_a_peer_that_is_not_known_to_be_near_is_not_waited_for_awake(
    streams: Streams, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    async with streams() as (ours, _theirs):
        sock = ours._socket
        if why == "the system is another":
            monkeypatch.setattr("sys.platform", "darwin")
        elif why == "it is far":
            monkeypatch.setattr(stream_module, "_round_trip", lambda sock: 0.02)
        else:
            sock, peer = socket.socketpair()
            peer.close()
            sock.setblocking(False)
        stream = SocketStream(sock)
        assert not stream._poll.awake
        if sock is not ours._socket:
            await stream.aclose()


@pytest.mark.parametrize("seconds", [-0.001, 0.5])
def test_a_patience_that_would_burn_the_processor_is_refused(seconds: float) -> None:
    with pytest.raises(LocalProtocolError, match="busy_poll"):
        Tcp(busy_poll=seconds)


def never_tired(stream: SocketStream) -> None:
    """Time stands still: whatever the stream does, it stays awake."""
    stream._poll = BusyPoll(1.0, lambda: 0.0)


async def test_a_dialogue_of_two_that_stay_awake(streams: Streams) -> None:
    async with streams() as (ours, theirs):
        never_tired(ours)
        never_tired(theirs)
        async with create_task_group() as tasks:
            tasks.start_soon(echo, theirs)
            for number in range(50):
                message = b"%d" % number
                await ours.send(message)
                assert bytes(await ours.receive_view()) == message
                assert ours._poll.awake
            await ours.send_eof()
        with pytest.raises(EndOfStream):
            await ours.receive()


async def echo(stream: SocketStream) -> None:
    """Answer by the pump, which calls back where the event loop can."""

    def take(view: memoryview) -> bool:
        assert stream.send_nowait(view) == len(view)
        return True

    with pytest.raises(EndOfStream):
        await stream.pump(take)
    await stream.send_eof()


@pytest.mark.parametrize("how", ["pump", "receive_view", "receive"])
async def test_who_stays_awake_can_be_cancelled(streams: Streams, how: str) -> None:
    async with streams() as (ours, theirs):
        await wake(ours, theirs)
        async with create_task_group() as tasks:
            tasks.start_soon(wait, ours, how)
            for _ in range(10):
                await checkpoint()
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("how", ["pump", "receive_view", "receive"])
async def test_who_stays_awake_is_told_when_the_stream_is_closed(streams: Streams, how: str) -> None:
    async with streams() as (ours, theirs):
        await wake(ours, theirs)
        async with create_task_group() as tasks:
            tasks.start_soon(told, ours, how)
            for _ in range(10):
                await checkpoint()
            await ours.aclose()


async def wake(stream: SocketStream, peer: SocketStream) -> None:
    """Have `stream` receive something, and never tire of waiting for more."""
    never_tired(stream)
    await stream.send(b"ping")
    await peer.send(await peer.receive())
    assert await stream.receive() == b"ping"
    assert stream._poll.awake


async def wait(stream: SocketStream, how: str) -> None:
    await (stream.pump(lambda view: True) if how == "pump" else getattr(stream, how)())


async def told(stream: SocketStream, how: str) -> None:
    with pytest.raises(ClosedResourceError):
        await wait(stream, how)
