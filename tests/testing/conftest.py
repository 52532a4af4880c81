"""Connected streams over real sockets."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from p2pstack.abc.bytestream import RawStream
from p2pstack.transports.tcp.stream import SocketStream


@pytest.fixture
def tcp_pair() -> Callable[[], Any]:
    @asynccontextmanager
    async def pair() -> AsyncIterator[tuple[RawStream, RawStream]]:
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
        one, other = SocketStream(ours), SocketStream(theirs)
        try:
            yield one, other
        finally:
            await one.aclose()
            await other.aclose()

    return pair
