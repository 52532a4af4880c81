"""The peers that speak pubsub, and the streams with them: who comes, who goes, who opens a stream to us.

A peer is met when it identifies itself as one that speaks a protocol of ours, or opens a stream for one. It parts when
its last connection ends, or when no stream to it can be kept open.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from anyio import CancelScope, Event, create_task_group, current_time, move_on_after, sleep
from anyio.abc import TaskGroup, TaskStatus

from p2pstack.abc.connection import Stream
from p2pstack.abc.events import PeerDisconnected, PeerIdentified
from p2pstack.abc.host import Host
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.config import PubSubConfig
from p2pstack.pubsub.outbox import Outbox
from p2pstack.pubsub.streams import PeerStreams

__all__ = ["PeerTable", "TableOwner"]


class TableOwner(Protocol):
    """Who is told of the peers. All but `read` is synchronous."""

    def greet(self, streams: PeerStreams, stream: Stream) -> None:
        """A stream to a peer is open: what is queued for it now goes first."""
        ...

    def part(self, peer: PeerId) -> None:
        """A peer that was greeted is gone."""
        ...

    async def read(self, streams: PeerStreams, stream: Stream) -> None:
        """A peer that was greeted has opened a stream. Returns when that ends in order."""
        ...


class PeerTable:
    """All of them.

    :param protocols: those to speak, the best first
    """

    __slots__ = (
        "_bytes_sent",
        "_config",
        "_host",
        "_make_outbox",
        "_owner",
        "_peers",
        "_protocols",
        "_stopping",
        "tasks",
    )

    def __init__(
        self,
        host: Host,
        owner: TableOwner,
        *,
        protocols: Sequence[str],
        make_outbox: Callable[[], Outbox],
        config: PubSubConfig,
    ) -> None:
        self._host = host
        self._owner = owner
        self._protocols = protocols
        self._make_outbox = make_outbox
        self._config = config
        self._peers: dict[PeerId, PeerStreams] = {}
        self._bytes_sent = 0
        self._stopping = Event()
        #: of the streams; None before and after
        self.tasks: TaskGroup | None = None

    def get(self, peer: PeerId) -> PeerStreams | None:
        """The streams of a peer."""
        return self._peers.get(peer)

    def __len__(self) -> int:
        return len(self._peers)

    @property
    def bytes_sent(self) -> int:
        """Bytes of RPCs sent to all of them, and to those that were here before."""
        return self._bytes_sent + sum(streams.bytes_sent for streams in self._peers.values())

    async def flush(self) -> None:
        """Wait until all that is queued has gone out, but for peers that do not read."""
        for streams in tuple(self._peers.values()):
            while streams.busy:
                await streams.progress()

    # --- life

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Live until cancelled; then let what is queued go out, for a moment, and end."""
        host = self._host
        with host.events.subscribe(PeerIdentified, PeerDisconnected) as events:
            async with create_task_group() as tasks:
                await tasks.start(self._run_streams)
                host.handle(*self._protocols, handler=self._serve)
                try:
                    self._catch_up()
                    task_status.started()
                    dropped = 0
                    async for event in events:
                        if isinstance(event, PeerIdentified):
                            self._meet_if_it_speaks(event.peer)
                        else:
                            self._part(event.peer)
                        if events.dropped > dropped:
                            dropped = events.dropped
                            self._catch_up()
                finally:
                    host.unhandle(*self._protocols)
                    self._stopping.set()

    def _catch_up(self) -> None:
        """Look at what events would have told that were lost, or were there before us."""
        connected = dict.fromkeys(self._host.peers)
        for peer in connected:
            self._meet_if_it_speaks(peer)
        for peer in [peer for peer in self._peers if peer not in connected]:
            self._part(peer)

    async def _run_streams(self, *, task_status: TaskStatus[None]) -> None:
        """Their tasks outlive the cancellation of all else by a moment."""
        with CancelScope(shield=True):
            async with create_task_group() as tasks:
                self.tasks = tasks
                tasks.start_soon(self._expire, name="pubsub writes")
                task_status.started()
                await self._stopping.wait()
                with move_on_after(self._config.close_timeout):
                    await self.flush()
                self.tasks = None
                for streams in self._peers.values():
                    streams.close()
                tasks.cancel_scope.cancel()

    async def _expire(self) -> None:
        """End streams whose peers do not read: one look at all of them now and then, as a deadline for each write would
        cost more than the write. It takes a quarter longer than `write_timeout` at most."""
        timeout = self._config.write_timeout
        while True:
            await sleep(timeout / 4)
            began = current_time() - timeout
            for streams in tuple(self._peers.values()):
                streams.expire(began)

    # --- who comes and goes

    def _meet_if_it_speaks(self, peer: PeerId) -> None:
        if not self._host.peerstore.protocols(peer).isdisjoint(self._protocols):
            self._meet(peer)

    def _meet(self, peer: PeerId) -> PeerStreams | None:
        """The streams of a peer, made if need be; None where all ends."""
        streams = self._peers.get(peer)
        if streams is None and self.tasks is not None:
            streams = PeerStreams(
                peer, self._host, protocols=self._protocols, outbox=self._make_outbox(), config=self._config
            )
            self._peers[peer] = streams
            self.tasks.start_soon(self._keep, streams, name="pubsub peer")
        return streams

    async def _keep(self, streams: PeerStreams) -> None:
        try:
            await streams.run(self._owner.greet)
        finally:
            if self._peers.get(streams.peer) is streams:
                self._part(streams.peer)

    def _part(self, peer: PeerId) -> None:
        streams = self._peers.pop(peer, None)
        if streams is not None:
            streams.close()
            self._bytes_sent += streams.bytes_sent
            if streams.protocol:
                self._owner.part(peer)

    # --- what they open

    async def _serve(self, stream: Stream) -> None:
        """Read a stream that a peer opened, for as long as it is the last one on its connection."""
        streams = self._meet(stream.remote_peer)
        if streams is None:
            stream.reset()
            return
        connection = stream.connection
        if replaced := streams.inbound.get(connection):
            replaced.cancel()
        with CancelScope() as scope:
            streams.inbound[connection] = scope
            try:
                await streams.up.wait()
                if not streams.over:
                    await self._owner.read(streams, stream)
            finally:
                if streams.inbound.get(connection) is scope:
                    del streams.inbound[connection]
        if streams.over or scope.cancel_called:
            stream.reset()
