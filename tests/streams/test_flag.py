"""A flag: set once, waited for once."""

import pytest
from anyio import create_task_group, fail_after, move_on_after, wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from p2pstack.streams.flag import Flag, flags_of_this_loop


async def test_who_waits_goes_on_when_it_is_set() -> None:
    flag = flags_of_this_loop()()
    done: list[str] = []

    async def wait() -> None:
        await flag.wait()
        done.append("went on")

    async with create_task_group() as tasks:
        tasks.start_soon(wait)
        await wait_all_tasks_blocked()
        assert not done
        flag.set()
        flag.set()
    assert done == ["went on"]


async def test_what_is_set_before_is_not_waited_for() -> None:
    flag = flags_of_this_loop()()
    flag.set()
    with fail_after(5):
        await flag.wait()


@pytest.mark.parametrize("order", ["cancelled", "cancelled, then set", "set, then cancelled"])
async def test_who_waits_can_be_cancelled(order: str) -> None:
    new_flag = flags_of_this_loop()
    flag = new_flag()
    ended: list[str] = []

    async def wait(flag: Flag) -> None:
        try:
            await flag.wait()
            await checkpoint()
        finally:
            ended.append("ended")

    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(wait, flag)
            await wait_all_tasks_blocked()
            for step in order.split(", then "):
                if step == "set":
                    flag.set()
                else:
                    tasks.cancel_scope.cancel()
    assert ended == ["ended"]


async def test_a_deadline_ends_the_wait() -> None:
    with move_on_after(0.01) as scope:
        await flags_of_this_loop()().wait()
    assert scope.cancelled_caught
