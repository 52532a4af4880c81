"""A text that a host shares with others: the part that awaits.

=================  ==============  ===========  =========  ==========
an update by       is told to the  by gossip    by         is kept
                   page            to all       exchange   on disk
=================  ==============  ===========  =========  ==========
`insert`, the page yes             yes          if large   yes
gossip             yes             (goes on)    -          yes
an exchange        yes             -            yes        yes
the disk           -               -            -          -
=================  ==============  ===========  =========  ==========

An edit is *saved* when it would survive a failure of the power. `insert` and `delete` return then.
"""

import logging
from collections import deque
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from hashlib import sha256

from anyio import Event, create_task_group, current_time, sleep
from anyio.abc import TaskStatus

from p2pstack import (
    AbstractHost,
    GossipSub,
    LimitExceeded,
    LocalProtocolError,
    Message,
    PeerDisconnected,
    PeerId,
    PeerIdentified,
    RemoteProtocolError,
    Verdict,
)
from p2pstack.apps.doc.document import Document
from p2pstack.apps.doc.exchange import Exchanges
from p2pstack.apps.doc.keeper import Keeper
from p2pstack.apps.doc.log import Log
from p2pstack.apps.doc.messages import Kind, decode, encode
from p2pstack.apps.doc.presence import MAX_PRESENCE, Editor, Presence, read_presence
from p2pstack.apps.doc.update import MAX_CLOCK, read_update

__all__ = ["MAX_GOSSIP", "SharedText", "Watcher", "network_of"]

logger = logging.getLogger(__name__)

#: bytes of an update that is told by gossip; others are told to by exchanges
MAX_GOSSIP = 65_536
#: updates that wait to be told; when there are more, exchanges tell them
_MAX_UNTOLD = 256
#: seconds in which gossip may still bring what came in another order, or by another way
_PATIENCE = 0.2
#: seconds between two messages of where our editors' cursors are
_CURSOR_INTERVAL = 0.1
#: seconds after which they are told again
_REMINDER = 5

#: is called with what happens: `Kind.UPDATE` and `Kind.PRESENCE` with their content, `Kind.STATUS` when others come or
#: go, or something has been saved
Watcher = Callable[[Kind, bytes], None]


def network_of(name: str) -> str:
    """What members of a document have in common; its name is not to be seen in it."""
    return f"doc-{sha256(name.encode()).hexdigest()[:32]}"


