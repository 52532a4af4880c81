"""Functions that the event loop calls later, outside of any task."""

import math
from weakref import ref

from anyio import Event, current_time, fail_after, get_running_tasks, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from p2pstack.streams.soon import soon_on_this_loop


class Calls(list[str]):
    """What was called, and somebody who waits for so many."""

    def __init__(self) -> None:
        self._wanted, self._event = 0, Event()

    def add(self, name: str) -> None:
        self.append(name)
        if len(self) >= self._wanted:
            self._event.set()

    async def reach(self, number: int) -> None:
        self._wanted, self._event = number, Event()
        with fail_after(10):
            while len(self) < number:
                await self._event.wait()


async def test_calls_in_order_and_not_at_once() -> None:
    soon, calls = soon_on_this_loop(), Calls()
    soon.call(lambda: calls.add("first"))
    soon.call(lambda: calls.add("second"))
    assert calls == []
    await calls.reach(2)
    assert calls == ["first", "second"]
    soon.release()


async def test_what_a_call_asks_for_comes_later_and_others_run_meanwhile() -> None:
    soon, calls = soon_on_this_loop(), Calls()

    def again() -> None:
        calls.add("call")
        if len(calls) < 1_000:
            soon.call(again)

    soon.call(again)
    for _ in range(5):
        await checkpoint()
    assert len(calls) < 100
    await calls.reach(1_000)
    soon.release()


async def test_timers_fire_in_the_order_of_their_times_and_not_before() -> None:
    soon, calls = soon_on_this_loop(), Calls()
    now = current_time()
    far = soon.at(now + 1_000, lambda: calls.add("far"))
    late = soon.at(now + 0.06, lambda: calls.add("late"))
    never = soon.at(now + 0.01, lambda: calls.add("never"))
    soon.at(now + 0.03, lambda: calls.add("early"))
    soon.at(now, lambda: calls.add("at once"))
    never.cancel()
    await calls.reach(3)
    assert calls == ["at once", "early", "late"]
    for timer in (far, late, never):
        timer.cancel()
    soon.release()


async def test_a_timer_sooner_than_the_one_waited_for_is_in_time() -> None:
    soon, calls = soon_on_this_loop(), Calls()
    far = soon.at(current_time() + 1_000, lambda: calls.add("far"))
    await wait_all_tasks_blocked()
    soon.at(current_time() + 0.01, lambda: calls.add("near"))
    await calls.reach(1)
    assert calls == ["near"]
    far.cancel()
    soon.release()


async def test_a_call_may_set_a_timer_and_a_timer_may_call() -> None:
    soon, calls = soon_on_this_loop(), Calls()
    soon.call(lambda: soon.at(current_time(), lambda: soon.call(lambda: calls.add("done"))) and None)
    await calls.reach(1)
    soon.release()


async def test_many_users_take_one_task_at_most_which_ends_with_the_last() -> None:
    before = len(get_running_tasks())
    for _ in range(3):
        users = [soon_on_this_loop() for _ in range(100)]
        timers = [user.at(current_time() + 1_000, list) for user in users]
        await wait_all_tasks_blocked()
        assert len(get_running_tasks()) <= before + 1
        for timer, user in zip(timers, users, strict=True):
            timer.cancel()
            user.release()
        await wait_all_tasks_blocked()
        assert len(get_running_tasks()) == before


async def test_a_user_that_comes_as_the_last_one_goes_is_served() -> None:
    calls = Calls()
    first = soon_on_this_loop()
    await wait_all_tasks_blocked()
    first.release()
    second = soon_on_this_loop()
    second.call(lambda: calls.add("second"))
    await calls.reach(1)
    assert calls == ["second"]
    second.release()


async def test_what_the_last_user_asked_for_is_done_though_it_has_gone() -> None:
    calls = Calls()
    soon = soon_on_this_loop()
    soon.call(lambda: calls.add("call"))
    soon.release()
    await calls.reach(1)
    assert calls == ["call"]


async def test_nothing_is_kept_of_what_was_called() -> None:
    class Connection:
        def nudge(self) -> None:
            calls.add("nudge")

    calls, connection, soon = Calls(), Connection(), soon_on_this_loop()
    gone = ref(connection)
    soon.call(connection.nudge)
    soon.at(current_time(), connection.nudge)
    soon.at(current_time() + 1_000, connection.nudge).cancel()
    await calls.reach(2)
    await wait_all_tasks_blocked()
    del connection
    assert gone() is None
    soon.release()


async def test_a_timer_that_is_never_due_is_none() -> None:
    soon = soon_on_this_loop()
    for _ in range(10):
        soon.at(math.inf, list)
    await wait_all_tasks_blocked()
    soon.release()
