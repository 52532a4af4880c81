"""Inbound streams, over all connections: how many there may be, and how many begin at a time.

A stream costs the peer that opens it a dozen bytes, and this side a task, a negotiation and some kilobytes: bounds that
hold for each connection add up. So there is one for all. Beyond it a connection may still have a few streams: whoever
fills the host keeps nobody else out of it.

Streams that come many at once take turns, connection by connection, some in each turn of the event loop: what was going
on before goes on meanwhile. Those that their peer has given up by then cost next to nothing.
"""

from collections import OrderedDict, deque
from typing import Protocol

from anyio import Event
from anyio.lowlevel import checkpoint

from p2pstack.abc.muxer import MuxedStream

__all__ = ["InboundStreams", "Starter"]

#: streams that begin in one turn: some milliseconds of work
_A_TURN = 32
#: streams that a connection may have whatever others have
_SHARE = 16


class Starter(Protocol):
    """A connection with streams that wait for their turn."""

    def start(self, muxed: MuxedStream) -> None:
        """The turn of `muxed` has come."""
        ...


class InboundStreams:
    """Counts and starts inbound streams.

    :param limit: of all connections together
    """

    __slots__ = ("_left", "_waiting", "_wake", "limit", "open")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        #: how many there are now
        self.open = 0
        self._left = _A_TURN
        self._waiting: OrderedDict[Starter, deque[MuxedStream]] = OrderedDict()
        self._wake: Event | None = None

    def admit(self, held: int) -> bool:
        """Count a stream in, if there may be one more.

        :param held: how many its connection has
        """
        if self.open >= self.limit and held >= _SHARE:
            return False
        self.open += 1
        return True

    def release(self) -> None:
        """Count a stream out that was admitted."""
        self.open -= 1

    def begin(self, connection: Starter, muxed: MuxedStream) -> None:
        """Start a stream, at once as a rule."""
        if self._left:
            self._left -= 1
            connection.start(muxed)
        else:
            self._waiting.setdefault(connection, deque()).append(muxed)
        if not self._left and self._wake is not None:
            self._wake.set()
            self._wake = None

    async def run(self) -> None:
        """Give out turns, for ever."""
        while True:
            if self._left:
                self._wake = Event()
                await self._wake.wait()
            await checkpoint()
            self._left = _A_TURN
            waiting = self._waiting
            while waiting and self._left:
                connection = next(iter(waiting))
                streams = waiting[connection]
                self._left -= 1
                connection.start(streams.popleft())
                if streams:
                    waiting.move_to_end(connection)
                else:
                    del waiting[connection]
