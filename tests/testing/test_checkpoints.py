"""Calls are cancelled at the checkpoint that is named, on every event loop."""

from typing import Any

import pytest
from anyio import Event, create_task_group, sleep
from anyio.lowlevel import checkpoint

from p2pstack import LocalProtocolError
from p2pstack.testing import Interruption, at_every_checkpoint


async def steps(done: list[int], count: int = 3) -> str:
    for number in range(count):
        await checkpoint()
        done.append(number)
    return "done"


async def test_a_call_that_is_not_cancelled_returns_its_result() -> None:
    interruption = Interruption[str](None)
    assert await interruption.call(steps, []) == "done"
    assert interruption.passed >= 3
    assert not interruption.struck
    assert interruption.at is None


async def test_a_call_is_cancelled_at_each_of_its_checkpoints() -> None:
    seen: list[int] = []

    async def scenario(interruption: Interruption[Any]) -> None:
        done: list[int] = []
        result = await interruption.call(steps, done)
        assert (result is None) == interruption.struck
        seen.append(len(done))

    checkpoints = await at_every_checkpoint(scenario)
    assert checkpoints >= 3
    assert len(seen) == checkpoints + 2
    assert seen[:2] == [0, 0]
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2, 3}


async def test_what_waits_for_others_is_cancelled_too() -> None:
    interruption = Interruption[None](1)
    async with create_task_group() as tasks:
        tasks.start_soon(sleep, 0)
        await interruption.call(Event().wait)
    assert interruption.struck


async def test_what_a_call_raises_comes_out() -> None:
    async def fail() -> None:
        await checkpoint()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await Interruption[None](None).call(fail)


async def test_a_scenario_that_fails_says_at_which_checkpoint() -> None:
    async def scenario(interruption: Interruption[Any]) -> None:
        await interruption.call(steps, [])
        assert interruption.at != 2

    with pytest.raises(AssertionError) as failure:
        await at_every_checkpoint(scenario)
    assert failure.value.__notes__ == ["cancelled at checkpoint 2"]


def test_checkpoints_are_counted_from_nought() -> None:
    with pytest.raises(LocalProtocolError, match="expected the number of a checkpoint, got -1"):
        Interruption(-1)
