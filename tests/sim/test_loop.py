"""The event loop in virtual time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio import to_thread

from p2pstack.errors import LocalProtocolError
from p2pstack.sim import Deadlock, VirtualTimeLoop, run

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@BACKENDS
def test_an_hour_takes_no_time(backend: Any) -> None:
    async def main() -> float:
        await anyio.sleep(3_600)
        return anyio.current_time()

    began = time.perf_counter()
    assert run(main, backend=backend) == pytest.approx(3_600)
    assert time.perf_counter() - began < 5


@BACKENDS
def test_the_clock_begins_where_it_is_told(backend: Any) -> None:
    async def main(number: int) -> tuple[int, float]:
        return number, anyio.current_time()

    assert run(main, 7, backend=backend, start=50.0) == (7, pytest.approx(50))


def test_there_are_two_backends() -> None:
    async def main() -> None: ...

    with pytest.raises(LocalProtocolError, match="uvloop"):
        run(main, backend="uvloop")  # type: ignore[arg-type]


def test_equal_deadlines_are_due_in_the_order_they_were_set() -> None:
    async def main() -> list[int]:
        order: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(50):
            loop.call_at(1.0, order.append, number)
        await anyio.sleep(2)
        return order

    assert run(main) == list(range(50))


def test_timers_that_are_called_off_do_not_ring_and_leave_nothing() -> None:
    async def main() -> tuple[list[int], int]:
        rang: list[int] = []
        loop = asyncio.get_running_loop()
        handles = [loop.call_later(1 + number % 7, rang.append, number) for number in range(5_000)]
        for handle in handles[10:]:
            handle.cancel()
        left = len(loop._timers)  # type: ignore[attr-defined]
        await anyio.sleep(10)
        handles[0].cancel()  # rang already
        return sorted(rang), left

    rang, left = run(main)
    assert rang == list(range(10))
    assert left < 2_500


@BACKENDS
def test_everything_that_waits_for_ever_is_named(backend: Any) -> None:
    async def wait_for(event: anyio.Event) -> None:
        await event.wait()

    async def main() -> None:
        await anyio.sleep(3)
        async with anyio.create_task_group() as tasks:
            for number in range(7):
                tasks.start_soon(wait_for, anyio.Event(), name=f"waiter {number}")

    with pytest.raises(Deadlock) as caught:
        run(main, backend=backend)
    text = str(caught.value)
    assert "at 3 s" in text
    assert "waiter 0" in text
    assert "and 2 more" in text
    assert "test_loop.py" in text
    assert len(text.splitlines()) == 3, "nothing but what is waited for, and the main task: no machinery"


def test_who_turns_round_and_round_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pstack.sim.loop._ENDLESS", 1_000)

    async def main() -> None:
        while True:  # noqa: ASYNC110
            await asyncio.sleep(0)

    with pytest.raises(Deadlock, match="never waits"):
        run(main)


def test_what_a_callback_raises_is_reported_and_the_loop_goes_on() -> None:
    async def main() -> list[str]:
        reports: list[str] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: reports.append(repr(context["exception"])))
        loop.call_soon(lambda: 1 // 0)
        loop.call_surely_at(1.0, lambda: {}["missing"], _context())  # type: ignore[attr-defined]
        await anyio.sleep(2)
        return reports

    reports = run(main)
    assert "ZeroDivisionError" in reports[0]
    assert "KeyError" in reports[1]


def _context() -> Any:
    from contextvars import copy_context

    return copy_context()


def test_a_closed_loop_takes_no_timers() -> None:
    loop = VirtualTimeLoop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_later(1, print)


def test_what_a_thread_would_do_is_done_there_and_then() -> None:
    async def main() -> tuple[int, float]:
        return await to_thread.run_sync(lambda: 7), anyio.current_time()

    assert run(main) == (7, 0.0)


def test_what_an_executor_would_do_is_done_there_and_then() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(None, lambda: 1 // 0)
        return [await loop.run_in_executor(None, max, 1, 2), len(await anyio.getaddrinfo("127.0.0.1", 1))]

    most, found = run(main)
    assert most == 2
    assert found >= 1


async def cancelled_in_order(make: Callable[[list[int], int], Awaitable[None]]) -> list[int]:
    order: list[int] = []
    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(make, order, number)
        await anyio.sleep(1)
        tasks.cancel_scope.cancel()
    return order


def test_tasks_are_cancelled_in_the_order_they_began() -> None:
    async def waiter(order: list[int], number: int) -> None:
        with anyio.CancelScope():
            try:
                await anyio.sleep_forever()
            finally:
                order.append(number)

    assert run(cancelled_in_order, waiter) == list(range(100))


def test_events_wake_all_who_wait_and_none_twice() -> None:
    async def main() -> list[int]:
        event, woken = anyio.Event(), []

        async def wait(number: int) -> None:
            await event.wait()
            woken.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(wait, number)
            await anyio.sleep(1)
            assert event.statistics().tasks_waiting == 3
            with anyio.move_on_after(1):
                await anyio.Event().wait()
            assert not event.is_set()
            event.set()
            event.set()
        await event.wait()
        assert event.is_set()
        return woken

    assert run(main) == [0, 1, 2]


def test_what_was_changed_in_anyio_is_put_back() -> None:
    from anyio._backends import _asyncio as backend

    async def main() -> bool:
        return backend.CancelScope.__name__ == "_OrderedCancelScope"

    before = backend.CancelScope, backend.AsyncIOBackend.__dict__["create_event"]
    assert run(main)
    assert before == (backend.CancelScope, backend.AsyncIOBackend.__dict__["create_event"])


def test_the_order_of_trio_follows_from_the_seed() -> None:
    async def main() -> list[int]:
        order: list[int] = []

        async def note(number: int) -> None:
            await anyio.sleep(1)
            order.append(number)

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(note, number)
        return order

    orders = [run(main, backend="trio", seed=seed) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
