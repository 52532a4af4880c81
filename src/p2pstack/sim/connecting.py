"""How a simulated TCP connection is made.

==========================================  =====================================================================
the first packet (SYN)                      then
==========================================  =====================================================================
meets somebody who listens                  the connection is there, for who dials another half of a round trip later
meets nobody, on a machine that runs        `ConnectionRefusedError`
meets who dials it in the same moment       one connection, of which both ends dialled (RFC 9293, simultaneous open)
is lost, cut off, or dropped by a NAT       it is sent again after 1, 2, 4, ... seconds (RFC 6298; six times, as Linux
                                            does), then `TimeoutError`
==========================================  =====================================================================
"""

import errno
import os
from typing import Protocol

from anyio import move_on_at, sleep_until

from p2pstack.abc.transport import Endpoints
from p2pstack.sim.address import Address, tcp_addr
from p2pstack.sim.attempt import Attempt
from p2pstack.sim.link import Link
from p2pstack.sim.machine import Machine
from p2pstack.sim.stream import SimStream
from p2pstack.sim.timers import Timers

__all__ = ["Wiring", "connect"]

#: seconds to wait for an answer, the first time and each time again
_PATIENCE = (1, 2, 4, 8, 16, 32, 64)


class Wiring(Protocol):
    """What is needed of a network."""

    @property
    def timers(self) -> Timers: ...
    def locate(self, machine: Machine, target: Address) -> Machine | None: ...
    def link(self, one: Machine, other: Machine) -> Link: ...
    def streams(self, link: Link, one: Machine, other: Machine, *, flipped: bool) -> tuple[SimStream, SimStream]: ...


async def connect(
    network: Wiring, machine: Machine, target: Address, *, port: int | None
) -> tuple[SimStream, Endpoints]:
    """Connect a machine to an address.

    :param port: to come from; a free one unless given
    :raises OSError: it cannot be reached
    """
    if not machine.up:
        raise OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN), str(tcp_addr(target)))
    if port is None or (port, target) in machine.dialling:
        port = machine.free_port()
    attempt = Attempt((machine.ip, port), target)
    machine.dialling[port, target] = attempt
    try:
        for patience in _PATIENCE:
            again_at = network.timers.now() + patience
            await _knock(network, machine, attempt)
            if attempt.stream is None:
                with move_on_at(again_at):
                    await attempt.done.wait()
            if attempt.stream is not None:
                return attempt.stream, attempt.endpoints
    finally:
        del machine.dialling[port, target]
    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), str(tcp_addr(target)))


async def _knock(network: Wiring, machine: Machine, attempt: Attempt) -> None:
    """Send the first packet, and see what becomes of it."""
    target, now = attempt.target, network.timers.now()
    source = attempt.local if machine.nat is None else machine.nat.outbound(attempt.local, target, now)
    there = network.locate(machine, target)
    if there is None:
        return
    link = network.link(machine, there)
    flipped = machine.index > there.index
    lane = link.lanes[flipped]
    if lane.loses():
        return
    with move_on_at(lane.arrival(now, 0)):
        await attempt.done.wait()
    if attempt.stream is not None or link.cut:
        return
    met = _admitted(network, machine, there, source, target)
    if met is None:
        return
    back_at = network.timers.now() + lane.round_trip / 2
    other = there.dialling.get((met[1], source))
    accept = there.listeners.get(met[1])
    if other is not None and other.stream is None:
        attempt.complete(_join(network, link, machine, there, other))
    elif accept is not None:
        ours, theirs = network.streams(link, machine, there, flipped=flipped)
        if not accept(theirs, Endpoints(tcp_addr(met), tcp_addr(source))):
            ours.crash(tell=False)
            theirs.crash(tell=False)
            return
        attempt.complete(ours)
    await sleep_until(back_at)
    if attempt.stream is None:
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED), str(attempt.endpoints.remote))


def _admitted(network: Wiring, machine: Machine, there: Machine, source: Address, target: Address) -> Address | None:
    """Where a packet gets to that has come to a target; None where it is dropped."""
    if not there.powered:
        return None
    if there.nat is None or there.nat is machine.nat:
        return target
    return there.nat.inbound(target[1], source, network.timers.now())


def _join(network: Wiring, link: Link, machine: Machine, there: Machine, other: Attempt) -> SimStream:
    """Both dial each other: one connection."""
    ours, theirs = network.streams(link, machine, there, flipped=machine.index > there.index)
    other.complete(theirs)
    return ours
