"""Machines with addresses, and what connects them."""

import errno
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from itertools import count
from random import Random
from typing import Self

from anyio import AsyncContextManagerMixin, create_task_group, sleep_forever, sleep_until
from multiaddr import Multiaddr

from p2pstack.abc.transport import Endpoints
from p2pstack.errors import ListenError, LocalProtocolError
from p2pstack.sim.link import Bottleneck, Link, LinkConfig
from p2pstack.sim.stream import SimStream, connect_streams
from p2pstack.sim.timers import Timers, make_timers
from p2pstack.sim.trace import Trace
from p2pstack.sim.units import parse_rate

__all__ = ["Accept", "Machine", "SimNetwork", "tcp_addr"]

#: addresses are given from here on: of the Internet's, so that nobody takes them for private ones
_FIRST_ADDRESS = int(IPv4Address("11.0.0.1"))
#: ports of who dials (RFC 6335)
_FIRST_PORT, _LAST_PORT = 49_152, 65_535

#: Takes an inbound connection: its stream and its two ends, as addresses. False: there is no room for it.
Accept = Callable[[SimStream, Endpoints], bool]


def tcp_addr(ip: int, port: int) -> Multiaddr:
    """`/ip4/.../tcp/...`"""
    return Multiaddr(b"\x04" + ip.to_bytes(4, "big") + b"\x06" + port.to_bytes(2, "big"))


class Machine:
    """A computer on the network."""

    __slots__ = ("_ports", "group", "index", "ip", "listeners", "name", "network", "streams", "uplink")

    def __init__(self, network: "SimNetwork", index: int, name: str, ip: int, uplink: Bottleneck | None) -> None:
        self.network = network
        #: its number, from 0
        self.index = index
        self.name = name
        #: its address, as a number
        self.ip = ip
        self.uplink = uplink
        #: who accepts, by port
        self.listeners: dict[int, Accept] = {}
        #: its ends of connections
        self.streams: dict[SimStream, None] = {}
        self._ports = count(_FIRST_PORT)

    def free_port(self) -> int:
        """A port that is not in use."""
        port = next(self._ports)
        if port > _LAST_PORT:
            self._ports = count(_FIRST_PORT)
            port = next(self._ports)
        return port

    def __repr__(self) -> str:
        return f"<Machine {self.name} {IPv4Address(self.ip)}>"


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
        self._by_ip: dict[int, Machine] = {}
        self._numbers = count(1)
        self._timers: Timers | None = None
        self.machines: list[Machine] = []
        self.trace = trace or Trace()

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
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

    def machine(self, name: str | None = None, *, uplink: str | float | None = None) -> Machine:
        """One more machine, with an address of its own.

        :param uplink: what it can send, to all others together: bytes a second, or text such as "8Mbit/s"
        """
        index = len(self.machines)
        bottleneck = None if uplink is None else Bottleneck(parse_rate(uplink))
        machine = Machine(self, index, name or f"node{index}", _FIRST_ADDRESS + index, bottleneck)
        self.machines.append(machine)
        self._by_ip[machine.ip] = machine
        return machine

    def link(self, one: Machine, other: Machine) -> Link:
        """The link between two machines."""
        if one.index > other.index:
            one, other = other, one
        key = (one.index, other.index)
        link = self._links.get(key)
        if link is None:
            config = self._default if self._link_of is None else self._link_of(one, other)
            link = self._links[key] = Link(config, (one.uplink, other.uplink), self._random)
        return link

    # --- connections

    def listen(self, machine: Machine, port: int, accept: Accept) -> int:
        """Accept connections on a port, 0 for a free one. The port.

        :raises ListenError: it is taken
        """
        port = port or machine.free_port()
        if port in machine.listeners:
            addr = tcp_addr(machine.ip, port)
            raise ListenError(f"cannot listen on {addr}: the port is taken; choose another", address=str(addr))
        machine.listeners[port] = accept
        return port

    async def connect(self, machine: Machine, ip: int, port: int) -> tuple[SimStream, Endpoints]:
        """A connection from a machine to an address: there a round trip later.

        :raises ConnectionRefusedError: nobody listens there
        """
        timers = self.timers
        target = self._by_ip.get(ip)
        if target is None:
            await sleep_forever()  # nobody answers; who dials has a deadline
            raise AssertionError
        link = self.link(machine, target)
        lane = link.lanes[machine.index > target.index]
        await sleep_until(lane.arrival(timers.now(), 0))
        accept = target.listeners.get(port)
        addr = tcp_addr(ip, port)
        if accept is None:
            await sleep_until(timers.now() + lane.round_trip / 2)
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED), str(addr))
        number = next(self._numbers)
        flipped = machine.index > target.index
        ours, theirs = connect_streams(number, link, flipped=flipped, timers=timers, trace=self.trace)
        local = tcp_addr(machine.ip, machine.free_port())
        accept(theirs, Endpoints(addr, local))
        await sleep_until(timers.now() + lane.round_trip / 2)
        return ours, Endpoints(local, addr)
