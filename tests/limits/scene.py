"""Where attacks happen: a running host, and a friend of it who must not notice.

Whatever is done within `async with scene() as s`, at its end the friend's connection is the one it was and answers, and
all that the attack took is given back: tasks, file descriptors, connections, places of those under way, streams
watched, bytes unread.
"""

import os
import socket
import stat
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from anyio import TaskInfo, aclose_forcefully, fail_after, get_running_tasks, move_on_after
from anyio.lowlevel import checkpoint

from p2pstack import Host, Yamux, ping
from p2pstack.abc.events import ConnectionEnded, Event, LimitHit, Subscription
from p2pstack.abc.service import Service
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.muxers.budget import ReceiveBudget
from p2pstack.protocols.identify import Identify
from p2pstack.swarm.config import SwarmConfig

from .attacker import Attacker

#: Seconds that anything may take which is not a deadline of its own.
PATIENCE = 40.0

#: Seconds of a deadline that no test meets: what it would end takes for ever instead, however slow the machine.
NEVER = 600.0

#: Seconds of a deadline that a test waits for. What is not to meet it keeps within it on a machine that has other work.
BRIEF = 0.6

#: Seconds after which `BRIEF` may be over, however coarse the clock.
ALMOST = 0.9 * BRIEF

#: Seconds within which something happens that does not wait for `NEVER`.
SOON = 20.0


@dataclass(frozen=True)
class Census:
    """What a process and a host hold."""

    sockets: int
    tasks: int
    connections: int
    pending: int
    watched: int
    streams: int
    unread: int

    @classmethod
    def of(cls, host: Host) -> "Census":
        swarm = host._swarm
        connections = tuple(swarm.table)
        return cls(
            sockets=sum(_is_socket(int(path.name)) for path in Path("/proc/self/fd").iterdir()),
            tasks=sum(not _is_writer(task) for task in get_running_tasks()),
            connections=len(connections),
            pending=swarm.pending,
            watched=len(swarm._context.overdue._due),
            streams=sum(connection._inbound for connection in connections),
            unread=budget_of(host).used,
        )

    def exceeds(self, other: "Census") -> bool:
        """Whether there is more of anything. Less there may be: what was on its way out when `other` was taken."""
        return any(mine > theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True))


def _is_writer(task: TaskInfo) -> bool:
    """Whether it is one of those that a connection may begin, and keep, when it first has much to send."""
    return "YamuxConnection._write" in (task.name or "")


