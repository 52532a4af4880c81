"""trio in virtual time: its own clock for tests, and its own order of tasks with a seed."""

# ruff: noqa: SLF001 - trio's switch for this has no public name

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from trio.testing import MockClock

__all__ = ["trio_options"]


@contextmanager
def trio_options(*, seed: int, start: float) -> Generator[dict[str, Any]]:
    """What `anyio.run` is to give to trio. Inside, tasks that are ready together run in an order made from the seed:
    without that trio takes them in one that is new each time, on purpose."""
    core: Any = import_module("trio._core._run")
    before, random = core._ALLOW_DETERMINISTIC_SCHEDULING, core._r.getstate()
    core._ALLOW_DETERMINISTIC_SCHEDULING = True
    core._r.seed(seed)
    clock = MockClock(autojump_threshold=0)
    if start:
        clock.jump(start)
    try:
        yield {"clock": clock}
    finally:
        core._ALLOW_DETERMINISTIC_SCHEDULING = before
        core._r.setstate(random)
