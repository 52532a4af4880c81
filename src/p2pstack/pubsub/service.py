"""What an application holds in its hand: subscribe, publish, look.

A `PubSub` is made before its host, and lives in it as a service. `GossipSub` and `FloodSub` make one each.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, TypeVar

from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint

from p2pstack.abc.events import Event
from p2pstack.abc.host import Host
from p2pstack.errors import LocalProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.admission import Admission
from p2pstack.pubsub.codec import RPCDecoder
from p2pstack.pubsub.config import PubSubConfig
from p2pstack.pubsub.driver import Driver
from p2pstack.pubsub.fields import name_of_topic
from p2pstack.pubsub.filter import SubscriptionFilter
from p2pstack.pubsub.identifiers import MessageId, data_hash, source_and_sequence
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.outbox import Outbox
from p2pstack.pubsub.router import Router
from p2pstack.pubsub.signing import Author, SigningPolicy
from p2pstack.pubsub.stats import PubSubStats
from p2pstack.pubsub.subscription import Overflow, TopicSubscription
from p2pstack.pubsub.validation import Outcome, Validation, ValidationConfig, Validator, Verdict

__all__ = ["PubSub", "PubSubOptions", "Published"]

V = TypeVar("V", bound=Validator)

#: after so many publishings, none of which had to wait, others get their turn
_YIELD_AFTER = 32


class PubSubOptions(TypedDict, total=False):
    """The parameters of `PubSub`, for those who have some more."""

    signing: SigningPolicy
    message_id: MessageId | None
    message_ids: Mapping[str, MessageId] | None
    subscription_filter: SubscriptionFilter | None
    blacklist: Collection[PeerId]
    seen_ttl: float
    validation: ValidationConfig | None
    service: PubSubConfig | None


@dataclass(frozen=True, slots=True)
class _State:
    """What there is once the host runs."""

    peer: PeerId
    driver: Driver
    author: Author
    admission: Admission


@dataclass(frozen=True, slots=True)
class Published:
    """What became of a message that was published."""

    #: What the network knows it by.
    id: bytes
    #: How many peers it was sent to, or queued for: those will send it on.
    peers: int


class PubSub(ABC):
    """Publish and subscribe, in a host: `Host(services=[pubsub])`. What is the same in a whole network is marked so.

    :param signing: whether own messages are signed, and those of others must be [network]
    :param message_id: what tells messages apart: author and sequence number where messages are signed, and a hash of
        the data where they are not, unless given [network]
    :param message_ids: other functions for single topics [network]
    :param subscription_filter: which topics may be joined, by us and by peers, and how many by one peer
    :param blacklist: whose messages are refused, whether they wrote them or only brought them
    :param seen_ttl: seconds for which a message is known again
    :param validation: how many messages are validated at a time, and for how long
    :param service: deadlines and limits of streams and queues
    """

    def __init__(
        self,
        *,
        signing: SigningPolicy = SigningPolicy.STRICT_SIGN,
        message_id: MessageId | None = None,
        message_ids: Mapping[str, MessageId] | None = None,
        subscription_filter: SubscriptionFilter | None = None,
        blacklist: Collection[PeerId] = (),
        seen_ttl: float = 120.0,
        validation: ValidationConfig | None = None,
        service: PubSubConfig | None = None,
    ) -> None:
        self._signing = signing
        self._message_id = message_id or (source_and_sequence if signing.signs else data_hash)
        self._message_ids = dict(message_ids or {})
        self._filter = subscription_filter or SubscriptionFilter()
        self._blacklist = frozenset(blacklist)
        self._seen_ttl = seen_ttl
        self._validation = Validation(self._settle, verified=self._verified, emit=self._emit, config=validation)
        self._config = service or PubSubConfig()
        self._state: _State | None = None
        self._credit = _YIELD_AFTER

    @abstractmethod
    def _make_router(self, host: Host, admission: Admission, subscription_filter: SubscriptionFilter) -> Router:
        """The router that decides."""

    async def run(self, host: Host, *, task_status: TaskStatus[None]) -> None:
        """Live: called by the host."""
        if self._state is not None:
            raise LocalProtocolError(f"a {type(self).__name__} lives in one host, once: make a new one")
        config, size = self._config, self._config.max_rpc_size
        admission = Admission(
            local_peer=host.peer_id,
            check=self._signing.check,
            message_id=self._message_id,
            message_ids=self._message_ids,
            seen_ttl=self._seen_ttl,
            blacklist=self._blacklist,
        )
        driver = Driver(
            host,
            self._make_router(host, admission, self._filter),
            validation=self._validation,
            config=config,
            make_outbox=lambda: Outbox(max_size=size),
            make_decoder=lambda: RPCDecoder(max_size=size),
        )
        first_sequence = int(host.clock() * 1e9) if config.clock is None else config.clock()
        author = Author(host.key, self._signing, first_sequence=first_sequence, max_size=size)
        self._state = _State(host.peer_id, driver, author, admission)
        await driver.run(task_status=task_status)

    # --- to take part

    def subscribe(
        self,
        topic: str,
        *,
        buffer: int = 1024,
        buffer_bytes: int = 1 << 26,
        overflow: Overflow = Overflow.DROP_OLDEST,
    ) -> TopicSubscription[Message]:
        """The messages of a topic: `async with pubsub.subscribe("news") as news:`, then `async for message in news:`.

        :param buffer: messages that wait to be read at most
        :param buffer_bytes: bytes of their data at most; a single message may be larger
        :param overflow: what happens to those that come when it is full
        :raises LocalProtocolError: there is no room in it, the subscription filter does not let the topic in, or the
            host does not run
        """
        driver = self._driver
        self._check_topic(topic)
        return driver.subscribe(driver.messages, topic, buffer=buffer, buffer_bytes=buffer_bytes, overflow=overflow)

    def _check_topic(self, topic: str) -> None:
        if not self._filter.allows(topic):
            raise LocalProtocolError(f"expected a topic that the subscription filter lets in, got {topic!r:.100}")
        name_of_topic(topic)

    async def publish(
        self, topic: str, data: bytes | bytearray | memoryview, *, wait_for_mesh: bool = False
    ) -> Published:
        """Publish a message: to subscribers here, and to peers.

        It waits while queues of peers are full that do read, for a second at most.

        :param wait_for_mesh: wait until there is somebody to send it to, as `wait_for_mesh` does
        :raises LocalProtocolError: no topic, or the host does not run
        :raises LimitExceeded: the message is larger than the network takes
        """
        driver = self._driver
        message = self._write(topic, data)
        if wait_for_mesh:
            await driver.wait_for_mesh(topic, 1)
        outcome = await self._validation.judge(message)
        if outcome.verdict is not Verdict.ACCEPT:
            raise LocalProtocolError(f"a message to {topic} was not published: {outcome.reason}")
        peers = await driver.publish(message)
        self._credit -= 1
        if not self._credit:
            self._credit = _YIELD_AFTER
            await checkpoint()
        return Published(message.id, peers)

    def _write(self, topic: str, data: bytes | bytearray | memoryview) -> Message:
        state = self._running
        raw = state.author.write(topic, data)
        source = state.peer if self._signing.signs else None
        return state.admission.identify(Message(source, topic, raw.data, raw.sequence, b"", state.peer, raw.encoded))

    async def wait_for_mesh(self, topic: str, *, peers: int = 1) -> None:
        """Wait until messages published to a topic go to so many peers: those of the mesh where we are in the topic,
        all that are in the topic where we are not. There is no deadline but yours: `anyio.fail_after`."""
        await self._driver.wait_for_mesh(topic, peers)

    async def flush(self) -> None:
        """Wait until all that was published has been handed to the network, but for peers that do not read."""
        await self._driver.table.flush()

    # --- to say what is valid

    def add_validator(self, topic: str | None, validator: Validator) -> None:
        """Ask `validator` about each message of a topic, or of all topics where None is given: those of peers, once
        their signature holds, and our own. It says `Verdict.ACCEPT`, `REJECT` or `IGNORE` (or True, or False, which
        rejects). An async function may take its time: `ValidationConfig` says how much, and for how many messages."""
        self._validation.add(topic, validator)

    def remove_validator(self, topic: str | None, validator: Validator) -> None:
        """Ask it no more.

        :raises LocalProtocolError: it was not asked
        """
        self._validation.remove(topic, validator)

    def validator(self, topic: str | None = None) -> Callable[[V], V]:
        """`add_validator` as a decorator: `@pubsub.validator("news")`."""

        def add(validator: V) -> V:
            self.add_validator(topic, validator)
            return validator

        return add

    # --- to look at

    @property
    def topics(self) -> Collection[str]:
        """The topics that we are in."""
        return tuple(self._driver.router.topics)

    def peers(self, topic: str | None = None) -> Collection[PeerId]:
        """The peers in a topic; all that speak our protocols where none is named."""
        return tuple(self._driver.router.peers(topic))

    def mesh(self, topic: str) -> Collection[PeerId]:
        """The peers that we exchange a topic's messages with."""
        return tuple(self._driver.router.mesh(topic))

    def score(self, peer: PeerId) -> float:
        """What a peer is worth to us: below 0 it has misbehaved; 0.0 where nothing is known of it."""
        return self._driver.router.score(peer)

    @property
    def stats(self) -> PubSubStats:
        """Figures of what has been done. What happens is told by `host.events`, as events of `PubSubEvent`."""
        driver = self._driver
        return PubSubStats.of(
            driver.counts,
            peers=len(driver.table),
            bytes_sent=driver.table.bytes_sent,
            bytes_received=driver.bytes_received,
        )

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        self._driver.settle(outcomes)

    def _verified(self, message: Message) -> None:
        driver = self._driver
        driver.perform(driver.router.verified(message))

    def _emit(self, event: Event) -> None:
        self._driver.host.events.emit(event)

    @property
    def _driver(self) -> Driver:
        return self._running.driver

    @property
    def _running(self) -> _State:
        if self._state is None:
            raise LocalProtocolError(
                f"{type(self).__name__} is not running: give it to a host, Host(services=[pubsub]), and use it within "
                "`async with host:`"
            )
        return self._state
