"""`Memory`: dial and listen within this process."""

from dataclasses import dataclass

from multiaddr import Multiaddr

from p2pstack.abc.muxer import MuxedConnection
from p2pstack.abc.transport import Endpoints, Transport
from p2pstack.abc.upgrader import Upgrader
from p2pstack.errors import LocalProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.transports.memory.network import MemoryListener, MemoryNetwork

__all__ = ["Memory"]

#: what hosts share unless they are given another
_THIS_PROCESS = MemoryNetwork()


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory(Transport):
    """Reaches hosts of this process and event loop at `/memory/<number>`, from 1 to 2**64 - 1."""

    network: MemoryNetwork = _THIS_PROCESS
    """Whom it reaches: all hosts with the same one. By default one for the whole process, so that hosts find each other
    without being told of it; give each test or simulation its own to keep them apart."""

    backlog: int = 128
    """Connections that wait to be accepted; further ones are refused."""

    def can_dial(self, addr: Multiaddr) -> bool:
        data = addr.to_bytes()
        return len(data) == 10 and data.startswith(b"\x89\x06")

    def can_listen(self, addr: Multiaddr) -> bool:
        return self.can_dial(addr)

    async def dial(
        self, addr: Multiaddr, *, upgrader: Upgrader, peer: PeerId | None = None
    ) -> tuple[MuxedConnection, Endpoints]:
        stream, endpoints = self.network.connect(_number(addr))
        return await upgrader.upgrade_outbound(stream, peer=peer), endpoints

    async def listen(self, addr: Multiaddr, *, upgrader: Upgrader) -> MemoryListener:
        return self.network.listen(_number(addr), upgrader=upgrader, backlog=self.backlog)


def _number(addr: Multiaddr) -> int:
    data = addr.to_bytes()
    if len(data) != 10:
        raise LocalProtocolError(f"expected /memory/NUMBER, got {addr}")
    return int.from_bytes(data[2:], "big")
