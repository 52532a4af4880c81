"""Every test that awaits runs on asyncio, uvloop and trio."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("p2pstack", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
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