def _is_socket(descriptor: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:  # that of the listing itself
        return False


def budget_of(host: Host) -> ReceiveBudget:
    """The budget of the muxer of a host."""
    (muxer,) = host._swarm._upgrader._muxers.values()
    return muxer.budget


def _identify(host: Host) -> Identify:
    (identify,) = (service for service in host._services if isinstance(service, Identify))
    return identify


def limits(**chosen: Any) -> SwarmConfig:
    """Limits of a test's choice, with no other deadlines than those it chooses."""
    deadlines = dict.fromkeys(
        ("upgrade_timeout", "negotiation_timeout", "dial_address_timeout", "dial_peer_timeout"), NEVER
    )
    return SwarmConfig(**{**deadlines, **chosen})


class Scene:
    """What a test sees of it."""

    def __init__(self, host: Host, friend: Host, events: Subscription[Event]) -> None:
        self.host = host
        self.friend = friend
        self.attackers: list[Attacker] = []
        self._events = events
        self._seen: list[Event] = []

    async def attacker(
        self, *, identity: PrivateKey | None = None, secure: bool = True, receive_buffer: int | None = None
    ) -> Attacker:
        """A new connection by somebody who means ill. It ends with the scene, if not before."""
        attacker = await Attacker.dial(self.host.addrs[0], identity=identity, receive_buffer=receive_buffer)
        self.attackers.append(attacker)
        if secure:
            known = len(self.host.connections_to(attacker.peer_id))
            await attacker.secure()
            await self.wait_for(lambda: len(self.host.connections_to(attacker.peer_id)) > known)
        return attacker

    @property
    def identify(self) -> Identify:
        """The service of the host that asks others who they are."""
        return _identify(self.host)

    @property
    def events(self) -> list[Event]:
        """What the host has told so far: limits hit, and connections that ended."""
        buffered = self._events._events  # type: ignore[attr-defined]
        self._seen += buffered
        buffered.clear()
        return self._seen

    def hits(self, scope: str) -> list[LimitHit]:
        """How often a limit was hit."""
        return [event for event in self.events if isinstance(event, LimitHit) and event.scope == scope]

    async def hit(self, scope: str) -> LimitHit:
        """The first time that a limit is hit."""
        return (await self.wait_for(lambda: self.hits(scope)))[0]

    async def end_of(self, peer: PeerId) -> ConnectionEnded:
        """The end of the first connection with a peer."""

        def ends() -> list[ConnectionEnded]:
            ended = [event for event in self.events if isinstance(event, ConnectionEnded)]
            return [event for event in ended if event.connection.remote_peer == peer]

        return (await self.wait_for(ends))[0]

    async def wait_for(self, condition: Any) -> Any:
        """What `condition` returns when that is true. Lets the event loop run meanwhile, and never rest."""
        with fail_after(PATIENCE):
            while not (result := condition()):
                await checkpoint()
            return result

    async def restored(self, before: Census) -> None:
        """Wait until the host holds what it did."""
        with move_on_after(PATIENCE):
            while Census.of(self.host).exceeds(before):
                await checkpoint()
        now = Census.of(self.host)
        assert not now.exceeds(before), f"held {before} before and {now} now"

    async def ping(self, count: int = 1) -> list[float]:
        """Round trips of the friend."""
        return [rtt async for rtt in ping(self.friend, self.host.peer_id, count=count, interval=0)]


@asynccontextmanager
async def scene(
    *,
    config: SwarmConfig | None = None,
    budget: int = 256 << 20,
    muxer: Mapping[str, Any] | None = None,
    send_buffer: int | None = None,
    services: Sequence[Service] = (),
    **options: Any,
) -> AsyncGenerator[Scene]:
    """A host with limits of the test's choice, and what is attacked in it.

    It waits for ever where a test does not say how long: what is seen at once was not waited for.

    :param budget: bytes that its applications may leave unread
    :param muxer: parameters of yamux
    :param send_buffer: bytes that the kernel takes from it: few, where somebody is to be seen not reading
    :param options: parameters of `Host`
    """
    patient = [] if any(isinstance(service, Identify) for service in services) else [Identify(timeout=NEVER)]
    victim = Host(
        listen=["/ip4/127.0.0.1/tcp/0"],
        config=config or limits(),
        muxers=[Yamux(budget=ReceiveBudget(budget), **{"write_timeout": NEVER, **(muxer or {})})],
        services=[*patient, *services],
        **options,
    )
    async with victim as host, Host() as friend:
        with host.events.subscribe(LimitHit, ConnectionEnded, buffer=1 << 20) as events:
            if send_buffer is not None:
                (listener,) = host._swarm._running.listeners._listeners  # type: ignore[union-attr]
                listener._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)  # type: ignore[attr-defined]
            connection = await friend.connect(host.addrs[0])
            seen = Scene(host, friend, events)
            await seen.ping()
            for service, other in ((host, friend), (friend, host)):
                await _identify(service).wait(service.connections_to(other.peer_id)[0])
            (theirs,) = host.connections
            await seen.wait_for(lambda: not theirs.streams and not theirs._inbound)  # type: ignore[attr-defined]
            before = Census.of(host)
            try:
                yield seen
            finally:
                for attacker in seen.attackers:
                    await aclose_forcefully(attacker.stream)
            await seen.ping()
            assert friend.connections == (connection,)
            assert theirs in host.connections
            await seen.restored(before)
