"""Identify as a service of a host.

It asks the peer of each new connection, at once and whoever dialled; answers those who ask; and when the protocols or
addresses of the host change, pushes that to all who take pushes: changes that come together go together.
"""

import logging
from collections.abc import Callable, Iterator
from functools import cache

from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    Event,
    create_task_group,
    current_time,
    fail_after,
    move_on_after,
    sleep,
)
from anyio.abc import TaskGroup, TaskStatus
from multiaddr import Multiaddr

from p2pstack.abc.connection import Connection, Stream
from p2pstack.abc.events import (
    ConnectionEnded,
    ConnectionStarted,
    LimitHit,
    ListenerClosed,
    Listening,
    LocalProtocolsChanged,
    ObservedAddress,
    PeerIdentified,
)
from p2pstack.abc.host import Host
from p2pstack.errors import LocalProtocolError, P2PError, RemoteProtocolError, SecurityError
from p2pstack.identity.address import Reach, ip_of, reach, split_peer
from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.record import DOMAIN, PeerRecord
from p2pstack.protocols.identify.messages import MAX_ADDRS, MAX_PROTOCOLS, PeerDescription, encode
from p2pstack.protocols.identify.outcomes import Outcomes
from p2pstack.protocols.identify.pace import Pace
from p2pstack.protocols.identify.session import Reader
from p2pstack.wire.framing import encode_frame

__all__ = ["IDENTIFY", "PUSH", "Identify"]

logger = logging.getLogger(__name__)

IDENTIFY = "/ipfs/id/1.0.0"
PUSH = "/ipfs/id/push/1.0.0"

#: Addresses of ours that are told: a record with more would not fit into a message.
_MAX_OWN_ADDRS = 32
_FAILURES = (P2PError, TimeoutError, BrokenResourceError, ClosedResourceError, EndOfStream)


