"""What an application reads: the messages of a topic, or parts of them, from a bounded buffer.

A buffer is full when it holds as many messages, or as many bytes, as it may. What happens then is the application's
choice:

===========================  ===================================================================================
`Overflow.DROP_OLDEST`       the oldest message makes room: who is slow sees what is new
`Overflow.DROP_NEWEST`       the new message is dropped: who is slow sees what came first
`Overflow.WAIT`              nothing is dropped: nothing more is read from any peer until there is room, so that peers,
                             whose queues for us fill, drop instead. Of no use to who must keep a network going
===========================  ===================================================================================
"""

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from anyio import Event

from p2pstack.errors import LocalProtocolError

__all__ = ["Gate", "Item", "Overflow", "Subscriptions", "TopicSubscription"]


class Overflow(Enum):
    """What happens to a message for which a subscription has no room."""

    WAIT = "wait"
    DROP_OLDEST = "drop oldest"
    DROP_NEWEST = "drop newest"


class Gate:
    """Shut while somebody holds it shut."""

    __slots__ = ("_event", "_holders")

    def __init__(self) -> None:
        self._holders = 0
        self._event = Event()

    @property
    def shut(self) -> bool:
        """Whether `wait` would wait."""
        return self._holders > 0

    def hold(self) -> None:
        """Shut it, until `release`."""
        if not self._holders:
            self._event = Event()
        self._holders += 1

    def release(self) -> None:
        """End one `hold`."""
        self._holders -= 1
        if not self._holders:
            self._event.set()

    async def wait(self) -> None:
        """Wait until nobody holds it."""
        while self._holders:
            await self._event.wait()


class Item(Protocol):
    """What there are subscriptions of."""

    @property
    def topic(self) -> str: ...
    @property
    def data(self) -> bytes: ...


T = TypeVar("T", bound=Item)


class TopicSubscription(AsyncIterator[T], AbstractAsyncContextManager["TopicSubscription[T]"]):
    """The messages of a topic, from the moment the `async with` block is entered to when it is left, or the host ends.

    Each message goes to every subscription of its topic. Several tasks may read one subscription: each message then
    goes to one of them.
    """

    __slots__ = (
        "_bytes", "_dropped", "_entered", "_gate", "_holding", "_join", "_leave", "_max_bytes", "_max_messages",
        "_messages", "_on_drop", "_over", "_overflow", "_topic", "_wake",
    )  # fmt: skip

    def __init__(
        self,
        topic: str,
        *,
        buffer: int,
        buffer_bytes: int,
        overflow: Overflow,
        gate: Gate,
        join: Callable[["TopicSubscription[T]"], None],
        leave: Callable[["TopicSubscription[T]"], None],
        on_drop: Callable[["TopicSubscription[T]"], None],
    ) -> None:
        if buffer < 1 or buffer_bytes < 1:
            raise LocalProtocolError(
                f"a subscription buffers at least 1 message and 1 byte, not {buffer} and {buffer_bytes}"
            )
        self._topic = topic
        self._max_messages = buffer
        self._max_bytes = buffer_bytes
        self._overflow = overflow
        self._gate = gate
        self._join = join
        self._leave = leave
        self._on_drop = on_drop
        self._messages: deque[T] = deque()
        self._bytes = 0
        self._dropped = 0
        self._holding = False
        self._wake: Event | None = None
        self._entered = False
        self._over = False

    # --- the application's side

    @property
    def topic(self) -> str:
        """What it is a subscription of."""
        return self._topic

    @property
    def dropped(self) -> int:
        """How many messages found no room."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """How many messages are there to be read."""
        return len(self._messages)

    async def __aenter__(self) -> Self:
        if self._entered:
            raise LocalProtocolError("a subscription can be entered once: make a new one")
        self._entered = True
        self._join(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(self)
        self.end()
        self._messages.clear()
        self._bytes = 0
        self._let_in()

    async def __anext__(self) -> T:
        messages = self._messages
        while not messages:
            if not self._entered:
                raise LocalProtocolError(f"a subscription is read within its block: async with ... as {self._topic}")
            if self._over:
                raise StopAsyncIteration
            if self._wake is None:
                self._wake = Event()
            await self._wake.wait()
        message = messages.popleft()
        self._bytes -= len(message.data)
        if self._holding and 2 * len(messages) <= self._max_messages and 2 * self._bytes <= self._max_bytes:
            self._let_in()
        return message

    # --- the other side

    def put(self, message: T) -> None:
        """Take in a message, by the rule for overflow. Synchronous; where it has to be waited for, the gate is shut."""
        messages = self._messages
        size = len(message.data)
        if len(messages) >= self._max_messages or (self._bytes + size > self._max_bytes and messages):
            if self._overflow is Overflow.DROP_NEWEST:
                self._drop()
                return
            if self._overflow is Overflow.DROP_OLDEST:
                while messages and (len(messages) >= self._max_messages or self._bytes + size > self._max_bytes):
                    self._bytes -= len(messages.popleft().data)
                    self._drop()
        messages.append(message)
        self._bytes += size
        if self._wake is not None:
            self._wake.set()
            self._wake = None
        if (
            self._overflow is Overflow.WAIT
            and not self._holding
            and (len(messages) >= self._max_messages or self._bytes >= self._max_bytes)
        ):
            self._holding = True
            self._gate.hold()

    def end(self) -> None:
        """No more will come: whoever reads gets what is there, and then the end."""
        self._over = True
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    def _drop(self) -> None:
        self._dropped += 1
        self._on_drop(self)

    def _let_in(self) -> None:
        if self._holding:
            self._holding = False
            self._gate.release()


class Subscriptions(Generic[T]):
    """All subscriptions of a kind, by topic."""

    __slots__ = ("_by_topic",)

    def __init__(self) -> None:
        self._by_topic: dict[str, tuple[TopicSubscription[T], ...]] = {}

    def __contains__(self, topic: object) -> bool:
        return topic in self._by_topic

    def add(self, subscription: TopicSubscription[T]) -> bool:
        """Whether it is the first one of its topic."""
        topic = subscription.topic
        others = self._by_topic.get(topic, ())
        self._by_topic[topic] = (*others, subscription)
        return not others

    def remove(self, subscription: TopicSubscription[T]) -> bool:
        """Whether it was the last one of its topic. False, too, where it is not there."""
        topic = subscription.topic
        before = self._by_topic.get(topic, ())
        after = tuple(other for other in before if other is not subscription)
        if after:
            self._by_topic[topic] = after
        else:
            self._by_topic.pop(topic, None)
        return bool(before) and not after

    def deliver(self, message: T) -> None:
        """Hand a message to each subscription of its topic."""
        for subscription in self._by_topic.get(message.topic, ()):
            subscription.put(message)

    def end(self) -> None:
        """End them all: the host has ended."""
        for subscriptions in self._by_topic.values():
            for subscription in subscriptions:
                subscription.end()
