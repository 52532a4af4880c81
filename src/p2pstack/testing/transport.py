"""A transport whose connections go wrong."""

from collections.abc import Callable

from multiaddr import Multiaddr

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.muxer import MuxedConnection
from p2pstack.abc.transport import Endpoints, Listener, Transport
from p2pstack.abc.upgrader import Upgrader
from p2pstack.identity.peer_id import PeerId

__all__ = ["FaultyTransport"]


class FaultyTransport(Transport):
    """Another transport with something of yours between its raw streams and the secure channel.

    Works with transports that use the upgrader (TCP, memory, the simulated one): it is the upgrader that is replaced.

    :param inner: what makes the connections
    :param wrap: makes the stream that is used of the one that was made, such as `FaultPlan(...).wrap`; called for each
        connection, dialled or accepted
    """

    def __init__(self, inner: Transport, wrap: Callable[[RawStream], RawStream]) -> None:
        self._inner = inner
        self._wrap = wrap

    def can_dial(self, addr: Multiaddr) -> bool:
        return self._inner.can_dial(addr)

    def can_listen(self, addr: Multiaddr) -> bool:
        return self._inner.can_listen(addr)

    async def dial(
        self, addr: Multiaddr, *, upgrader: Upgrader, peer: PeerId | None = None
    ) -> tuple[MuxedConnection, Endpoints]:
        return await self._inner.dial(addr, upgrader=_Wrapping(upgrader, self._wrap), peer=peer)

    async def listen(self, addr: Multiaddr, *, upgrader: Upgrader) -> Listener:
        return await self._inner.listen(addr, upgrader=_Wrapping(upgrader, self._wrap))


class _Wrapping(Upgrader):
    """Upgrades what was made of a stream."""

    def __init__(self, inner: Upgrader, wrap: Callable[[RawStream], RawStream]) -> None:
        self._inner = inner
        self._wrap = wrap

    async def upgrade_outbound(self, stream: RawStream, *, peer: PeerId | None) -> MuxedConnection:
        return await self._inner.upgrade_outbound(self._wrap(stream), peer=peer)

    async def upgrade_inbound(self, stream: RawStream) -> MuxedConnection:
        return await self._inner.upgrade_inbound(self._wrap(stream))