class Identify:
    """Tells peers about the host, and the host about peers: `PeerIdentified` and `ObservedAddress` in its events, the
    rest in its peerstore.

    :param agent_version: name and version of the software; p2pstack's unless given
    :param protocol_version: the family of protocols the host belongs to
    :param timeout: seconds for one exchange with one peer
    :param push_delay: seconds that changes are collected before they are pushed
    :param max_concurrent_pushes: peers pushed to at a time
    :param clock: gives the seconds since 1970, so that a signed record is newer than those of earlier runs; the host's
        unless given
    """

    def __init__(
        self,
        *,
        agent_version: str | None = None,
        protocol_version: str = "ipfs/0.1.0",
        timeout: float = 5.0,
        push_delay: float = 0.1,
        max_concurrent_pushes: int = 32,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if timeout <= 0 or push_delay < 0 or max_concurrent_pushes < 1:
            raise LocalProtocolError("Identify: expected timeout, push_delay and max_concurrent_pushes above 0")
        self._agent_version = _own_agent_version() if agent_version is None else agent_version
        self._protocol_version = protocol_version
        self._timeout = timeout
        self._push_delay = push_delay
        self._max_concurrent_pushes = max_concurrent_pushes
        self._clock = clock
        self._outcomes = Outcomes()
        self._asking: set[Connection] = set()
        self._pushes_taken = Pace(burst=10, interval=5)
        self._pushes_sent = Pace(burst=8, interval=6)  # within what others take
        self._host: Host | None = None
        self._record: tuple[tuple[Multiaddr, ...], bytes] | None = None
        self._seq = 0

    async def wait(self, connection: Connection) -> PeerIdentified:
        """What the peer of a connection told last, as soon as it has.

        :raises ConnectionClosed: the connection ended before
        :raises P2PError: the peer does not speak identify, or broke its rules
        :raises TimeoutError: it did not answer
        """
        return await self._outcomes.wait(connection)

    async def run(self, host: Host, *, task_status: TaskStatus[None]) -> None:
        self._host = host
        host.handle(IDENTIFY, handler=self._answer, max_streams_per_peer=16)
        host.handle(PUSH, handler=self._receive_push, max_streams_per_peer=2)
        kinds = (ConnectionStarted, ConnectionEnded, LocalProtocolsChanged, Listening, ListenerClosed)
        with host.events.subscribe(*kinds) as events:
            try:
                async with create_task_group() as tasks:
                    changed = _Changed()
                    tasks.start_soon(self._push_changes, host, changed)
                    task_status.started()
                    dropped = 0
                    async for event in events:
                        if isinstance(event, ConnectionStarted):
                            self._ask_soon(host, tasks, event.connection, changed)
                        elif isinstance(event, ConnectionEnded):
                            self._outcomes.forget(event.connection)
                        else:
                            changed.set()
                        if events.dropped > dropped:
                            dropped = events.dropped
                            self._catch_up(host, tasks, changed)
                    tasks.cancel_scope.cancel()
            finally:
                self._outcomes.close()

    def _catch_up(self, host: Host, tasks: TaskGroup, changed: "_Changed") -> None:
        """Events were lost: look at what they would have told."""
        self._outcomes.forget_closed()
        for connection in host.connections:
            self._ask_soon(host, tasks, connection, changed)
        changed.set()

    # --- asking

    def _ask_soon(self, host: Host, tasks: TaskGroup, connection: Connection, changed: "_Changed") -> None:
        if connection not in self._outcomes and connection not in self._asking and not connection.closed:
            self._asking.add(connection)
            tasks.start_soon(self._ask, host, connection, changed, changed.count)

    async def _ask(self, host: Host, connection: Connection, changed: "_Changed", count: int) -> None:
        outcome: PeerIdentified | Exception
        try:
            try:
                with fail_after(self._timeout):
                    async with await connection.open_stream(IDENTIFY) as stream:
                        description = await _receive(stream)
            except TimeoutError:
                raise TimeoutError(f"{connection.remote_peer} did not identify itself in {self._timeout:g} s") from None
            outcome = self._learn(host, connection, description, pushed=False)
        except _FAILURES as error:
            logger.debug("peer %s was not identified: %s", connection.remote_peer, error)
            outcome = _without_frames(error)
        finally:
            self._asking.remove(connection)
        if connection.closed:
            self._outcomes.forget(connection)
        else:
            self._outcomes.set(connection, outcome)
            if changed.count != count:
                # What the peer was told of us is out of date, and a push before now has left it out.
                await self._push_to_each(host, iter((connection,)))

    async def _receive_push(self, stream: Stream) -> None:
        host, connection = self._running_host, stream.connection
        peer = connection.remote_peer
        if self._pushes_taken.take(peer, current_time()):
            with move_on_after(self._timeout):
                description = await _receive(stream)
                identified = self._learn(host, connection, description, pushed=True)
                if not connection.closed:
                    self._outcomes.set(connection, identified)
                return
        else:
            burst = self._pushes_taken.burst
            host.events.emit(LimitHit("identify pushes of one peer at once", burst, burst + 1, peer))
        stream.reset()

    def _learn(self, host: Host, connection: Connection, told: PeerDescription, *, pushed: bool) -> PeerIdentified:
        """Take a description for what it is worth. Of a push, what is missing stays as it was."""
        peer = connection.remote_peer
        store = host.peerstore
        if told.public_key is not None and told.public_key.peer_id != peer:
            raise RemoteProtocolError(f"identify: expected the key of {peer}, got that of {told.public_key.peer_id}")
        if told.excess:
            limit = MAX_PROTOCOLS + MAX_ADDRS
            host.events.emit(LimitHit("protocols and addresses of one peer", limit, limit + told.excess, peer))
        store.add_public_key(peer, connection.remote_public_key)
        addrs = tuple(_usable(told.listen_addrs, connection))
        observed = _observed(told.observed_addr, host)
        if not self._consume_record(host, told, connection) and addrs:
            store.add_addrs(peer, addrs)
        if told.protocols or not pushed:
            store.set_protocols(peer, told.protocols)
        if told.agent_version:
            store.set_agent_version(peer, told.agent_version)
        identified = PeerIdentified(
            peer=peer,
            connection=connection,
            protocols=told.protocols,
            listen_addrs=addrs,
            agent_version=told.agent_version,
            protocol_version=told.protocol_version,
            observed_addr=observed,
            pushed=pushed,
        )
        host.events.emit(identified)
        if observed is not None and not pushed:
            host.events.emit(ObservedAddress(peer, observed))
        return identified

    def _consume_record(self, host: Host, told: PeerDescription, connection: Connection) -> bool:
        """Whether there is a signed record of the peer itself: of anybody else's none is kept."""
        if told.signed_record is None:
            return False
        try:
            envelope = SignedEnvelope.from_bytes(told.signed_record, domain=DOMAIN)
            if envelope.signer != connection.remote_peer:
                raise SecurityError(f"it is signed by {envelope.signer}")
            host.peerstore.consume_record(envelope)
        except (RemoteProtocolError, SecurityError) as error:
            logger.debug("the signed record of peer %s was dropped: %s", connection.remote_peer, error)
            return False
        return True

    # --- telling

    async def _answer(self, stream: Stream) -> None:
        with move_on_after(self._timeout):
            await stream.send(self._description(self._running_host, stream.connection))
            return
        stream.reset()

    async def _push_changes(self, host: Host, changed: "_Changed") -> None:
        while True:
            await changed.wait()
            await sleep(max(self._push_delay, self._pushes_sent.delay(host.peer_id, current_time())))
            changed.clear()
            connections = [host.connections_to(peer)[0] for peer in host.peers]
            if connections:
                self._pushes_sent.take(host.peer_id, current_time())
            remaining = iter(connections)
            async with create_task_group() as tasks:
                for _ in range(min(len(connections), self._max_concurrent_pushes)):
                    tasks.start_soon(self._push_to_each, host, remaining)

    async def _push_to_each(self, host: Host, connections: Iterator[Connection]) -> None:
        for connection in connections:
            if PUSH in host.peerstore.protocols(connection.remote_peer):
                try:
                    with fail_after(self._timeout):
                        async with await connection.open_stream(PUSH) as stream:
                            await stream.send(self._description(host, connection))
                except _FAILURES as error:
                    logger.debug("a push to peer %s failed: %s", connection.remote_peer, error)

    def _description(self, host: Host, connection: Connection) -> bytes:
        """What there is to tell the peer of a connection, framed."""
        addrs = tuple(split_peer(addr)[0] for addr in host.addrs[:_MAX_OWN_ADDRS])
        description = PeerDescription(
            public_key=host.key.public_key,
            listen_addrs=addrs,
            protocols=tuple(host.protocols),
            observed_addr=connection.remote_addr,
            protocol_version=self._protocol_version,
            agent_version=self._agent_version,
            signed_record=self._signed_record(host, addrs),
        )
        return b"".join(map(encode_frame, encode(description)))

    def _signed_record(self, host: Host, addrs: tuple[Multiaddr, ...]) -> bytes | None:
        """The record with these addresses: signed once, not for each peer."""
        if not addrs:
            return None
        if self._record is None or self._record[0] != addrs:
            self._seq = max(self._seq + 1, int((self._clock or host.clock)() * 1e3))
            record = PeerRecord(host.peer_id, self._seq, addrs)
            self._record = addrs, record.seal(host.key).to_bytes()
        return self._record[1]

    @property
    def _running_host(self) -> Host:
        if self._host is None:
            raise LocalProtocolError("Identify is not running: give it to a host")
        return self._host


def _without_frames(error: Exception) -> Exception:
    """An error to keep: the frames that it came through hold all that was at hand there."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


class _Changed:
    """Something to tell of has changed, since it was last told."""

    __slots__ = ("_event", "count")

    def __init__(self) -> None:
        self._event = Event()
        #: how often
        self.count = 0

    def set(self) -> None:
        self.count += 1
        self._event.set()

    def clear(self) -> None:
        self._event = Event()

    async def wait(self) -> None:
        await self._event.wait()


async def _receive(stream: Stream) -> PeerDescription:
    reader = Reader()
    async for data in stream:
        reader.receive_data(data)
    return reader.receive_eof()


def _usable(addrs: tuple[Multiaddr, ...], connection: Connection) -> Iterator[Multiaddr]:
    """The addresses of a peer that mean the same here as there, without `/p2p`: nobody else's, and no loopback address
    of another machine."""
    remote = connection.remote_addr
    elsewhere = ip_of(remote) is not None and reach(remote) is not Reach.LOOPBACK
    for addr in addrs:
        bare, named = split_peer(addr)
        if named in (None, connection.remote_peer) and not (elsewhere and reach(bare) is Reach.LOOPBACK):
            yield bare


def _observed(addr: Multiaddr | None, host: Host) -> Multiaddr | None:
    """Where the peer sees us, without the `/p2p` that js-libp2p puts there; None where it sees somebody else."""
    if addr is None:
        return None
    bare, named = split_peer(addr)
    return bare if named in (None, host.peer_id) else None


@cache
def _own_agent_version() -> str:
    # Loads what parses mail: more than a twentieth of what importing the library takes.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"p2pstack/{version('p2pstack')}"
    except PackageNotFoundError:
        return "p2pstack"
