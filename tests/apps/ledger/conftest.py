"""A ledger to try things on, anew for each test."""

import pytest

from .scene import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()
