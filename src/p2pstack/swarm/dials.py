"""One dial for all who ask for the same peer.

The dial runs in the swarm's task group, not in the caller's task: a caller that is cancelled does not take it from the
others, and when the last one is gone it is cancelled. The task that dialled then serves the connection: no connection
costs a second task for having been dialled.
"""

from collections.abc import Callable, Sequence

from anyio import CancelScope, Event
from anyio.abc import TaskGroup
from anyio.lowlevel import cancel_shielded_checkpoint
from multiaddr import Multiaddr

from p2pstack.abc.connection import Direction
from p2pstack.abc.events import DialFailed, EventBus
from p2pstack.abc.muxer import MuxedConnection
from p2pstack.abc.transport import Endpoints
from p2pstack.errors import ConnectionClosed, P2PError
from p2pstack.identity.peer_id import PeerId
from p2pstack.swarm.connection import SwarmConnection
from p2pstack.swarm.dialer import Dialer, discard

__all__ = ["Admit", "SharedDials"]

#: Makes a connection one of the swarm's, or raises a `P2PError` that says why not.
Admit = Callable[[MuxedConnection, Endpoints, Direction], SwarmConnection]


class _Dial:
    """A dial under way, or just over: then it has a connection or an error."""

    __slots__ = ("addrs", "connection", "done", "error", "peer", "scope", "waiters")

    def __init__(self, peer: PeerId | None, addrs: tuple[Multiaddr, ...]) -> None:
        self.peer = peer
        self.addrs = addrs
        self.scope = CancelScope()
        self.done = Event()
        self.waiters = 0
        self.connection: SwarmConnection | None = None
        self.error: P2PError | None = None

    @property
    def key(self) -> object:
        """Who asks for an equal key wants the same connection."""
        return self.addrs if self.peer is None else self.peer


class SharedDials:
    """The dials under way."""

    __slots__ = ("_admit", "_bus", "_closed", "_dialer", "_tasks", "_under_way")

    def __init__(self, tasks: TaskGroup, dialer: Dialer, *, admit: Admit, bus: EventBus) -> None:
        self._tasks = tasks
        self._dialer = dialer
        self._admit = admit
        self._bus = bus
        self._under_way: dict[object, _Dial] = {}
        self._closed = False

    async def connect(self, peer: PeerId | None, addrs: Sequence[Multiaddr]) -> SwarmConnection:
        """A new connection to `peer`, by the dial under way to it if there is one. Where that fails and this caller
        knows addresses that it did not try, another begins.

        :raises P2PError: as `Dialer.dial`
        :raises ConnectionClosed: the host ended before
        """
        while not self._closed:
            mine = _Dial(peer, tuple(addrs))
            dial = self._under_way.setdefault(mine.key, mine)
            if dial is mine:
                self._tasks.start_soon(self._run, dial, name="dial")
            await self._wait(dial)
            if dial.connection is not None:
                return dial.connection
            if dial.error is not None and (dial is mine or set(addrs) <= set(dial.addrs)):
                raise dial.error
        raise ConnectionClosed("the host ended while it dialled")

    def close(self) -> None:
        """The host ends: give up the dials under way."""
        self._closed = True
        for dial in tuple(self._under_way.values()):
            dial.scope.cancel()

    async def _wait(self, dial: _Dial) -> None:
        dial.waiters += 1
        try:
            await dial.done.wait()
        finally:
            dial.waiters -= 1
            if not dial.waiters and not dial.done.is_set():
                self._forget(dial)
                dial.scope.cancel()

    async def _run(self, dial: _Dial) -> None:
        connection = await self._establish(dial)
        del dial  # not needed for as long as the connection lives
        if connection is not None:
            for _ in range(2):  # those who wait for it first; trio mixes who is to run in one turn
                await cancel_shielded_checkpoint()
            await connection.serve()

    async def _establish(self, dial: _Dial) -> SwarmConnection | None:
        muxed: MuxedConnection | None = None
        try:
            with dial.scope:
                muxed, endpoints = await self._dialer.dial(dial.peer, dial.addrs)
                dial.done.set()  # so that they run before those whom `admit` tells of the connection
                dial.connection = self._admit(muxed, endpoints, Direction.OUTBOUND)
        except P2PError as error:
            dial.error = error
            self._bus.emit(DialFailed(dial.peer, error))
        finally:
            self._forget(dial)
            dial.done.set()
        if muxed is not None and dial.connection is None:
            await discard(muxed)
        return dial.connection

    def _forget(self, dial: _Dial) -> None:
        if self._under_way.get(dial.key) is dial:
            del self._under_way[dial.key]
