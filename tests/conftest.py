"""Every test that awaits runs on asyncio, uvloop and trio."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# The same examples each time. Set P2PSTACK_CHANCE to look for others: a change that lands is not the one to meet them.
settings.register_profile(
    "p2pstack",
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="P2PSTACK_CHANCE" not in os.environ,
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
