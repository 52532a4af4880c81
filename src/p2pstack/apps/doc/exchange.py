"""Bringing two copies of a document together: each side tells what it has, and gets what it lacks.

Gossip is fast and may lose; this finds out and repairs.

====================================  ==================================================================================
a member connects (we dialled)        exchange with it at once
gossip brings what cannot be used yet exchange with whoever brought it, if what it needs has not come in a moment
an exchange brings something          exchange with all members, if gossip does not bring it, too: they may not have it
an update is too large for gossip     exchange with all members
nothing of all that                   exchange with some member every `interval` seconds, give or take half
====================================  ==================================================================================

Wire, on a stream of its own, each message behind its length as an unsigned varint: both sides send Yjs' `STATE`, and
answer the other's with `MISSING`. Then the stream is closed. An exchange has `DEADLINE` seconds, a peer one at a time
with us, and all peers together `MAX_EXCHANGES`.
"""

import logging
from collections.abc import Callable, Collection, Iterable

from anyio import CapacityLimiter, EndOfStream, Event, create_task_group, current_time, fail_after, move_on_after
from anyio.abc import TaskStatus

from p2pstack import (
    AbstractHost,
    Direction,
    Messages,
    P2PError,
    PeerDisconnected,
    PeerId,
    PeerIdentified,
    RemoteProtocolError,
    Stream,
    Subscription,
)
from p2pstack.apps.doc.document import EMPTY, MAX_DOCUMENT, Document
from p2pstack.apps.doc.messages import Kind, decode, encode

__all__ = ["DEADLINE", "MAX_EXCHANGES", "MAX_MESSAGE", "Exchanges"]

logger = logging.getLogger(__name__)

#: seconds of one exchange
DEADLINE = 30.0
#: exchanges at a time that we began; and as many that peers began
MAX_EXCHANGES = 8
#: bytes of one message: a whole document, and what is around it
MAX_MESSAGE = MAX_DOCUMENT + 65_536
#: seconds from one exchange with a peer to the next, and after one in which it broke the rules
_PAUSE = 0.25
_PENALTY = 60.0


class Exchanges:
    """Keeps a document like those of the members that are connected.

    :param protocol: what members speak, the ones of this document only
    :param learn: takes an update that a peer sent
    :param interval: seconds between two exchanges for no reason, on average
    """

    def __init__(
        self, protocol: str, document: Document, *, learn: Callable[[bytes, PeerId], None], interval: float
    ) -> None:
        self._protocol = protocol
        self._document = document
        self._learn = learn
        self._interval = interval
        self._due: dict[PeerId, float] = {}
        self._not_before: dict[PeerId, float] = {}
        self._busy: set[PeerId] = set()
        self._wake = Event()
        self._ours = CapacityLimiter(MAX_EXCHANGES)
        self._theirs = CapacityLimiter(MAX_EXCHANGES)
        self._host: AbstractHost | None = None
        #: how many were made, and how many failed
        self.made = self.failed = 0

    @property
    def members(self) -> Collection[PeerId]:
        """The peers connected that have this document."""
        host = self._host
        return [] if host is None else [p for p in host.peers if self._protocol in host.peerstore.protocols(p)]

    def ask(self, peers: Iterable[PeerId], *, delay: float = 0.0) -> None:
        """Exchange with these, in so many seconds."""
        for peer in peers:
            at = max(current_time() + delay, self._not_before.get(peer, 0.0))
            self._due[peer] = min(at, self._due.get(peer, at))
        self._wake.set()

    async def run(self, host: AbstractHost, *, task_status: TaskStatus[None]) -> None:
        """Live."""
        self._host = host
        host.handle(self._protocol, handler=self._answer, max_streams_per_peer=1)
        with host.events.subscribe(PeerIdentified, PeerDisconnected) as events:
            async with create_task_group() as tasks:
                tasks.start_soon(self._welcome, host, events)
                task_status.started()
                look_at = current_time() + self._interval * host.random.uniform(0.5, 1.5)
                while True:
                    now = current_time()
                    if look_at <= now:
                        look_at = now + self._interval * host.random.uniform(0.5, 1.5)
                        if members := self.members:
                            self.ask([host.random.choice(list(members))])
                    waiting = {peer: at for peer, at in self._due.items() if peer not in self._busy}
                    for peer in [peer for peer, at in waiting.items() if at <= now]:
                        del self._due[peer], waiting[peer]
                        self._busy.add(peer)
                        tasks.start_soon(self._exchange, host, peer)
                    self._wake = Event()
                    with move_on_after(max(0.0, min([look_at, *waiting.values()]) - now)):
                        await self._wake.wait()

    async def _welcome(self, host: AbstractHost, events: Subscription[PeerIdentified | PeerDisconnected]) -> None:
        async for event in events:
            if isinstance(event, PeerDisconnected):
                self._due.pop(event.peer, None)
                self._not_before.pop(event.peer, None)
            elif event.peer in self.members and not event.pushed:
                dialled = any(c.direction is Direction.OUTBOUND for c in host.connections_to(event.peer))
                self.ask([event.peer], delay=0.0 if dialled else self._interval / 2)

    async def _exchange(self, host: AbstractHost, peer: PeerId) -> None:
        pause = _PAUSE
        try:
            async with self._ours:
                with fail_after(DEADLINE):
                    async with await host.open_stream(peer, self._protocol) as stream:
                        messages = Messages(stream, limit=MAX_MESSAGE, what="document message")
                        await messages.send(encode(Kind.STATE, self._document.state))
                        missing = self._document.update(await _expect(messages, Kind.STATE))
                        self._take(await _expect(messages, Kind.MISSING), peer)
                        await messages.send(encode(Kind.MISSING, missing))
                        await stream.send_eof()
            self.made += 1
        except RemoteProtocolError as error:
            logger.warning("%s told of the document what cannot be: %s", peer, error)
            self.failed += 1
            pause = _PENALTY
        except (P2PError, TimeoutError, EndOfStream) as error:
            logger.debug("no exchange with %s: %r", peer, error)
            self.failed += 1
        finally:
            self._busy.discard(peer)
            self._not_before[peer] = current_time() + pause
            self._wake.set()

    async def _answer(self, stream: Stream) -> None:
        with fail_after(DEADLINE):
            async with self._theirs:
                messages = Messages(stream, limit=MAX_MESSAGE, what="document message")
                missing = self._document.update(await _expect(messages, Kind.STATE))
                await messages.send(encode(Kind.STATE, self._document.state))
                await messages.send(encode(Kind.MISSING, missing))
                self._take(await _expect(messages, Kind.MISSING), stream.remote_peer)

    def _take(self, update: bytes, peer: PeerId) -> None:
        if update != EMPTY:
            self._learn(update, peer)


async def _expect(messages: Messages, kind: Kind) -> bytes:
    got, content = decode(await messages.receive())
    if got is not kind:
        raise RemoteProtocolError(f"expected a message {kind.name}, got {got.name}")
    return content
