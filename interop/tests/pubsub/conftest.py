"""Nodes of gossipsub: processes of the other implementations, and ours in the test's own process, all used alike."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

import pytest

from .nodes import Start, nodes_of


@pytest.fixture
async def start(programs: Mapping[str, Sequence[str]], tmp_path: Path) -> AsyncGenerator[Start]:
    """Starts nodes, which end with the test."""
    async with nodes_of(programs, tmp_path) as start:
        yield start
