"""Events reach who asked for them, in order, and nobody waits for a slow listener."""

import pytest
from anyio import create_task_group, wait_all_tasks_blocked

from p2pstack.abc.events import Event, LimitHit, ListenerClosed, Listening
from p2pstack.errors import LocalProtocolError
from p2pstack.swarm.events import Bus


def hit(n: int) -> LimitHit:
    return LimitHit("test", n, n)


async def test_a_subscription_gets_its_kinds_in_order() -> None:
    bus = Bus()
    with bus.subscribe(LimitHit, Listening) as events:
        for event in (hit(1), ListenerClosed(()), Listening(()), hit(2)):
            bus.emit(event)
        assert [await anext(events) for _ in range(3)] == [hit(1), Listening(()), hit(2)]


async def test_a_subscription_to_the_root_gets_all() -> None:
    bus = Bus()
    with bus.subscribe(Event) as events, bus.subscribe() as all_events:
        bus.emit(hit(1))
        assert await anext(events) == await anext(all_events) == hit(1)


async def test_events_from_before_the_subscription_are_not_seen() -> None:
    bus = Bus()
    bus.emit(hit(1))
    with bus.subscribe(LimitHit) as events:
        bus.emit(hit(2))
        assert await anext(events) == hit(2)


async def test_a_waiting_subscriber_is_woken() -> None:
    bus = Bus()
    seen: list[LimitHit] = []
    with bus.subscribe(LimitHit) as events:

        async def listen() -> None:
            seen.append(await anext(events))

        async with create_task_group() as tasks:
            tasks.start_soon(listen)
            await wait_all_tasks_blocked()
            bus.emit(hit(1))
    assert seen == [hit(1)]


async def test_what_does_not_fit_is_dropped_and_counted() -> None:
    bus = Bus()
    with bus.subscribe(LimitHit, buffer=2) as events:
        for n in range(5):
            bus.emit(hit(n))
        assert events.dropped == 3
        assert [await anext(events), await anext(events)] == [hit(0), hit(1)]
        bus.emit(hit(9))
        assert await anext(events) == hit(9)


async def test_closing_the_bus_ends_subscriptions_behind_their_last_event() -> None:
    bus = Bus()
    events = bus.subscribe(LimitHit)
    waiting = bus.subscribe(Listening)
    ended: list[bool] = []

    async def wait() -> None:
        ended.append([event async for event in waiting] == [])

    async with create_task_group() as tasks:
        tasks.start_soon(wait)
        await wait_all_tasks_blocked()
        bus.emit(hit(1))
        bus.close()
    assert ended == [True]
    assert [event async for event in events] == [hit(1)]
    assert [event async for event in bus.subscribe(LimitHit)] == []


async def test_a_closed_subscription_hears_nothing_more() -> None:
    bus = Bus()
    with bus.subscribe(LimitHit) as events:
        events.close()
        events.close()
        bus.emit(hit(1))
        assert [event async for event in events] == []


def test_a_buffer_holds_at_least_one_event() -> None:
    with pytest.raises(LocalProtocolError, match="at least 1 event, not 0"):
        Bus().subscribe(LimitHit, buffer=0)
