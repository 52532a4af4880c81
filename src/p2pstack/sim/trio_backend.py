"""trio in virtual time: its own clock for tests, and its own order of tasks with a seed."""
# ruff: noqa: SLF001 - trio's switches for this have no public names

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from math import inf
from typing import Any

from trio.testing import MockClock

from p2pstack.sim.lean import collect_seldom
from p2pstack.sim.waiting import Deadlock, describe_tasks

__all__ = ["trio_options"]


def _with_children(task: Any) -> Iterator[Any]:
    """A task, and all that were begun by it or by those."""
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _with_children(child)


@contextmanager
def trio_options(*, seed: int, start: float) -> Generator[dict[str, Any]]:
    """What `anyio.run` is to give to trio. Inside, tasks that are ready together run in an order made from the seed:
    without that trio takes them in one that is new each time, on purpose.

    :raises Deadlock: everything waits, and there is no timer
    """
    core: Any = import_module("trio._core._run")
    before, random = core._ALLOW_DETERMINISTIC_SCHEDULING, core._r.getstate()
    core._ALLOW_DETERMINISTIC_SCHEDULING = True
    core._r.seed(seed)
    clock: Any = MockClock(autojump_threshold=0)
    if start:
        clock.jump(start)
    jump = clock._autojump
    deadlock: Deadlock | None = None

    def jump_if_there_is_a_timer() -> None:
        nonlocal deadlock
        runner = core.GLOBAL_RUN_CONTEXT.runner
        if runner.deadlines.next_deadline() < inf:
            jump()
        elif deadlock is None and runner.main_task is not None:
            waiting = [(task.name, task.coro) for task in _with_children(runner.main_task)]
            deadlock = Deadlock(f"nothing is left to happen at {clock.current_time():g} s\n{describe_tasks(waiting)}")
            runner.main_task.parent_nursery.cancel_scope.cancel()

    clock._autojump = jump_if_there_is_a_timer
    try:
        with collect_seldom():
            yield {"clock": clock}
    except BaseException:
        if deadlock is None:
            raise
        raise deadlock from None
    finally:
        core._ALLOW_DETERMINISTIC_SCHEDULING = before
        core._r.setstate(random)
