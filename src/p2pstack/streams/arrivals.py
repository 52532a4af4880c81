"""Connections that are made in this process: they wait, as in a kernel's backlog, until somebody accepts them."""

from abc import abstractmethod
from collections import deque

from anyio import ClosedResourceError, Event
from anyio.lowlevel import checkpoint

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.muxer import MuxedConnection
from p2pstack.abc.transport import Arrival, Endpoints, Listener
from p2pstack.abc.upgrader import Upgrader

__all__ = ["Backlog", "LocalStream"]


class LocalStream(RawStream):
    """One end of what was made."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """End it without waiting."""


class _Arrival(Arrival):
    __slots__ = ("_endpoints", "_remote_ip", "_stream", "_upgrader")

    def __init__(self, stream: LocalStream, endpoints: Endpoints, upgrader: Upgrader, remote_ip: str | None) -> None:
        self._stream = stream
        self._endpoints = endpoints
        self._upgrader = upgrader
        self._remote_ip = remote_ip

    @property
    def endpoints(self) -> Endpoints:
        return self._endpoints

    @property
    def remote_ip(self) -> str | None:
        return self._remote_ip

    async def upgrade(self) -> MuxedConnection:
        return await self._upgrader.upgrade_inbound(self._stream)

    def abort(self) -> None:
        self._stream.close()


class Backlog(Listener):
    """A listener for ends of streams that are put into it.

    :param size: how many may wait to be accepted
    """

    def __init__(self, upgrader: Upgrader, *, size: int) -> None:
        self._upgrader = upgrader
        self._size = size
        self._waiting: deque[_Arrival] = deque()
        self._arrived: Event | None = None
        self._closed = False

    @abstractmethod
    def leave(self) -> None:
        """See to it that nothing is put here any more."""

    @property
    def full(self) -> bool:
        """Whether nothing more may arrive before something is accepted."""
        return len(self._waiting) >= self._size

    def put(self, stream: LocalStream, endpoints: Endpoints, remote_ip: str | None = None) -> bool:
        """Somebody connected; False, and nothing done, where too many wait."""
        if self.full:
            return False
        self._waiting.append(_Arrival(stream, endpoints, self._upgrader, remote_ip))
        self._wake()
        return True

    async def accept(self) -> Arrival:
        await checkpoint()
        while not self._waiting:
            if self._closed:
                raise ClosedResourceError
            self._arrived = Event()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self.leave()
            while self._waiting:
                self._waiting.popleft().abort()
            self._wake()
        await checkpoint()

    def _wake(self) -> None:
        if self._arrived is not None:
            self._arrived.set()
