"""`SimTransport`: what a host is given in place of TCP."""

from collections.abc import Sequence
from ipaddress import IPv4Address

from multiaddr import Multiaddr

from p2pstack.abc.muxer import MuxedConnection
from p2pstack.abc.transport import Endpoints, Transport
from p2pstack.abc.upgrader import Upgrader
from p2pstack.errors import ListenError, LocalProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.sim.address import Address, tcp_addr
from p2pstack.sim.machine import Machine
from p2pstack.sim.stream import SimStream
from p2pstack.streams.arrivals import Backlog

__all__ = ["SimTransport"]

#: connections that wait to be accepted
_BACKLOG = 128


class SimTransport(Transport):
    """Dials and listens at `/ip4/.../tcp/...` of a simulated network.

    :param machine: whose
    :param reuse_port: come from the port that is listened on, as who wants to pass a NAT has to
    """

    __slots__ = ("_machine", "_reuse_port")

    def __init__(self, machine: Machine, *, reuse_port: bool = False) -> None:
        self._machine = machine
        self._reuse_port = reuse_port

    def can_dial(self, addr: Multiaddr) -> bool:
        data = addr.to_bytes()
        return len(data) == 8 and data[0] == 4 and data[5] == 6

    def can_listen(self, addr: Multiaddr) -> bool:
        return self.can_dial(addr)

    async def dial(
        self, addr: Multiaddr, *, upgrader: Upgrader, peer: PeerId | None = None
    ) -> tuple[MuxedConnection, Endpoints]:
        machine = self._machine
        port = next(iter(machine.listeners), None) if self._reuse_port else None
        stream, endpoints = await machine.network.connect(machine, _split(addr), port=port)
        return await upgrader.upgrade_outbound(stream, peer=peer), endpoints

    async def listen(self, addr: Multiaddr, *, upgrader: Upgrader) -> "SimListener":
        ip, port = _split(addr)
        machine = self._machine
        if ip not in (0, machine.ip):
            raise ListenError(
                f"cannot listen on {addr}: it is not an address of {machine}; use 0.0.0.0", address=str(addr)
            )
        return SimListener(machine, port, upgrader)


def _split(addr: Multiaddr) -> Address:
    data = addr.to_bytes()
    if len(data) != 8:
        raise LocalProtocolError(f"expected /ip4/ADDRESS/tcp/PORT, got {addr}")
    return int.from_bytes(data[1:5], "big"), int.from_bytes(data[6:], "big")


class SimListener(Backlog):
    """Holds what arrived on a port until it is accepted."""

    def __init__(self, machine: Machine, port: int, upgrader: Upgrader) -> None:
        super().__init__(upgrader, size=_BACKLOG)
        self._machine = machine
        self._port = machine.network.listen(machine, port, self._take)

    @property
    def addrs(self) -> Sequence[Multiaddr]:
        return (tcp_addr((self._machine.ip, self._port)),)

    def leave(self) -> None:
        self._machine.listeners.pop(self._port, None)

    def _take(self, stream: SimStream, endpoints: Endpoints) -> bool:
        return self.put(stream, endpoints, str(IPv4Address(endpoints.remote.to_bytes()[1:5])))
