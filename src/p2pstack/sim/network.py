"""Machines with addresses, and what connects them."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import IPv4Address
from itertools import count
from random import Random
from typing import Self

from anyio import AsyncContextManagerMixin, create_task_group

from p2pstack.abc.transport import Endpoints
from p2pstack.errors import ListenError, LocalProtocolError
from p2pstack.host.groups import ungrouped
from p2pstack.sim.address import Address, tcp_addr
from p2pstack.sim.connecting import connect
from p2pstack.sim.link import Bottleneck, Link, LinkConfig
from p2pstack.sim.machine import Accept, Machine
from p2pstack.sim.nat import Nat, NatKind
from p2pstack.sim.stream import SimStream, connect_streams
from p2pstack.sim.timers import Timers, make_timers
from p2pstack.sim.trace import Trace
from p2pstack.sim.units import parse_rate

__all__ = ["SimNetwork"]

#: addresses are given from here on: of the Internet's, so that nobody takes them for private ones
_FIRST_ADDRESS = int(IPv4Address("11.0.0.1"))
#: ... and behind each NAT, of those that are meant for it (RFC 1918)
_FIRST_PRIVATE = int(IPv4Address("192.168.0.2"))
_LAST_PRIVATE = int(IPv4Address("192.168.255.254"))


class SimNetwork(AsyncContextManagerMixin):
    """A network of machines, to be entered in virtual time.

    :param link: how links are unless `link_of` says otherwise
    :param link_of: how the link between two machines is
    :param seed: of all that is left to chance
    :param trace: where what happens is told; one of its own unless given
    """

    def __init__(
        self,
        link: LinkConfig | None = None,
        *,
        link_of: Callable[[Machine, Machine], LinkConfig] | None = None,
        seed: int = 0,
        trace: Trace | None = None,
    ) -> None:
        self._default = link or LinkConfig()
        self._link_of = link_of
        self._random = Random(f"network {seed}")
        self._links: dict[tuple[int, int], Link] = {}
        self._by_ip: dict[int, Machine | Nat] = {}
        self._behind: dict[Nat, dict[int, Machine]] = {}
        self._addresses = count(_FIRST_ADDRESS)
        self._numbers = count(1)
        self._partitions: list[dict[int, int]] = []
        self._timers: Timers | None = None
        self.machines: list[Machine] = []
        self.trace = trace or Trace()

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        with ungrouped(levels=1):
            async with create_task_group() as tasks:
                self._timers = make_timers(tasks)
                yield self
                tasks.cancel_scope.cancel()

    @property
    def timers(self) -> Timers:
        """What it goes by."""
        if self._timers is None:
            raise LocalProtocolError("the network is not running: use it within `async with network:`")
        return self._timers

    # --- what there is

    def machine(self, name: str | None = None, *, uplink: str | float | None = None, nat: Nat | None = None) -> Machine:
        """One more machine, with an address of its own.

        :param uplink: what it can send, to all others together: bytes a second, or text such as "8Mbit/s"
        :param nat: what it is behind
        """
        index = len(self.machines)
        bottleneck = None if uplink is None else Bottleneck(parse_rate(uplink))
        ip = next(self._addresses) if nat is None else _FIRST_PRIVATE + len(self._behind[nat])
        machine = Machine(self, index, name or f"node{index}", ip, uplink=bottleneck, nat=nat)
        self.machines.append(machine)
        (self._by_ip if nat is None else self._behind[nat])[ip] = machine
        return machine

    def nat(self, kind: NatKind) -> Nat:
        """One more NAT, with an address of its own: `machine(nat=...)` puts machines behind it."""
        nat = Nat(next(self._addresses), kind)
        self._by_ip[nat.ip] = nat
        self._behind[nat] = {}
        return nat

    def link(self, one: Machine, other: Machine) -> Link:
        """The link between two machines."""
        if one.index > other.index:
            one, other = other, one
        key = (one.index, other.index)
        link = self._links.get(key)
        if link is None:
            config = self._default if self._link_of is None else self._link_of(one, other)
            link = self._links[key] = Link(config, (one.uplink, other.uplink), self._random)
            link.cut = self._is_cut(one, other, link)
        return link

    def locate(self, machine: Machine, target: Address) -> Machine | None:
        """The machine that an address leads to, from another one; None: nowhere."""
        ip, port = target
        if _FIRST_PRIVATE <= ip <= _LAST_PRIVATE:
            return None if machine.nat is None else self._behind[machine.nat].get(ip)
        there = self._by_ip.get(ip)
        if isinstance(there, Nat):
            inner = None if there is machine.nat else there.owner(port)  # no hairpins
            return None if inner is None else self._behind[there].get(inner[0])
        return there

    # --- cuts

    def partition(self, *groups: Iterable[Machine]) -> None:
        """Machines of different groups do not reach each other any longer, until `heal`. Those of no group reach all.
        Partitions add up."""
        self._partitions.append({machine.index: number for number, group in enumerate(groups) for machine in group})
        self.rewire()

    def cut(self, one: Machine, other: Machine) -> None:
        """Cut the link between two machines, until `heal`."""
        self.link(one, other).severed = True
        self.rewire()

    def heal(self) -> None:
        """All that was cut is whole again."""
        self._partitions.clear()
        for link in self._links.values():
            link.severed = False
        self.rewire()

    def rewire(self) -> None:
        """See which links are cut."""
        for (one, other), link in self._links.items():
            link.set_cut(cut=self._is_cut(self.machines[one], self.machines[other], link))

    def reaches(self, one: Machine, other: Machine) -> bool:
        """Whether packets get from one machine to another, NATs apart."""
        return not self.link(one, other).cut

    def _is_cut(self, one: Machine, other: Machine, link: Link) -> bool:
        if link.severed or not (one.powered and other.powered):
            return True
        for groups in self._partitions:
            here, there = groups.get(one.index), groups.get(other.index)
            if here is not None and there is not None and here != there:
                return True
        return False

    # --- connections

    def listen(self, machine: Machine, port: int, accept: Accept) -> int:
        """Accept connections on a port, 0 for a free one. The port.

        :raises ListenError: it is taken
        """
        port = port or machine.free_port()
        if port in machine.listeners:
            addr = tcp_addr((machine.ip, port))
            raise ListenError(f"cannot listen on {addr}: the port is taken; choose another", address=str(addr))
        machine.listeners[port] = accept
        return port

    async def connect(
        self, machine: Machine, target: Address, *, port: int | None = None
    ) -> tuple[SimStream, Endpoints]:
        """A connection from a machine to an address: there a round trip later.

        :param port: to come from; a free one unless given
        :raises OSError: it cannot be reached
        """
        return await connect(self, machine, target, port=port)

    def streams(self, link: Link, one: Machine, other: Machine, *, flipped: bool) -> tuple[SimStream, SimStream]:
        """Both ends of a new connection of two machines."""
        number = next(self._numbers)
        ours, theirs = connect_streams(number, link, flipped=flipped, timers=self.timers, trace=self.trace)
        for machine, stream in ((one, ours), (other, theirs)):
            machine.streams[stream] = None
            stream.on_close = partial(machine.streams.pop, stream, None)
        self.trace.note(self.timers.now(), "connection", number=number, dialler=one.name, listener=other.name)
        return ours, theirs
