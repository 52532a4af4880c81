"""Transports: how connections are made and accepted."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from anyio.abc import AsyncResource
from multiaddr import Multiaddr

from p2pstack.abc.muxer import MuxedConnection
from p2pstack.abc.upgrader import Upgrader
from p2pstack.identity.peer_id import PeerId

__all__ = ["Arrival", "Endpoints", "Listener", "Transport"]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Both ends of a connection, without peer ids."""

    local: Multiaddr
    remote: Multiaddr


class Arrival(ABC):
    """A connection that has been accepted and is not upgraded yet: cheap to hold, cheap to refuse."""

    @property
    @abstractmethod
    def endpoints(self) -> Endpoints: ...

    @property
    @abstractmethod
    def remote_ip(self) -> str | None:
        """The peer's IP address, for limits; None where the transport has none."""

    @abstractmethod
    async def upgrade(self) -> MuxedConnection:
        """Make it a connection; raises what `Upgrader.upgrade_inbound` does."""

    @abstractmethod
    def abort(self) -> None:
        """Refuse it: close without a word."""


class Listener(AsyncResource):
    """Accepts connections on one address until it is closed."""

    @property
    @abstractmethod
    def addrs(self) -> Sequence[Multiaddr]:
        """The addresses listened on, with real ports, and with the machine's real addresses in place of an unspecified
        one (`0.0.0.0`, `::`)."""

    @abstractmethod
    async def accept(self) -> Arrival:
        """The next connection. Survives passing errors (out of file descriptors, connection aborted) by waiting.

        :raises ClosedResourceError: the listener was closed
        """


class Transport(ABC):
    """One way to reach peers, such as TCP."""

    @abstractmethod
    def can_dial(self, addr: Multiaddr) -> bool:
        """Whether `addr` (without `/p2p`) is one of this transport's."""

    @abstractmethod
    def can_listen(self, addr: Multiaddr) -> bool:
        """Whether `addr` (without `/p2p`) is one this transport listens on."""

    @abstractmethod
    async def dial(
        self, addr: Multiaddr, *, upgrader: Upgrader, peer: PeerId | None = None
    ) -> tuple[MuxedConnection, Endpoints]:
        """Connect to a resolved address and upgrade.

        :param peer: who is expected there; None accepts anybody
        :raises OSError: the address cannot be reached
        :raises P2PError: as `Upgrader.upgrade_outbound`
        """

    @abstractmethod
    async def listen(self, addr: Multiaddr, *, upgrader: Upgrader) -> Listener:
        """Listen on `addr`; port 0 picks a free one.

        :raises ListenError: the address is taken, or is not of this machine
        """
