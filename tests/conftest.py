"""Every test that awaits runs on asyncio, uvloop and trio."""

import gc
import os
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
