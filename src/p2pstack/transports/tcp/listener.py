"""The accept loop of TCP."""

import errno
import socket
from collections.abc import Sequence
from typing import Any

from anyio import ClosedResourceError, notify_closing, sleep, wait_readable
from anyio.lowlevel import checkpoint
from multiaddr import Multiaddr

from p2pstack.abc.muxer import MuxedConnection
from p2pstack.abc.transport import Arrival, Endpoints, Listener
from p2pstack.abc.upgrader import Upgrader
from p2pstack.transports.tcp.address import real_addresses, to_multiaddr
from p2pstack.transports.tcp.stream import BUSY_POLL, SocketStream

__all__ = ["TcpArrival", "TcpListener"]

#: The machine is out of something; connections wait in the kernel's backlog meanwhile.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
#: One connection died before it was accepted (accept(2), "Error handling"); the next one may be fine.
_PASSING = {
    errno.ECONNABORTED,
    errno.EPERM,
    errno.EPROTO,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENONET,
    errno.EOPNOTSUPP,
    errno.ENOPROTOOPT,
}
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 1.0


class TcpArrival(Arrival):
    """An accepted socket that nothing has been read from."""

    __slots__ = ("_address", "_busy_poll", "_endpoints", "_socket", "_upgrader")

    def __init__(
        self, sock: socket.socket, address: tuple[Any, ...], upgrader: Upgrader, *, busy_poll: float = BUSY_POLL
    ) -> None:
        self._socket = sock
        self._busy_poll = busy_poll
        self._address = address
        self._upgrader = upgrader
        self._endpoints: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        if self._endpoints is None:
            self._endpoints = Endpoints(to_multiaddr(self._socket.getsockname()), to_multiaddr(self._address))
        return self._endpoints

    @property
    def remote_ip(self) -> str:
        return str(self._address[0]).partition("%")[0].removeprefix("::ffff:")

    async def upgrade(self) -> MuxedConnection:
        return await self._upgrader.upgrade_inbound(SocketStream(self._socket, busy_poll=self._busy_poll))

    def abort(self) -> None:
        self._socket.close()


class TcpListener(Listener):
    """Owns a listening, non-blocking socket."""

    def __init__(self, sock: socket.socket, upgrader: Upgrader, *, busy_poll: float = BUSY_POLL) -> None:
        self._socket = sock
        self._busy_poll = busy_poll
        self._upgrader = upgrader
        self._sockname = sock.getsockname()
        self._family = sock.family
        self._exhausted = 0

    @property
    def addrs(self) -> Sequence[Multiaddr]:
        return real_addresses(self._sockname, socket.AddressFamily(self._family))

    @property
    def exhausted(self) -> int:
        """How many times an accept failed because the machine was out of file descriptors or memory."""
        return self._exhausted

    async def accept(self) -> TcpArrival:
        await checkpoint()
        pause = _FIRST_PAUSE
        while True:
            try:
                sock, address = self._socket.accept()
            except (BlockingIOError, InterruptedError):
                await wait_readable(self._socket)
            except OSError as error:
                if self._socket.fileno() == -1:
                    raise ClosedResourceError from None
                if error.errno in _EXHAUSTED:
                    self._exhausted += 1
                    await sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
                elif error.errno not in _PASSING:
                    raise ClosedResourceError from error
            else:
                sock.setblocking(False)
                return TcpArrival(sock, address, self._upgrader, busy_poll=self._busy_poll)

    async def aclose(self) -> None:
        if self._socket.fileno() != -1:
            notify_closing(self._socket)
            self._socket.close()
        await checkpoint()
