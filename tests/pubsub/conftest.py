"""Hosts that publish and subscribe, in a network of the test's own."""

from collections.abc import Callable
from typing import Any

import pytest

from p2pstack import Host, Memory, MemoryNetwork, Tcp


@pytest.fixture
def new_host() -> Callable[..., Host]:
    network = MemoryNetwork()

    def make(number: int | None = None, *services: Any, **kwargs: Any) -> Host:
        """A host with these services, listening on `/memory/<number>` if there is one."""
        kwargs.setdefault("transports", [Memory(network=network), Tcp()])
        return Host(listen=[] if number is None else [f"/memory/{number}"], services=services, **kwargs)

    return make
