"""What came of asking the peer of each connection, to wait for."""

from anyio import Event

from p2pstack.abc.connection import Connection
from p2pstack.abc.events import PeerIdentified
from p2pstack.errors import ConnectionClosed

__all__ = ["Outcomes"]


class Outcomes:
    """By connection: not asked yet, an answer, or an error. As long as the connection lives."""

    __slots__ = ("_closed", "_outcomes", "_waiting")

    def __init__(self) -> None:
        self._closed = False
        self._outcomes: dict[Connection, PeerIdentified | Exception] = {}
        self._waiting: dict[Connection, Event] = {}

    def __contains__(self, connection: object) -> bool:
        return connection in self._outcomes

    def set(self, connection: Connection, outcome: PeerIdentified | Exception) -> None:
        """Asking, or a push, came to this."""
        self._outcomes[connection] = outcome
        self._wake(connection)

    def forget(self, connection: Connection) -> None:
        """The connection has ended."""
        self._outcomes.pop(connection, None)
        self._wake(connection)

    def forget_closed(self) -> None:
        """Whatever connections have ended."""
        for connection in tuple(dict.fromkeys((*self._outcomes, *self._waiting))):
            if connection.closed:
                self.forget(connection)

    def close(self) -> None:
        """Nobody is asked any more."""
        self._closed = True
        for connection in tuple(self._waiting):
            self._wake(connection)

    def _wake(self, connection: Connection) -> None:
        if event := self._waiting.pop(connection, None):
            event.set()

    async def wait(self, connection: Connection) -> PeerIdentified:
        """What the peer told last.

        :raises Exception: asking failed with it
        :raises ConnectionClosed: the connection ended before
        """
        while connection not in self._outcomes:
            if self._closed or connection.closed:
                raise ConnectionClosed(f"the connection with {connection.remote_peer} ended before it was identified")
            await self._waiting.setdefault(connection, Event()).wait()
        outcome = self._outcomes[connection]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
