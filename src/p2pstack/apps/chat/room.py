"""One room that we are in: what comes by pubsub, who is here, and that nothing gets lost.

Pubsub is fast, and forgets: who is away, or cut off for a while, does not get a message later. So there are three ways:

=============  =========================================================================================================
`_listen`      lines and announcements, as they come by pubsub
`_fetch`       the history of each peer that comes into the room, and now and then that of another: what we missed
`_deliver`     each line of ours is handed to a few peers until they say that they have it on disk: from then on it is
               in the room, whatever happens to us
=============  =========================================================================================================
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from anyio import Event, create_task_group, current_time, move_on_after, sleep
from anyio.abc import TaskStatus

from p2pstack import (
    AbstractHost,
    GossipSub,
    LocalProtocolError,
    Message,
    P2PError,
    PeerId,
    PeerJoined,
    RemoteProtocolError,
    Verdict,
)
from p2pstack.apps.chat.exchange import ask, hand_over
from p2pstack.apps.chat.happenings import Happening, Joined, KeptBy, Left, NameInUse, Said
from p2pstack.apps.chat.history import History
from p2pstack.apps.chat.messages import (
    MAX_AHEAD,
    MAX_BATCH,
    MAX_TEXT,
    Entry,
    Line,
    Presence,
    Sealed,
    checked_name,
    decode,
    encode,
    open_sealed,
    seal,
)
from p2pstack.apps.chat.roster import Member, Roster
from p2pstack.apps.chat.store import HistoryStore

__all__ = ["ChatConfig", "Room"]

logger = logging.getLogger(__name__)

#: the part of the neighbours of a newcomer that answer it at once in a large room: the others, when it is their turn
ANSWERS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatConfig:
    """How a chat goes about it. Times are in seconds.

    :raises LocalProtocolError: nobody to keep lines, or no time
    """

    keepers: int = 3
    """How many others shall have a line of ours on disk, where there are so many."""
    fetch_interval: float = 15.0
    """Between two looks at some peer's history."""
    retry_interval: float = 1.0
    """Before a line is handed to others again that nobody took."""

    def __post_init__(self) -> None:
        if self.keepers < 1 or self.fetch_interval <= 0 or self.retry_interval <= 0:
            raise LocalProtocolError("ChatConfig: expected keepers from 1, and intervals above 0")


