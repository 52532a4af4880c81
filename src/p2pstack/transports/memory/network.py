"""Who listens on which number, and what arrives there."""

import errno
import os
from collections.abc import Sequence

from multiaddr import Multiaddr

from p2pstack.abc.transport import Endpoints
from p2pstack.abc.upgrader import Upgrader
from p2pstack.errors import ListenError
from p2pstack.streams.arrivals import Backlog
from p2pstack.streams.memory import MemoryStream, memory_pipe

__all__ = ["MemoryListener", "MemoryNetwork", "to_multiaddr"]

#: numbers from here on are given where none is asked for
_FIRST_FREE = 1 << 32
_MEMORY = b"\x89\x06"


def to_multiaddr(number: int) -> Multiaddr:
    """`/memory/<number>`."""
    return Multiaddr(_MEMORY + number.to_bytes(8, "big"))


class MemoryNetwork:
    """Hosts with the same network reach each other; hosts with another do not see them. Of one event loop only."""

    def __init__(self) -> None:
        self._listeners: dict[int, MemoryListener] = {}
        self._next_free = _FIRST_FREE

    def listen(self, number: int, *, upgrader: Upgrader, backlog: int) -> "MemoryListener":
        """Listen on `number`; 0 picks a free one.

        :raises ListenError: somebody listens there
        """
        number = number or self._free()
        if number in self._listeners:
            raise ListenError(
                f"cannot listen on /memory/{number}: another host of this process does; "
                "choose another number (0 picks a free one)",
                address=f"/memory/{number}",
            )
        listener = MemoryListener(self, number, upgrader=upgrader, backlog=backlog)
        self._listeners[number] = listener
        return listener

    def connect(self, number: int) -> tuple[MemoryStream, Endpoints]:
        """A stream to whoever listens on `number`.

        :raises ConnectionRefusedError: nobody does, or too many wait to be accepted there
        """
        listener = self._listeners.get(number)
        if listener is None or listener.full:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED), f"/memory/{number}")
        ours, theirs = memory_pipe()
        local, remote = to_multiaddr(self._free()), to_multiaddr(number)
        listener.put(theirs, Endpoints(remote, local))
        return ours, Endpoints(local, remote)

    def leave(self, number: int) -> None:
        """Nobody listens on `number` any longer."""
        self._listeners.pop(number, None)

    def _free(self) -> int:
        self._next_free += 1
        return self._next_free - 1


class MemoryListener(Backlog):
    """Holds what arrived on a number until it is accepted."""

    def __init__(self, network: MemoryNetwork, number: int, *, upgrader: Upgrader, backlog: int) -> None:
        super().__init__(upgrader, size=backlog)
        self._network = network
        self._number = number

    @property
    def addrs(self) -> Sequence[Multiaddr]:
        return (to_multiaddr(self._number),)

    def leave(self) -> None:
        self._network.leave(self._number)
