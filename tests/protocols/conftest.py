"""Hosts that reach each other in a network of the test's own."""

from collections.abc import Callable
from typing import Any

import pytest

from p2pstack import Host, Memory, MemoryNetwork, Tcp


@pytest.fixture
def new_host() -> Callable[..., Host]:
    network = MemoryNetwork()

    def make(number: int | None = None, **kwargs: Any) -> Host:
        """A host, listening on `/memory/<number>` if there is one."""
        kwargs.setdefault("transports", [Memory(network=network), Tcp()])
        return Host(listen=[] if number is None else [f"/memory/{number}"], **kwargs)

    return make
