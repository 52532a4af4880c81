"""Peers that mean harm: services that speak gossipsub by hand, and not as they should.

=============  ========================================================================================
kind           in the mesh like anybody else, but
=============  ========================================================================================
`Silent`       passes nothing on
`Dropper`      passes on every second message, by chance
`Delayer`      passes on all, late
`Replayer`     passes on all, ten times
`Forger`       passes on what it has changed, under the name, number and signature of its author
`Announcer`    announces messages that are not there, hundreds at a time, so that others wait for them
`Asker`        asks for all that it has heard of, again and again
`Grafter`      grafts itself anew whenever it is pruned, and many times while it is
`Pruner`       prunes, with addresses of peers that are nobody, and grafts itself again
`Crowd`        subscribes to hundreds of topics, and leaves them
=============  ========================================================================================

    Simulation(nodes=20, services=lambda: [GossipSub()]), then, before it is entered,
    net.nodes[0].make_services = lambda: [Forger("news", random=net.random)]

None publishes, and none answers who asks. Whoever reads a topic among them should not notice.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from anyio import (
    BrokenResourceError,
    BusyResourceError,
    ClosedResourceError,
    EndOfStream,
    create_task_group,
    move_on_after,
    sleep,
)
from anyio.abc import TaskGroup, TaskStatus

from p2pstack.abc.connection import Connection, Stream
from p2pstack.abc.events import PeerIdentified
from p2pstack.abc.host import Host
from p2pstack.errors import P2PError
from p2pstack.identity.ed25519 import Ed25519PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.codec import RPCDecoder, encode
from p2pstack.pubsub.fields import encode_field
from p2pstack.pubsub.rpc import RPC, Graft, IHave, IWant, Prune, RawMessage, Subscribe
from p2pstack.wire.framing import encode_frame

__all__ = ["KINDS", "Hostile"]

_PROTOCOL = "/meshsub/1.1.0"
#: messages that are remembered to do something with
_HEARD = 100
_BROKEN = (P2PError, EndOfStream, BrokenResourceError, ClosedResourceError, TimeoutError)


class Hostile:
    """A service that joins the mesh of a topic.

    :param topic: where it does harm
    :param random: where chance comes from
    :param every: seconds between what it does by itself
    """

    def __init__(self, topic: str, *, random: Random, every: float = 0.5) -> None:
        self.topic = topic
        self.random = random
        self._every = every
        self._streams: dict[PeerId, Stream] = {}
        self._tasks: TaskGroup | None = None
        self._known: dict[tuple[bytes | None, bytes | None], None] = {}
        #: messages that it has heard of late
        self.heard: deque[RawMessage] = deque(maxlen=_HEARD)

    # --- what kinds do

    async def harm(self, peer: PeerId) -> None:
        """Do something to a peer, now and then."""

    async def hear(self, peer: PeerId, message: RawMessage) -> None:
        """A message came for the first time."""

    # --- what they have for it

    async def say(self, peer: PeerId, rpc: RPC) -> None:
        """Send something to a peer, unless it does not listen."""
        if stream := self._streams.get(peer):
            with move_on_after(10):
                try:
                    await stream.send(b"".join(map(encode_frame, encode(rpc))))
                except BusyResourceError:
                    return  # it has still to take what it was told before
                except _BROKEN:
                    self._streams.pop(peer, None)

    async def pass_on(self, peer: PeerId, message: RawMessage) -> None:
        """Send a message to all but the peer that brought it."""
        for other in tuple(self._streams):
            if other != peer:
                await self.say(other, RPC(messages=[message]))

    @property
    def ids(self) -> list[bytes]:
        """The ids of messages that it has heard of late."""
        return [(message.source or b"") + (message.sequence or b"") for message in self.heard]

    # --- life

    async def run(self, host: Host, *, task_status: TaskStatus[None]) -> None:
        """Live until the host ends."""
        host.handle(_PROTOCOL, handler=self._serve)
        with host.events.subscribe(PeerIdentified) as events:
            async with create_task_group() as self._tasks:
                task_status.started()
                async for event in events:
                    if event.peer not in self._streams and not event.pushed:
                        self._tasks.start_soon(self._meet, event.connection)

    async def _meet(self, connection: Connection) -> None:
        peer = connection.remote_peer
        try:
            async with await connection.open_stream(_PROTOCOL) as stream:
                self._streams[peer] = stream
                await self.say(peer, RPC(subscriptions=[Subscribe(self.topic)]))
                while self._streams.get(peer) is stream:
                    await self.say(peer, RPC(graft=[Graft(self.topic)]))
                    for _ in range(20):
                        await sleep(self._every * self.random.uniform(0.5, 1.5))
                        await self.harm(peer)
        except _BROKEN:
            self._streams.pop(peer, None)

    async def _serve(self, stream: Stream) -> None:
        decoder = RPCDecoder()
        async for data in stream:
            decoder.receive_data(data)
            while (rpc := decoder.next_rpc()) is not None:
                for message in rpc.messages:
                    if (name := (message.source, message.sequence)) not in self._known:
                        self._known[name] = None
                        self.heard.append(message)
                        if self._tasks is not None:
                            self._tasks.start_soon(self.hear, stream.remote_peer, message)


class Silent(Hostile):
    """Passes nothing on."""


class Dropper(Hostile):
    """Passes on every second message."""

    async def hear(self, peer: PeerId, message: RawMessage) -> None:
        if self.random.random() < 0.5:
            await self.pass_on(peer, message)


class Delayer(Hostile):
    """Passes on all, late."""

    async def hear(self, peer: PeerId, message: RawMessage) -> None:
        await sleep(self.random.uniform(1, 5))
        await self.pass_on(peer, message)


class Replayer(Hostile):
    """Passes on all, again and again."""

    async def hear(self, peer: PeerId, message: RawMessage) -> None:
        for _ in range(10):
            await self.pass_on(peer, message)
            await sleep(self.random.uniform(0, 1))


class Forger(Hostile):
    """Passes on what it has changed."""

    async def hear(self, peer: PeerId, message: RawMessage) -> None:
        data = self.random.randbytes(len(message.data))
        fields = {0x0A: message.source, 0x12: data, 0x1A: message.sequence, 0x22: message.topic.encode()}
        fields |= {0x2A: message.signature, 0x32: message.key}
        forged = b"".join(encode_field(b"%c" % key, value) for key, value in fields.items() if value is not None)
        await self.pass_on(peer, replace(message, data=data, encoded=forged))


class Announcer(Hostile):
    """Announces messages that are not there."""

    async def harm(self, peer: PeerId) -> None:
        ids = [self.random.randbytes(42) for _ in range(300)]
        await self.say(peer, RPC(ihave=[IHave(self.topic, ids)]))


class Asker(Hostile):
    """Asks for all, again and again."""

    async def harm(self, peer: PeerId) -> None:
        if ids := self.ids:
            await self.say(peer, RPC(iwant=[IWant(ids * 3)]))


class Grafter(Hostile):
    """Grafts itself all the time."""

    async def harm(self, peer: PeerId) -> None:
        await self.say(peer, RPC(graft=[Graft(self.topic)] * 3))


class Pruner(Hostile):
    """Prunes, and names peers that are nobody."""

    async def harm(self, peer: PeerId) -> None:
        strangers = [(Ed25519PrivateKey.from_seed(self.random.randbytes(32)).peer_id, None) for _ in range(10)]
        await self.say(peer, RPC(prune=[Prune(self.topic, 1, strangers)]))
        await self.say(peer, RPC(graft=[Graft(self.topic)]))


class Crowd(Hostile):
    """Joins hundreds of topics, and leaves them."""

    async def harm(self, peer: PeerId) -> None:
        topics = [f"{self.random.randrange(10_000)}" for _ in range(100)]
        for subscribe in (True, False):
            await self.say(peer, RPC(subscriptions=[Subscribe(topic, subscribe) for topic in topics]))


#: all of them
KINDS: Sequence[type[Hostile]] = (
    Silent, Dropper, Delayer, Replayer, Forger, Announcer, Asker, Grafter, Pruner, Crowd,
)  # fmt: skip