class Room:
    """Made by `Chat.join`.

    :param tell: called with all that happens; must not block
    """

    def __init__(
        self,
        name: str,
        *,
        nick: str,
        pubsub: GossipSub,
        store: HistoryStore,
        tell: Callable[[Happening], None],
        config: ChatConfig,
    ) -> None:
        self.name = checked_name(name, limit=64, what="room")
        self.topic = f"p2pstack/chat/1/{name}"
        self.nick = nick
        self.history = History()
        self.roster = Roster()
        self._pubsub = pubsub
        self._store = store
        self._tell = tell
        self._config = config
        self._host: AbstractHost | None = None
        self._since = 0
        self._newcomers: dict[PeerId, None] = {}
        self._announce_early = Event()
        self._wake_fetcher = Event()
        self._wake_deliverer = Event()
        self._undelivered: dict[bytes, set[PeerId]] = {}

    # --- to take part

    async def say(self, text: str) -> Entry:
        """Say something in the room. When this returns it is on our disk, and on its way to the others.

        :raises LocalProtocolError: there is nothing in it, or too much
        :raises OSError: it cannot be kept
        """
        if not 1 <= len(text) <= MAX_TEXT:
            raise LocalProtocolError(f"a line has 1 to {MAX_TEXT} characters, not {len(text)}")
        host = self._running
        line = Line(room=self.name, time=self.history.next_time(self._now()), nick=self.nick, text=text)
        entry = seal(host.key, line)
        self.take(entry, late=False)
        self._undelivered[entry.id] = set()
        await self._pubsub.publish(self.topic, encode(entry.sealed))
        self._wake_deliverer.set()
        return entry

    @property
    def undelivered(self) -> int:
        """How many lines of ours not enough others have yet."""
        return len(self._undelivered)

    def open(self, sealed: Sealed) -> Entry:
        """Check a line.

        :raises RemoteProtocolError: it does not belong here, or is not its author's
        """
        return open_sealed(sealed, room=self.name)

    def take(self, entry: Entry, *, late: bool) -> None:
        """Keep a line, on disk too, and show it, unless it is here already, too old, or ahead of its time.

        :raises OSError: it cannot be kept
        """
        displaced = self.history.displaced_by(entry)
        if displaced is not None and not self._ahead(entry):
            self._store.add(entry, displaced=displaced)
            self.history.add(entry)
            self._show(entry, late=late or entry.line.time < self._since)

    # --- to live

    async def run(self, host: AbstractHost, *, task_status: TaskStatus[None]) -> None:
        """Be in the room until cancelled."""
        self._host = host
        self._since = self._now()
        self.roster.note(self.nick, host.peer_id)
        for sealed in self._store.load(self.name):
            self.history.add(open_sealed(sealed, room=self.name, trusted=True))
        for entry in self.history:
            self._show(entry, late=True)
        pubsub = self._pubsub
        pubsub.add_validator(self.topic, self._judge)
        try:
            async with pubsub.subscribe(self.topic) as messages, create_task_group() as tasks:
                await tasks.start(self._watch, host)
                tasks.start_soon(self._announce, host)
                tasks.start_soon(self._fetch, host)
                tasks.start_soon(self._deliver, host)
                tasks.start_soon(self._expire)
                task_status.started()
                async for message in messages:
                    self._hear(host, message)
        finally:
            pubsub.remove_validator(self.topic, self._judge)

    async def leave(self) -> None:
        """Tell the others that we go, before `run` is cancelled."""
        await self._pubsub.publish(self.topic, encode(Presence(self.nick, 0.0)))
        await self._pubsub.flush()

    # --- what comes

    def _judge(self, message: Message) -> Verdict:
        try:
            announcement = decode(message.data, Sealed, Presence)
            if isinstance(announcement, Presence):
                return Verdict.ACCEPT
            entry = self.open(announcement)
        except RemoteProtocolError as error:
            logger.debug("refused: %s", error)
            return Verdict.REJECT
        if entry.author != message.source:
            return Verdict.REJECT
        return Verdict.IGNORE if self._ahead(entry) else Verdict.ACCEPT  # it may be our clock that is wrong

    def _hear(self, host: AbstractHost, message: Message) -> None:
        announcement = decode(message.data, Sealed, Presence)
        if isinstance(announcement, Sealed):
            self.take(open_sealed(announcement, room=self.name, trusted=True), late=False)  # it has been judged
        elif message.source is not None and message.source != host.peer_id:
            self._meet(message.source, announcement)

    def _meet(self, peer: PeerId, presence: Presence) -> None:
        change = self.roster.hear(peer, presence, current_time())
        if change is None:
            return
        if (member := change.joined) is not None:
            self._tell(Joined(self.name, peer, self._label(member), change.before))
            if member.nick.casefold() == self.nick.casefold():
                self._tell(NameInUse(self.name, self.nick, peer))
            if self.roster.small:
                self._announce_early.set()
        if change.left is not None:
            self._tell(Left(self.name, peer, self._label(change.left)))

    async def _watch(self, host: AbstractHost, *, task_status: TaskStatus[None]) -> None:
        with host.events.subscribe(PeerJoined) as events:
            self._newcomers.update(dict.fromkeys(self._pubsub.peers(self.topic)))
            task_status.started()
            async for event in events:
                if event.topic == self.topic:
                    self._newcomers[event.peer] = None
                    if self.roster.small or host.random.random() < ANSWERS:
                        self._announce_early.set()
                    self._wake_fetcher.set()
                    self._wake_deliverer.set()

    async def _expire(self) -> None:
        while True:
            await sleep(self.roster.interval / 4)
            for member in self.roster.expire(current_time()):
                self._tell(Left(self.name, member.peer, self._label(member)))

    # --- what goes

    async def _announce(self, host: AbstractHost) -> None:
        while True:
            await self._pubsub.wait_for_mesh(self.topic)
            self._announce_early = Event()
            addrs = tuple(str(addr) for addr in host.addrs[:8])
            await self._pubsub.publish(self.topic, encode(Presence(self.nick, self.roster.ttl, addrs)))
            with move_on_after(self.roster.interval * host.random.uniform(0.8, 1.0)):
                await self._announce_early.wait()
                await sleep(host.random.uniform(0.1, 1.0))  # all who heard a newcomer want it to hear them: not at once

    async def _fetch(self, host: AbstractHost) -> None:
        while True:
            peers = list(self._pubsub.peers(self.topic))
            if self._newcomers:
                peer = next(iter(self._newcomers))
                del self._newcomers[peer]
            else:
                self._wake_fetcher = Event()
                with move_on_after(self._config.fetch_interval * host.random.uniform(0.5, 1.0)):
                    await self._wake_fetcher.wait()
                    continue
                if not peers:
                    continue
                peer = host.random.choice(peers)
            try:
                await ask(host, peer, self)
            except (P2PError, TimeoutError) as error:
                logger.debug("the history of %s could not be fetched: %s", peer, error)

    async def _deliver(self, host: AbstractHost) -> None:
        while True:
            self._wake_deliverer = Event()
            peers = list(self._pubsub.peers(self.topic))
            self._settle(len(peers))
            if not self._undelivered:
                await self._wake_deliverer.wait()
            elif not await self._hand_over(host, peers):
                with move_on_after(self._config.retry_interval):
                    await self._wake_deliverer.wait()

    async def _hand_over(self, host: AbstractHost, peers: list[PeerId]) -> bool:
        """Hand lines to some more peers, all at once, as one of them may be dead; whether any took some."""
        keepers = self._undelivered.values()
        candidates = [peer for peer in peers if any(peer not in has for has in keepers)]
        chosen = host.random.sample(candidates, min(self._config.keepers, len(candidates)))
        taken = [False] * len(chosen)

        async def hand(index: int, peer: PeerId) -> None:
            lacking = [name for name, has in self._undelivered.items() if peer not in has][:MAX_BATCH]
            try:
                kept = await hand_over(host, peer, self.name, self.history.find(lacking))
            except (P2PError, TimeoutError) as error:
                logger.debug("%s does not keep what we say: %s", peer, error)
                return
            taken[index] = bool(kept)
            for name in kept.intersection(lacking):
                self._undelivered[name].add(peer)

        async with create_task_group() as tasks:
            for index, peer in enumerate(chosen):
                tasks.start_soon(hand, index, peer)
        return any(taken)

    def _settle(self, peers: int) -> None:
        """Be done with lines that enough others keep, or that we keep no longer ourselves."""
        enough = max(1, min(self._config.keepers, peers))
        done = [name for name, keepers in self._undelivered.items() if len(keepers) >= enough]
        for name in done:
            keepers = self._undelivered.pop(name)
            for entry in self.history.find([name]):
                self._tell(KeptBy(entry, len(keepers)))
        self._undelivered = {name: keepers for name, keepers in self._undelivered.items() if name in self.history}

    # --- small things

    def _show(self, entry: Entry, *, late: bool) -> None:
        self.roster.note(entry.line.nick, entry.author)
        self._tell(Said(entry, self.roster.label(entry.line.nick, entry.author), late))

    def _label(self, member: Member) -> str:
        return self.roster.label(member.nick, member.peer)

    def _ahead(self, entry: Entry) -> bool:
        return entry.line.time > self._now() + MAX_AHEAD

    def _now(self) -> int:
        return int(self._running.clock() * 1_000)

    @property
    def _running(self) -> AbstractHost:
        if self._host is None:
            raise LocalProtocolError(f"the room {self.name} is not joined")
        return self._host
