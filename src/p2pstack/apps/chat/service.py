"""`Chat`: rooms and private lines, as a service of a host.

pubsub, chat = GossipSub(), Chat(...)
async with Host(listen=[...], services=[pubsub, Neighbours(addrs, network=NETWORK), chat]):
    await chat.join("garden")
    await chat.say("garden", "hello")
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from anyio import CancelScope, create_task_group, fail_after, sleep_forever
from anyio.abc import TaskGroup, TaskStatus

from p2pstack import AbstractHost, GossipSub, LocalProtocolError, Messages, PeerId, RemoteProtocolError, Stream
from p2pstack.apps.chat.exchange import HISTORY, serve
from p2pstack.apps.chat.happenings import Happening, Told
from p2pstack.apps.chat.messages import MAX_MESSAGE, MAX_TEXT, Entry, Kept, Private, checked_name, decode, encode
from p2pstack.apps.chat.room import ChatConfig, Room
from p2pstack.apps.chat.store import HistoryStore

__all__ = ["NETWORK", "PRIVATE", "Chat"]

#: what `Neighbours` has to find members of
NETWORK = "chat"
PRIVATE = "/p2pstack/chat/private/1.0.0"
#: seconds for a private line and its answer
_DEADLINE = 10.0
#: rooms that one may be in
MAX_ROOMS = 64


class Chat:
    """Rooms over pubsub, private lines over streams of their own. A service; `pubsub` has to be one of the same host.

    :param nick: what we want to be called
    :param store: where history is kept
    :param on_happening: called with all that happens; must not block
    :raises LocalProtocolError: the name is no name
    """

    def __init__(
        self,
        pubsub: GossipSub,
        *,
        nick: str,
        store: HistoryStore,
        on_happening: Callable[[Happening], None],
        config: ChatConfig | None = None,
    ) -> None:
        self.nick = checked_name(nick, limit=32, what="name")
        self._pubsub = pubsub
        self._store = store
        self._tell = on_happening
        self._config = config or ChatConfig()
        self._rooms: dict[str, Room] = {}
        self._scopes: dict[str, CancelScope] = {}
        self._host: AbstractHost | None = None
        self._tasks: TaskGroup | None = None

    async def run(self, host: AbstractHost, *, task_status: TaskStatus[None]) -> None:
        """Live: called by the host."""
        async with create_task_group() as tasks:
            self._host, self._tasks = host, tasks
            host.handle(HISTORY, handler=self._serve_history, max_streams_per_peer=4)
            host.handle(PRIVATE, handler=self._serve_private, max_streams_per_peer=4)
            task_status.started()
            await sleep_forever()  # rooms come and go

    @property
    def rooms(self) -> Mapping[str, Room]:
        """The rooms that we are in."""
        return MappingProxyType(self._rooms)

    async def join(self, name: str) -> Room:
        """Be in a room; nothing happens where we are. Its history on disk is told before this returns.

        :raises LocalProtocolError: the name is no name, or there are too many rooms
        :raises OSError: its history cannot be read
        """
        if name in self._rooms:
            return self._rooms[name]
        if len(self._rooms) >= MAX_ROOMS:
            raise LocalProtocolError(f"nobody can be in more than {MAX_ROOMS} rooms: leave one")
        host, tasks = self._running
        room = Room(name, nick=self.nick, pubsub=self._pubsub, store=self._store, tell=self._tell, config=self._config)
        scope = CancelScope()

        async def live(*, task_status: TaskStatus[None]) -> None:
            with scope:
                await room.run(host, task_status=task_status)

        await tasks.start(live, name=f"room {name}")
        self._rooms[name], self._scopes[name] = room, scope
        return room

    async def leave(self, name: str) -> None:
        """Leave a room, and tell the others; nothing happens where we are not in it."""
        room = self._rooms.pop(name, None)
        if room is not None:
            await room.leave()
            self._scopes.pop(name).cancel()

    async def leave_all(self) -> None:
        """Leave all rooms."""
        for name in tuple(self._rooms):
            await self.leave(name)

    async def say(self, name: str, text: str) -> Entry:
        """Say something in a room, as `Room.say`.

        :raises LocalProtocolError: we are not in it
        """
        room = self._rooms.get(name)
        if room is None:
            raise LocalProtocolError(f"not in the room {name}: join it first")
        return await room.say(text)

    async def tell(self, who: str, text: str) -> PeerId:
        """Say something to one alone; who that was. When this returns they have it.

        :param who: a name in one of the rooms, a name with the end of the peer id (`ann#x7Qk2f`), or a peer id
        :raises LocalProtocolError: nobody is called that, or several are; or the text is empty, or too long
        :raises P2PError: they cannot be reached, or do not take it
        :raises TimeoutError: they do not answer
        """
        if not 1 <= len(text) <= MAX_TEXT:
            raise LocalProtocolError(f"a line has 1 to {MAX_TEXT} characters, not {len(text)}")
        host, _ = self._running
        peer, addrs = self._find(who)
        with fail_after(_DEADLINE):
            target = peer if host.connections_to(peer) or not addrs else addrs
            async with await host.open_stream(target, PRIVATE) as stream:
                if stream.remote_peer != peer:
                    raise RemoteProtocolError(f"{who} gave addresses that are those of {stream.remote_peer}")
                messages = Messages(stream, limit=MAX_MESSAGE)
                await messages.send(encode(Private(self.nick, text)))
                decode(await messages.receive(), Kept)
        return peer

    def _find(self, who: str) -> tuple[PeerId, Sequence[str]]:
        problem = LocalProtocolError("not in any room: join one first")
        for room in self._rooms.values():
            try:
                member = room.roster.find(who)
            except LocalProtocolError as error:
                problem = error
            else:
                return member.peer, member.addrs
        raise problem

    async def _serve_history(self, stream: Stream) -> None:
        await serve(stream, self._rooms)

    async def _serve_private(self, stream: Stream) -> None:
        with fail_after(_DEADLINE):
            messages = Messages(stream, limit=MAX_MESSAGE)
            private = decode(await messages.receive(), Private)
            peer = stream.remote_peer
            labels = [room.roster.label(private.nick, peer) for room in self._rooms.values()]
            self._tell(Told(peer, max(labels, key=len, default=private.nick), private.text))
            await messages.send(encode(Kept(())))

    @property
    def _running(self) -> tuple[AbstractHost, TaskGroup]:
        if self._host is None or self._tasks is None:
            raise LocalProtocolError("Chat is not running: give it to a host, Host(services=[pubsub, chat])")
        return self._host, self._tasks
