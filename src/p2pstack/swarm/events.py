"""The event bus: synchronous to emit on, bounded to listen to."""

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from anyio import Event as Flag
from anyio.lowlevel import checkpoint

from p2pstack.abc.events import Event, EventBus, Subscription
from p2pstack.errors import LocalProtocolError

__all__ = ["Bus"]

E = TypeVar("E", bound=Event)


class Bus(EventBus):
    """Hands each event to every subscription that asked for its class. A subscription that is full loses the event and
    counts it; nobody waits for a slow subscriber."""

    __slots__ = ("_closed", "_interested", "_subscriptions")

    def __init__(self) -> None:
        self._subscriptions: list[_BufferedSubscription[Any]] = []
        #: by class of event, as far as there were any since the subscriptions last changed
        self._interested: dict[type[Event], tuple[_BufferedSubscription[Any], ...]] = {}
        self._closed = False

    def subscribe(self, *kinds: type[E], buffer: int = 1024) -> Subscription[E]:
        if buffer < 1:
            raise LocalProtocolError(f"a subscription buffers at least 1 event, not {buffer}")
        subscription = _BufferedSubscription[E](kinds, buffer, self._forget)
        self._subscriptions.append(subscription)
        self._interested.clear()
        if self._closed:
            subscription.close()
        return subscription

    def emit(self, event: Event) -> None:
        kind = type(event)
        interested = self._interested.get(kind)
        if interested is None:
            subscriptions = self._subscriptions
            interested = tuple(each for each in subscriptions if not each.kinds or issubclass(kind, each.kinds))
            self._interested[kind] = interested
        for subscription in interested:
            subscription.put(event)

    def _forget(self, subscription: "_BufferedSubscription[Any]") -> None:
        self._subscriptions.remove(subscription)
        self._interested.clear()

    def close(self) -> None:
        """End every subscription, behind the events it still holds; later ones end at once."""
        self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription.close()


class _BufferedSubscription(Subscription[E]):
    __slots__ = ("_closed", "_dropped", "_events", "_forget", "_limit", "_wake", "kinds")

    def __init__(
        self, kinds: tuple[type[E], ...], limit: int, forget: Callable[["_BufferedSubscription[E]"], None]
    ) -> None:
        self.kinds = kinds
        self._limit = limit
        self._forget = forget
        self._events: deque[E] = deque()
        self._dropped = 0
        self._wake: Flag | None = None
        self._closed = False

    def put(self, event: E) -> None:
        if len(self._events) >= self._limit:
            self._dropped += 1
            return
        self._events.append(event)
        self._wake_up()

    @property
    def dropped(self) -> int:
        return self._dropped

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._forget(self)
            self._wake_up()

    def _wake_up(self) -> None:
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    async def __anext__(self) -> E:
        await checkpoint()
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            if self._wake is None:
                self._wake = Flag()
            await self._wake.wait()
        return self._events.popleft()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
