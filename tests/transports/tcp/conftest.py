"""Sockets at both ends, and an upgrader that does not upgrade."""

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio import fail_after

from p2pstack.abc.upgrader import Upgrader
from p2pstack.transports.tcp.stream import SocketStream, connect


class NoUpgrade(Upgrader):
    """Hands the raw stream on, as if it were a connection; or fails."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.peers: list[Any] = []

    async def upgrade_outbound(self, stream: Any, *, peer: Any) -> Any:
        self.peers.append(peer)
        return await self.upgrade_inbound(stream)

    async def upgrade_inbound(self, stream: Any) -> Any:
        if self.failure is not None:
            await stream.aclose()
            raise self.failure
        return stream


@pytest.fixture
def upgrader() -> NoUpgrade:
    return NoUpgrade()


@asynccontextmanager
async def _streams() -> AsyncIterator[tuple[SocketStream, SocketStream]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = await connect(socket.AF_INET, server.getsockname())
        accepted, _ = server.accept()
    accepted.setblocking(False)
    theirs = SocketStream(accepted)
    try:
        yield ours, theirs
    finally:
        await ours.aclose()
        await theirs.aclose()


@pytest.fixture
def streams() -> Any:
    """streams(): both ends of a TCP connection over loopback."""
    return _streams


async def _until(condition: Callable[[], bool]) -> None:
    with fail_after(20):
        while not condition():
            await anyio.lowlevel.checkpoint()


@pytest.fixture
def until() -> Any:
    """until(condition): let the event loop turn until it is so."""
    return _until


@pytest.fixture
def open_files() -> Callable[[], int]:
    """open_files(): how many file descriptors this process has."""
    return lambda: len(os.listdir("/proc/self/fd"))
