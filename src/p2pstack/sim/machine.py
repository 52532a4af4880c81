"""A computer on the network: an address, ports, who listens on them, and its ends of connections."""

from collections.abc import Callable
from ipaddress import IPv4Address
from itertools import count
from typing import Protocol, TypeAlias

from p2pstack.abc.transport import Endpoints
from p2pstack.sim.address import Address
from p2pstack.sim.attempt import Attempt
from p2pstack.sim.link import Bottleneck
from p2pstack.sim.nat import Nat
from p2pstack.sim.stream import SimStream

__all__ = ["Accept", "Machine", "Wires"]

#: ports of who dials (RFC 6335)
_FIRST_PORT, _LAST_PORT = 49_152, 65_535

#: Takes an inbound connection: its stream and its two ends. False: there is no room for it.
Accept: TypeAlias = Callable[[SimStream, Endpoints], bool]


class Wires(Protocol):
    """What a machine, and who runs on it, needs of the network."""

    def rewire(self) -> None:
        """See which links are cut."""
        ...

    def listen(self, machine: "Machine", port: int, accept: Accept) -> int:
        """Accept connections on a port."""
        ...

    async def connect(
        self, machine: "Machine", target: Address, *, port: int | None = None
    ) -> tuple[SimStream, Endpoints]:
        """Connect to an address."""
        ...


class Machine:
    """A computer. Made by `SimNetwork.machine`."""

    __slots__ = (
        "_ports",
        "dialling",
        "index",
        "ip",
        "listeners",
        "name",
        "nat",
        "network",
        "powered",
        "streams",
        "up",
        "uplink",
    )

    def __init__(
        self, network: Wires, index: int, name: str, ip: int, *, uplink: Bottleneck | None, nat: Nat | None
    ) -> None:
        self.network = network
        #: its number, from 0
        self.index = index
        self.name = name
        #: its address, as a number: a private one behind a NAT
        self.ip = ip
        self.uplink = uplink
        #: what stands between it and the others
        self.nat = nat
        #: whether it takes part at all; False where it was switched off, which it tells nobody
        self.powered = True
        #: whether something runs on it
        self.up = True
        #: who accepts, by port
        self.listeners: dict[int, Accept] = {}
        #: its ends of connections
        self.streams: dict[SimStream, None] = {}
        #: connections it is about to make, by its port and the address dialled
        self.dialling: dict[tuple[int, Address], Attempt] = {}
        self._ports = count(_FIRST_PORT)

    def free_port(self) -> int:
        """A port that is not in use."""
        port = next(self._ports)
        if port > _LAST_PORT:
            self._ports = count(_FIRST_PORT)
            port = next(self._ports)
        return port

    def crash(self, *, silently: bool = False) -> None:
        """What runs on it ends at once, and its connections break.

        :param silently: as where the power fails: nobody is told. Else the kernel tells all peers
        """
        self.up = False
        if silently:
            self.powered = False
            self.network.rewire()
        self.listeners.clear()
        for stream in tuple(self.streams):
            stream.crash(tell=not silently)
        self.streams.clear()

    def boot(self) -> None:
        """It is there again, with nothing running on it yet."""
        self.up = True
        if not self.powered:
            self.powered = True
            self.network.rewire()

    def __repr__(self) -> str:
        return f"<Machine {self.name} {IPv4Address(self.ip)}>"
