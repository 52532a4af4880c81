"""A node of a simulation: a machine, the host that runs on it, and what survives when that ends."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from random import Random
from typing import Literal, TypeVar

from anyio import CancelScope, Event, current_time
from anyio.abc import TaskStatus

from p2pstack.abc.security import SecureTransport
from p2pstack.abc.service import Service
from p2pstack.errors import LocalProtocolError
from p2pstack.host import Host
from p2pstack.identity.ed25519 import Ed25519PrivateKey
from p2pstack.identity.keys import PrivateKey
from p2pstack.peerstore import MemoryPeerstore
from p2pstack.security.noise import Noise
from p2pstack.security.plaintext import Plaintext
from p2pstack.sim.network import Machine
from p2pstack.sim.transport import SimTransport

__all__ = ["Security", "SimNode", "secret_source"]

#: How connections are secured: "plaintext" saves the cryptography, where only the size of a network matters.
Security = Literal["noise", "plaintext"]

S = TypeVar("S", bound=Service)

PORT = 4001
#: when virtual time begins, by clocks on walls: 2026-01-01
_EPOCH = 1_767_225_600.0


def secret_source(seed: str) -> Callable[[], bytes]:
    """Gives 32 bytes at a time that look random, the same ones for the same seed."""
    state = blake2b(seed.encode(), digest_size=32).digest()

    def secret() -> bytes:
        nonlocal state
        state = blake2b(state, digest_size=32, person=b"next").digest()
        return blake2b(state, digest_size=32, person=b"out").digest()

    return secret


class _Life:
    """How a host ends, and that it has."""

    __slots__ = ("ended", "scope", "stop")

    def __init__(self) -> None:
        self.scope = CancelScope()
        self.stop = Event()
        self.ended = Event()


class SimNode:
    """A node. Its host may end and be started again: identity, peerstore and addresses stay.

    :param services: makes the services of its host, anew for each start
    :param seed: of all that is left to chance in it
    :param clock_offset: seconds by which its clock is ahead at the beginning
    :param clock_drift: seconds by which it gains on the others in each second
    """

    def __init__(
        self,
        machine: Machine,
        *,
        services: Callable[[], Sequence[Service]],
        security: Security,
        seed: str,
        clock_offset: float = 0.0,
        clock_drift: float = 0.0,
    ) -> None:
        self.machine = machine
        #: makes the services of its host, anew for each start: may be changed before that
        self.make_services = services
        self._security = security
        self._secret = secret_source(f"{seed} {machine.name}")
        self.key: PrivateKey = Ed25519PrivateKey.from_seed(self._secret())
        self.random = Random(self._secret())
        self.peerstore = MemoryPeerstore()
        self.clock_offset = clock_offset
        self.clock_drift = clock_drift
        #: whom it was connected to by the topology, and is again after a restart: those it dials
        self.dials: list[SimNode] = []
        #: ... and those that dial it
        self.dialled_by: list[SimNode] = []
        self._host: Host | None = None
        self._services: Sequence[Service] = ()
        self._life: _Life | None = None  # of the host that runs, or ran last

    @property
    def index(self) -> int:
        """Its number, from 0."""
        return self.machine.index

    @property
    def name(self) -> str:
        """What it is called in traces."""
        return self.machine.name

    @property
    def running(self) -> bool:
        """Whether its host lives."""
        return self._host is not None

    @property
    def host(self) -> Host:
        """Its host.

        :raises LocalProtocolError: it does not run
        """
        if self._host is None:
            raise LocalProtocolError(f"{self.name} does not run: restart it")
        return self._host

    @property
    def services(self) -> Sequence[Service]:
        """What was given for its host as services, in that order."""
        return self._services

    def service(self, kind: type[S]) -> S:
        """Its first service of a class."""
        return next(service for service in self._services if isinstance(service, kind))

    def __repr__(self) -> str:
        return f"<SimNode {self.name} {self.key.peer_id}>"

    def clock(self) -> float:
        """Seconds since 1970, by its own clock."""
        return _EPOCH + self.clock_offset + current_time() * (1 + self.clock_drift)

    # --- life

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Be a host, until it is stopped or killed."""
        self.machine.boot()
        life = self._life = _Life()
        self._services = tuple(self.make_services())
        host = Host(
            listen=[f"/ip4/0.0.0.0/tcp/{PORT}"],
            key=self.key,
            transports=[SimTransport(self.machine)],
            security=[self._secure],
            services=self._services,
            peerstore=self.peerstore,
            random=self.random,
            clock=self.clock,
        )
        try:
            with life.scope:
                async with host:
                    self._host = host
                    task_status.started()
                    await life.stop.wait()
        finally:
            self._host = None
            life.ended.set()

    def _secure(self, key: PrivateKey) -> SecureTransport:
        return Noise(key, key_source=self._secret) if self._security == "noise" else Plaintext(key)

    def kill(self, *, silently: bool = False) -> None:
        """End its host at once, in the middle of whatever it does.

        :param silently: as where the power fails: no peer is told. Else the kernel closes its connections
        """
        if self._host is not None and self._life is not None:
            self.machine.crash(silently=silently)
            self._host = None
            self._life.scope.cancel()

    async def wait_ended(self) -> None:
        """Wait until nothing is left of a host that was killed or stopped."""
        if self._life is not None:
            await self._life.ended.wait()

    async def stop(self) -> None:
        """End its host in order: peers are told."""
        if self._host is not None and self._life is not None:
            self._life.stop.set()
            await self._life.ended.wait()
