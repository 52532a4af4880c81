"""Accept loops. Nothing that one arrival does ends a loop."""

import logging
from collections.abc import Sequence

from anyio import CancelScope, ClosedResourceError, current_time
from anyio.abc import TaskGroup
from multiaddr import Multiaddr

from p2pstack.abc.connection import Direction
from p2pstack.abc.events import EventBus, ListenerClosed, Listening
from p2pstack.abc.gater import ConnectionGater
from p2pstack.abc.muxer import MuxedConnection
from p2pstack.abc.transport import Arrival, Listener, Transport
from p2pstack.abc.upgrader import Upgrader
from p2pstack.errors import LimitExceeded, LocalProtocolError, P2PError
from p2pstack.swarm.config import SwarmConfig
from p2pstack.swarm.connection import SwarmConnection
from p2pstack.swarm.dialer import FAILURES, discard
from p2pstack.swarm.dials import Admit
from p2pstack.swarm.pending import Pending, PendingInbound
from p2pstack.swarm.table import ConnectionTable

__all__ = ["Listeners"]

logger = logging.getLogger(__name__)

#: seconds after which the addresses of the machine are asked for again
_ADDRS_FRESH = 5.0


class Listeners:
    """The listeners of a swarm, each with a task that accepts. It then upgrades what has arrived and serves the
    connection, and another one accepts."""

    __slots__ = (
        "_addrs",
        "_addrs_stale_at",
        "_admit",
        "_bus",
        "_gater",
        "_listeners",
        "_pending",
        "_table",
        "_tasks",
        "_transports",
        "_upgrader",
    )

    def __init__(
        self,
        tasks: TaskGroup,
        *,
        transports: Sequence[Transport],
        upgrader: Upgrader,
        gater: ConnectionGater,
        table: ConnectionTable,
        admit: Admit,
        bus: EventBus,
        config: SwarmConfig,
    ) -> None:
        self._tasks = tasks
        self._transports = transports
        self._upgrader = upgrader
        self._gater = gater
        self._table = table
        self._admit = admit
        self._bus = bus
        self._pending = PendingInbound(config, bus)
        self._listeners: list[Listener] = []
        self._addrs: tuple[Multiaddr, ...] | None = None
        self._addrs_stale_at = 0.0

    @property
    def addrs(self) -> Sequence[Multiaddr]:
        """The addresses listened on, each once, without peer id. The machine's own are asked for again after some
        seconds: that takes long, and they seldom change."""
        now = current_time()
        if self._addrs is None or now >= self._addrs_stale_at:
            self._addrs = tuple(dict.fromkeys(addr for listener in self._listeners for addr in listener.addrs))
            self._addrs_stale_at = now + _ADDRS_FRESH
        return self._addrs

    @property
    def pending(self) -> int:
        """How many arrivals are not upgraded yet."""
        return len(self._pending)

    async def listen(self, addr: Multiaddr) -> Sequence[Multiaddr]:
        """Listen on `addr`; the addresses that it came to.

        :raises LocalProtocolError: no transport here listens on such an address
        :raises ListenError: the address is taken, or is not of this machine
        """
        transport = next((transport for transport in self._transports if transport.can_listen(addr)), None)
        if transport is None:
            names = ", ".join(type(transport).__name__ for transport in self._transports) or "none"
            raise LocalProtocolError(f"no transport here listens on {addr}; transports: {names}")
        listener = await transport.listen(addr, upgrader=self._upgrader)
        self._listeners.append(listener)
        self._addrs = None
        addrs = tuple(listener.addrs)
        self._tasks.start_soon(self._accept, listener, addrs, name="accept")
        self._bus.emit(Listening(addrs))
        return addrs

    async def aclose(self) -> None:
        """Stop listening; connections stay."""
        for listener in tuple(self._listeners):
            await listener.aclose()

    async def _accept(self, listener: Listener, addrs: tuple[Multiaddr, ...]) -> None:
        """Accept a connection and serve it, while another task accepts the next: one that begins only now, for the
        peer does not wait for that."""
        try:
            while not self._is_welcome(arrival := await listener.accept()):
                pass
        except BaseException as error:
            await self._close(listener, addrs, error)
            if not isinstance(error, ClosedResourceError):
                raise
            return
        self._tasks.start_soon(self._accept, listener, addrs, name="accept")
        connection = await self._establish(arrival, self._pending.add(arrival.remote_ip))
        del arrival, listener  # not needed for as long as the connection lives
        if connection is not None:
            await connection.serve()

    async def _close(self, listener: Listener, addrs: tuple[Multiaddr, ...], error: BaseException) -> None:
        """There is nothing more to accept."""
        cause = error.__cause__
        if cause is not None:
            logger.error("no longer listening on %s: %s", ", ".join(map(str, addrs)), cause)
        self._listeners.remove(listener)
        self._addrs = None
        with CancelScope(shield=True):
            await listener.aclose()
        self._bus.emit(ListenerClosed(addrs, cause))

    def _is_welcome(self, arrival: Arrival) -> bool:
        """Whether an arrival is to be upgraded. It is gone where not."""
        welcome = False
        try:
            self._table.check_room()
            welcome = self._gater.allow_accept(arrival.endpoints)
        except (LimitExceeded, OSError) as error:
            logger.debug("an inbound connection was refused: %s", error)
        finally:
            if not welcome:
                arrival.abort()
        return welcome

    async def _establish(self, arrival: Arrival, pending: Pending) -> SwarmConnection | None:
        muxed: MuxedConnection | None = None
        try:
            with pending.scope:
                endpoints = arrival.endpoints
                muxed = await arrival.upgrade()
                return self._admit(muxed, endpoints, Direction.INBOUND)
        except FAILURES as error:
            logger.debug("an inbound connection was not upgraded: %s", error)
            if muxed is not None and isinstance(error, P2PError):
                await discard(muxed)
        finally:
            self._pending.remove(pending)
            if muxed is None:
                arrival.abort()
        return None
