"""Every test that awaits runs on asyncio, uvloop and trio."""

import gc
import os
import sys
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# The same examples each time. Set P2PSTACK_CHANCE to look for others, and for many more: a change that lands is not the
# one to meet them.
CHANCE = "P2PSTACK_CHANCE" in os.environ
settings.register_profile(
    "p2pstack",
    deadline=None,
    max_examples=1_000 if CHANCE else 60,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not CHANCE,
)
settings.load_profile("p2pstack")


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
        pytest.param(("trio", {}), id="trio"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def pytest_collection_finish() -> None:
    """What was imported and collected stays: let nobody look through it for what a test left behind."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Where counting lines doubles the time of a test, it counts on one event loop only: the lines are the same."""
    counting = _counting()
    if counting is None or not _is_repeated(item):
        return (yield)
    counting.stop()
    try:
        return (yield)
    finally:
        counting.start()


def _counting() -> Any:
    """What counts lines by a trace function: before Python 3.12 there is nothing else."""
    if sys.version_info >= (3, 12) or "coverage" not in sys.modules:
        return None
    return sys.modules["coverage"].Coverage.current()


def _is_repeated(item: pytest.Item) -> bool:
    """Whether it is one of those that run on asyncio too."""
    match getattr(item, "callspec", None) and item.callspec.params.get("anyio_backend"):
        case ("trio", _) | ("asyncio", {"use_uvloop": True}):
            return True
    return False