class SharedText:
    """A text that is shared with all who name it the same. A service.

    :param name: what members of it have agreed on
    :param pubsub: a service of the same host
    :param log: where it is kept; nowhere, unless one is given
    :param interval: seconds between two exchanges with others that make sure that nothing was lost
    """

    def __init__(self, name: str, pubsub: GossipSub, *, log: Log | None = None, interval: float = 10.0) -> None:
        self.name = name
        self.topic = f"/p2pstack/{network_of(name)}/1.0.0"
        self._pubsub = pubsub
        self._keeper = Keeper(log, on_saved=lambda: self._notify(Kind.STATUS, b""))
        self._interval = interval
        self._watchers: list[Watcher] = []
        self._untold: deque[bytes] = deque()
        self._wake_teller, self._doubt = Event(), Event()
        self._bringers: set[PeerId] = set()  # of what came before what it needs
        self._fetched: dict[int, int] = {}  # what no gossip has brought yet: up to which clock of each client
        self._cursors_moved = Event()
        self._presence = Presence()
        self._document: Document | None = None
        self._exchanges: Exchanges | None = None
        self._host: AbstractHost | None = None
        #: what peers sent that was of no use, and how many edits waited in vain to be told by gossip
        self.rejected = self.untold = 0

    # --- what is there

    @property
    def document(self) -> Document:
        """The text itself: to look at. What is to be told to others goes through the methods here.

        :raises LocalProtocolError: the host does not run
        """
        if self._document is None:
            raise LocalProtocolError(
                f"{self.name} is not open: give it to a host, and use it within `async with host:`"
            )
        return self._document

    @property
    def exchanges(self) -> Exchanges:
        """What repairs."""
        assert self.document is not None
        assert self._exchanges is not None
        return self._exchanges

    @property
    def members(self) -> Collection[PeerId]:
        """Peers connected that have this document, too."""
        return self.exchanges.members

    @property
    def editors(self) -> Collection[Editor]:
        """Who edits, everywhere."""
        return self._presence.editors

    @property
    def presence(self) -> bytes:
        """The same as a message's content."""
        return self._presence.all

    @property
    def saved(self) -> bool:
        """Whether all that is in the text is on disk."""
        return self._keeper.saved

    def __str__(self) -> str:
        return str(self.document)

    @contextmanager
    def watch(self, watcher: Watcher) -> Generator[None]:
        """Be told what happens, as long as the block lasts."""
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    # --- to edit

    async def insert(self, position: int, text: str) -> None:
        """Write, and return when it is saved.

        :raises LocalProtocolError: there is no such position
        :raises LimitExceeded: there is no room for it
        """
        self._learn_of(self.document.insert(position, text), ours=True)
        await self.wait_saved()

    async def delete(self, position: int, count: int) -> None:
        """Delete so many characters, and return when that is saved.

        :raises LocalProtocolError: they are not there
        """
        self._learn_of(self.document.delete(position, count), ours=True)
        await self.wait_saved()

    def apply(self, update: bytes) -> bool:
        """Take an update by an editor of ours; whether it fits to what is here.

        :raises RemoteProtocolError: it is none
        :raises LimitExceeded: there is no room for it
        """
        early = self.document.early
        if news := self.document.apply(update):
            self._learn_of(news, ours=True)
        return self.document.early <= early

    async def wait_saved(self) -> None:
        """Wait until all that is in the text now is on disk."""
        await self._keeper.wait()

    def tell_presence(self, update: bytes, clients: set[int]) -> None:
        """An editor of ours tells where it is. Its client ids are added to `clients`.

        :raises RemoteProtocolError: it told nonsense
        """
        editors = read_presence(update)
        ours = [editor for editor in editors if editor.client in clients or editor.state is not None]
        clients.update(editor.client for editor in ours)
        self._show(self._presence.tell(ours, owner=self._me, now=current_time()))

    def leave(self, clients: Collection[int]) -> None:
        """Editors of ours have gone."""
        self._show(self._presence.leave(self._me, clients))

    # --- life

    async def run(self, host: AbstractHost, *, task_status: TaskStatus[None]) -> None:
        """Live."""
        document = self._document = self._keeper.open(host)
        self._host = host
        self._exchanges = Exchanges(
            f"/p2pstack/{network_of(self.name)}/exchange/1.0.0",
            document,
            learn=self._fetch,
            interval=self._interval,
        )
        self._pubsub.add_validator(self.topic, _check)
        async with create_task_group() as tasks:
            await tasks.start(self._exchanges.run, host)
            await tasks.start(self._listen)
            tasks.start_soon(self._tell)
            tasks.start_soon(self._tell_cursors)
            tasks.start_soon(self._mend)
            tasks.start_soon(self._forget)
            tasks.start_soon(self._greet, host)
            tasks.start_soon(self._keeper.run, document)
            task_status.started()

    @property
    def _me(self) -> PeerId:
        assert self._host is not None
        return self._host.peer_id

    async def _listen(self, *, task_status: TaskStatus[None]) -> None:
        async with self._pubsub.subscribe(self.topic) as messages:
            task_status.started()
            async for message in messages:
                if message.source is None or message.source == self._me:
                    continue
                kind, content = decode(message.data)
                if kind is Kind.PRESENCE:
                    news = self._presence.tell(read_presence(content), owner=message.source, now=current_time())
                    self._notify(Kind.PRESENCE, news)
                else:
                    self._hear(content, message.received_from)

    def _hear(self, update: bytes, peer: PeerId) -> None:
        """Gossip has brought an update."""
        early = self.document.early
        try:
            self._learn_from(update, peer)
        except RemoteProtocolError as error:  # it is an update, but not one of this text
            logger.warning("%s brought of %s what cannot be: %s", peer, self.name, error)
            self.rejected += 1
        if self._fetched:
            for client, (_, end) in read_update(update).holds.items():
                if self._fetched.get(client, end + 1) <= end:
                    del self._fetched[client]
        if self.document.early > early:
            self._bringers.add(peer)
            self._doubt.set()

    def _fetch(self, update: bytes, peer: PeerId) -> None:
        """An exchange has brought an update."""
        if news := self._learn_from(update, peer):
            brought = read_update(news)
            self._fetched.update({client: end for client, (_, end) in brought.holds.items()})
            self._fetched.update({client: MAX_CLOCK for client, _, _ in brought.deletes})  # not seen by their clocks
            self._doubt.set()

    async def _mend(self) -> None:
        """What gossip should have brought, and has not brought in a moment, is fetched, or told to others."""
        while True:
            await self._doubt.wait()
            self._doubt = Event()
            await sleep(_PATIENCE)
            if self._fetched:
                self.exchanges.ask(self.members)
            elif self.document.early:
                self.exchanges.ask(self._bringers)
            self._fetched.clear()
            self._bringers.clear()

    def _learn_from(self, update: bytes, peer: PeerId) -> bytes | None:
        """Take an update that a peer sent; what was new of it."""
        try:
            news = self.document.apply(update)
        except LimitExceeded as error:
            logger.warning("what %s sent of %s was not taken: %s", peer, self.name, error)
            self.rejected += 1
            return None
        if news:
            self._learn_of(news, ours=False)
        return news

    def _learn_of(self, news: bytes, *, ours: bool) -> None:
        self._keeper.keep(news, hurry=ours)
        self._notify(Kind.UPDATE, news)
        if ours:
            if len(news) > MAX_GOSSIP or len(self._untold) >= _MAX_UNTOLD:
                self.untold += 1
                self.exchanges.ask(self.members)
            else:
                self._untold.append(encode(Kind.UPDATE, news))
                self._wake_teller.set()

    def _show(self, news: bytes | None) -> None:
        self._notify(Kind.PRESENCE, news)
        self._cursors_moved.set()

    def _notify(self, kind: Kind, content: bytes | None) -> None:
        if content is not None:
            for watcher in tuple(self._watchers):
                watcher(kind, content)

    async def _tell(self) -> None:
        while True:
            await self._wake_teller.wait()
            self._wake_teller = Event()
            while self._untold:
                await self._pubsub.publish(self.topic, self._untold.popleft())

    async def _tell_cursors(self) -> None:
        while True:
            await self._cursors_moved.wait()
            self._cursors_moved = Event()
            if update := self._presence.of(self._me):
                await self._pubsub.publish(self.topic, encode(Kind.PRESENCE, update))
            await sleep(_CURSOR_INTERVAL)

    async def _forget(self) -> None:
        while True:
            for _ in range(_REMINDER):
                await sleep(1.0)
                self._notify(Kind.PRESENCE, self._presence.expire(current_time()))
            self._cursors_moved.set()  # whoever missed it hears it now

    async def _greet(self, host: AbstractHost) -> None:
        """Whoever is new has to hear who edits, and is in the topic in a moment."""
        with host.events.subscribe(PeerIdentified, PeerDisconnected) as events:
            async for event in events:
                self._notify(Kind.STATUS, b"")
                if isinstance(event, PeerIdentified):
                    await sleep(1.0)
                    self._cursors_moved.set()


def _check(message: Message) -> Verdict:
    """Whether an honest node can have sent this."""
    try:
        kind, content = decode(message.data)
        if kind is Kind.UPDATE and len(content) <= MAX_GOSSIP:
            read_update(content)
            return Verdict.ACCEPT
        if kind is Kind.PRESENCE and len(content) <= MAX_PRESENCE:
            read_presence(content)
            return Verdict.ACCEPT
    except RemoteProtocolError as error:
        logger.debug("%s: %s", message.source, error)
    return Verdict.REJECT
