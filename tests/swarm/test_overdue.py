"""Streams that take too long are reset, by one task, and those that do not are left alone."""

from typing import Any

from anyio import Event, create_task_group, wait_all_tasks_blocked

from p2pstack.swarm.overdue import OverdueStreams


class Stream:
    def __init__(self) -> None:
        self.was_reset = False
        self.reset_event = Event()

    def reset(self) -> None:
        self.was_reset = True
        self.reset_event.set()


async def test_a_stream_that_is_released_in_time_is_left_alone_and_another_is_reset() -> None:
    overdue = OverdueStreams(0.02)
    quick: Any = Stream()
    slow: Any = Stream()
    async with create_task_group() as tasks:
        tasks.start_soon(overdue.run)
        await wait_all_tasks_blocked()
        overdue.watch(quick)
        overdue.watch(slow)
        assert overdue.release(quick)
        assert not overdue.release(quick)
        await slow.reset_event.wait()
        assert not overdue.release(slow)
        tasks.cancel_scope.cancel()
    assert not quick.was_reset


async def test_it_goes_on_after_a_time_with_nothing_to_watch() -> None:
    overdue = OverdueStreams(0.01)
    async with create_task_group() as tasks:
        tasks.start_soon(overdue.run)
        for _ in range(3):
            stream: Any = Stream()
            await wait_all_tasks_blocked()
            overdue.watch(stream)
            await stream.reset_event.wait()
        tasks.cancel_scope.cancel()


async def test_a_stream_that_begins_later_falls_due_later() -> None:
    overdue = OverdueStreams(1_000)
    first: Any = Stream()
    second: Any = Stream()
    async with create_task_group() as tasks:
        overdue.watch(first)
        overdue.watch(second)
        overdue._due[first] = 0.0
        tasks.start_soon(overdue.run)
        await wait_all_tasks_blocked()
        assert (first.was_reset, second.was_reset) == (True, False)
        tasks.cancel_scope.cancel()
