"""What makes a router live: streams bring what peers say, a timer tells the time, and its actions are carried out.

Everything that changes the router is synchronous, and so whole. The tasks around it:

==================  ==============================================================================================
one for each peer   keeps a stream open to it, and writes what is queued for it (`streams.py`)
its child           sees that stream end
one for a stream    that a peer opened: receives, decodes, asks the router; waits while there is much to check
the turns           checks what came in a turn of the event loop, and sends what that led to (`turns.py`)
the timer           sleeps until the router's deadline
==================  ==============================================================================================
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from anyio import Event, create_task_group, current_time, move_on_after, move_on_at
from anyio.abc import TaskStatus

from p2pstack.abc.connection import Direction, Stream
from p2pstack.abc.host import Host
from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.address import ip_of
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Action, Connect, Deliver, DeliverPartial, Discard, Forward, Send, Validate
from p2pstack.pubsub.codec import RPCDecoder
from p2pstack.pubsub.config import PubSubConfig
from p2pstack.pubsub.connector import Connector
from p2pstack.pubsub.events import Grafted, PeerJoined, PubSubEvent, SendDropped
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.outbox import Outbox
from p2pstack.pubsub.received_parts import ReceivedParts
from p2pstack.pubsub.router import Link, Router
from p2pstack.pubsub.streams import PeerStreams
from p2pstack.pubsub.subscription import Gate, Item, Overflow, Subscriptions, TopicSubscription
from p2pstack.pubsub.table import PeerTable
from p2pstack.pubsub.turns import Turns
from p2pstack.pubsub.validation import Outcome, Validation, Verdict

__all__ = ["Driver"]

T = TypeVar("T", bound=Item)


class Driver:
    """A router in a host.

    :param validation: checks messages, and has `settle` called with what became of them
    """

    def __init__(
        self,
        host: Host,
        router: Router,
        *,
        validation: Validation,
        config: PubSubConfig,
        make_outbox: Callable[[], Outbox],
        make_decoder: Callable[[], RPCDecoder],
    ) -> None:
        self.host = host
        self.router = router
        self.messages = Subscriptions[Message]()
        self.parts = Subscriptions[ReceivedParts]()
        self.gate = Gate()
        #: how many actions and events of each class there were
        self.counts: Counter[type] = Counter()
        self.bytes_received = 0
        self.table = PeerTable(host, self, protocols=router.protocols, make_outbox=make_outbox, config=config)
        self._validation = validation
        self._config = config
        self._make_decoder = make_decoder
        self._turns = Turns(validation, self.gate)
        self._carry_out: dict[type, Callable[[Any], None]] = {
            Send: self._send,
            Forward: self._forward,
            Discard: self._discard,
            Validate: self._turns.check,
            Deliver: self._deliver,
            DeliverPartial: self._deliver_parts,
            Connect: Connector(host, config, self.table).connect,
            PeerJoined: self._reached,
            Grafted: self._reached,
        }
        self._due = float("inf")
        self._moved = Event()
        self._reach = Event()
        self._over = False
        self._queued = 0  # messages, each for each peer

    # --- life

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Live until cancelled; then let what is queued go out, for a moment, and end."""
        try:
            async with create_task_group() as tasks:
                await tasks.start(self._validation.run)
                await tasks.start(self.table.run)
                tasks.start_soon(self._keep_time, name="pubsub timer")
                tasks.start_soon(self._turns.run, name="pubsub turns")
                task_status.started()
        finally:
            self._over = True
            self._reach.set()
            self.messages.end()
            self.parts.end()

    # --- peers

    def greet(self, streams: PeerStreams, stream: Stream) -> None:
        """A stream to a peer is open."""
        peer, router, now = streams.peer, self.router, current_time()
        if lost := streams.outbox.clear():
            self._dropped(peer, "message", lost)
        if streams.protocol == stream.protocol:
            self.perform(router.greet_again(peer, now))
            return
        if streams.protocol:
            self.perform(router.remove_peer(peer, now))
        streams.heard = False
        connection = stream.connection
        ip = ip_of(connection.remote_addr)
        link = Link(
            stream.protocol,
            outbound=connection.direction is Direction.OUTBOUND,
            ip=None if ip is None else str(ip),
        )
        self.perform(router.add_peer(peer, link, now))

    def part(self, peer: PeerId) -> None:
        """A peer is gone."""
        self.perform(self.router.remove_peer(peer, current_time()))

    async def read(self, streams: PeerStreams, stream: Stream) -> None:
        """Take what a peer says on a stream, for as long as that lives."""
        if streams.heard:
            self.router.restart_peer(streams.peer)
        streams.heard = True
        await self._turns.listen(stream, partial(self._hear, streams.peer, self._make_decoder()))

    def _hear(self, peer: PeerId, decoder: RPCDecoder, data: bytes) -> None:
        """Take some of what a peer says."""
        router, now = self.router, current_time()
        self.bytes_received += len(data)
        decoder.receive_data(data)
        try:
            while (rpc := decoder.next_rpc()) is not None:
                self.perform(router.receive(peer, rpc, now))
        except RemoteProtocolError as error:
            self.perform(router.misbehaved(peer, str(error), now))
            raise

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Messages have been checked."""
        router, now = self.router, current_time()
        actions: list[Action] = []
        for outcome in outcomes:
            match outcome.verdict:
                case Verdict.ACCEPT:
                    actions += router.accept(outcome.message, now)
                case Verdict.REJECT:
                    actions += router.reject(outcome.message, outcome.reason, now)
                case Verdict.IGNORE:
                    actions += router.ignore(outcome.message, outcome.reason, now)
        self.perform(actions)

    # --- what the application does

    def subscribe(
        self, of: Subscriptions[T], topic: str, *, buffer: int, buffer_bytes: int, overflow: Overflow
    ) -> TopicSubscription[T]:
        """A subscription of messages, or of parts: the topic is joined when the first of either begins, and left when
        the last one ends."""
        return TopicSubscription(
            topic,
            buffer=buffer,
            buffer_bytes=buffer_bytes,
            overflow=overflow,
            gate=self.gate,
            join=partial(self._join, of),
            leave=partial(self._leave, of),
            on_drop=self._dropped_by,
        )

    def joined(self, topic: str) -> bool:
        """Whether there is any subscription of a topic."""
        return topic in self.messages or topic in self.parts

    def _join(self, of: Subscriptions[T], subscription: TopicSubscription[T]) -> None:
        self._expect_running()
        if not self.joined(subscription.topic):
            self.perform(self.router.subscribe(subscription.topic, current_time()))
        of.add(subscription)

    def _expect_running(self) -> None:
        if self._over:
            raise LocalProtocolError("the host has ended: make a new one")

    def _leave(self, of: Subscriptions[T], subscription: TopicSubscription[T]) -> None:
        if of.remove(subscription) and not self._over and not self.joined(subscription.topic):
            self.perform(self.router.unsubscribe(subscription.topic, current_time()))

    def _dropped_by(self, subscription: TopicSubscription[Any]) -> None:
        self._dropped(None, f"message of {subscription.topic}", 1)

    async def publish(self, message: Message) -> int:
        """Send a message of our own. How many peers it is queued for; waits for those with full queues, for a while."""
        self._expect_running()
        actions = self.router.publish(message, current_time())
        queued = self._queued
        self.perform(actions)
        count = self._queued - queued
        crowded: list[PeerStreams] = []
        for action in actions:
            if type(action) is Forward:
                crowded += [streams for peer in action.peers if (streams := self.table.get(peer)) and streams.crowded]
        if crowded or self.gate.shut:
            await self._wait_for_room(message.topic, crowded)
        return count

    async def _wait_for_room(self, topic: str, crowded: Sequence[PeerStreams]) -> None:
        with move_on_after(self._config.publish_patience):
            if topic in self.messages:  # else who does not read may be waiting for this very call
                await self.gate.wait()
            for streams in crowded:
                while streams.crowded:
                    await streams.progress()
            return
        for streams in crowded:
            streams.stalled = streams.crowded

    async def wait_for_mesh(self, topic: str, peers: int) -> None:
        """Wait until messages of a topic go to so many peers."""
        router = self.router
        while len(router.mesh(topic) if topic in router.topics else router.peers(topic)) < peers:
            self._expect_running()
            await self._reach.wait()

    # --- what the router wants done

    def perform(self, actions: Sequence[Action]) -> None:
        """Carry out actions, in order, and set the timer to what they may have changed."""
        counts, carry_out, emit = self.counts, self._carry_out, self.host.events.emit
        for action in actions:
            kind = type(action)
            counts[kind] += 1
            carry_out.get(kind, emit)(action)
        due = self.router.deadline()
        if due is not None and due < self._due:
            self._moved.set()

    def _send(self, action: Send) -> None:
        if streams := self.table.get(action.peer):
            if dropped := streams.outbox.put(action.rpc):
                self._dropped(action.peer, "control", dropped)
            self._turns.rouse(streams)

    def _forward(self, action: Forward) -> None:
        message = action.message
        for peer in action.peers:
            if streams := self.table.get(peer):
                if streams.outbox.put_message(message):
                    self._queued += 1
                    self._turns.rouse(streams)
                else:
                    self._dropped(peer, "message", 1)

    def _dropped(self, peer: PeerId | None, what: str, count: int) -> None:
        self.counts[SendDropped] += count
        self.host.events.emit(SendDropped(peer, what, count))

    def _discard(self, action: Discard) -> None:
        if streams := self.table.get(action.peer):
            streams.outbox.discard(action.ids)

    def _deliver(self, action: Deliver) -> None:
        self.messages.deliver(action.message)

    def _deliver_parts(self, action: DeliverPartial) -> None:
        self.parts.deliver(ReceivedParts.of(action.peer, action.partial))

    def _reached(self, event: PubSubEvent) -> None:
        self._reach.set()
        self._reach = Event()
        self.host.events.emit(event)

    # --- time

    async def _keep_time(self) -> None:
        while True:
            due = self.router.deadline()
            self._due = float("inf") if due is None else due
            self._moved = Event()
            with move_on_at(self._due):
                await self._moved.wait()
            now = current_time()
            if now >= self._due:
                self.perform(self.router.on_deadline(now))
