"""TCP: dial and listen."""

import socket
from dataclasses import dataclass

from multiaddr import Multiaddr

from p2pstack.abc.muxer import MuxedConnection
from p2pstack.abc.transport import Endpoints, Transport
from p2pstack.abc.upgrader import Upgrader
from p2pstack.errors import ListenError, LocalProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.transports.tcp.address import from_multiaddr, is_resolved, is_tcp, to_multiaddr
from p2pstack.transports.tcp.listener import TcpListener
from p2pstack.transports.tcp.stream import BUSY_POLL, connect

__all__ = ["Tcp"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tcp(Transport):
    """TCP over IPv4 and IPv6, without delay (Nagle's algorithm is off)."""

    #: Connections that the kernel holds for us before we accept them; the kernel may cap it (net.core.somaxconn).
    backlog: int = 1024
    #: Seconds that a connection stays awake for an answer that it expects sooner than it could be woken, ten times as
    #: long in its upgrade; 0: never. It halves round trips within a machine or a rack, and ends by itself where it does
    #: not. See `busy_poll`.
    busy_poll: float = BUSY_POLL

    def __post_init__(self) -> None:
        if self.backlog < 1 or not 0 <= self.busy_poll <= 0.01:
            raise LocalProtocolError(
                f"Tcp: expected a backlog above 0 and a busy_poll of 0 to 0.01 s, got {self.backlog}, {self.busy_poll}"
            )

    def can_dial(self, addr: Multiaddr) -> bool:
        return is_tcp(addr)

    def can_listen(self, addr: Multiaddr) -> bool:
        return is_resolved(addr)

    async def dial(
        self, addr: Multiaddr, *, upgrader: Upgrader, peer: PeerId | None = None
    ) -> tuple[MuxedConnection, Endpoints]:
        target = from_multiaddr(addr)
        stream = await connect(target.family, target.value, busy_poll=self.busy_poll)
        endpoints = Endpoints(to_multiaddr(stream.local_address), addr)
        return await upgrader.upgrade_outbound(stream, peer=peer), endpoints

    async def listen(self, addr: Multiaddr, *, upgrader: Upgrader) -> TcpListener:
        target = from_multiaddr(addr)
        sock: socket.socket | None = None
        try:
            sock = socket.socket(target.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
            if target.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(target.value)
            sock.listen(self.backlog)
        except OSError as error:
            if sock is not None:
                sock.close()
            raise ListenError(
                f"cannot listen on {addr}: {error.strerror}; choose another address or port (0 picks a free one)",
                address=str(addr),
            ) from error
        return TcpListener(sock, upgrader, busy_poll=self.busy_poll)
