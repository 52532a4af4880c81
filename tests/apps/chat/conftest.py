"""People who chat, on hosts of this process."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from p2pstack import GossipSub, GossipSubConfig, PrivateKey
from p2pstack.apps.chat.happenings import Happening, Joined, Said
from p2pstack.apps.chat.messages import Entry, Line, seal
from p2pstack.apps.chat.room import ChatConfig
from p2pstack.apps.chat.service import Chat
from p2pstack.apps.chat.store import HistoryStore

H = TypeVar("H", bound=Happening)


class Person:
    """Somebody with a chat, who remembers what happened."""

    def __init__(self, nick: str, *, path: Path | None = None, config: ChatConfig | None = None) -> None:
        self.happenings: list[Happening] = []
        self.pubsub = GossipSub(config=GossipSubConfig(heartbeat_interval=0.1))
        self.store = HistoryStore(path)
        self.chat = Chat(self.pubsub, nick=nick, store=self.store, on_happening=self._note, config=config)
        self.host: Any = None
        self._changed = anyio.Event()

    @property
    def services(self) -> Sequence[Any]:
        return [self.pubsub, self.chat]

    def _note(self, happening: Happening) -> None:
        self.happenings.append(happening)
        self._changed.set()

    def of(self, kind: type[H]) -> list[H]:
        return [happening for happening in self.happenings if isinstance(happening, kind)]

    @property
    def texts(self) -> list[str]:
        return [said.entry.line.text for said in self.of(Said)]

    async def until(self, done: Callable[[], object]) -> None:
        """Wait for what happens to make it so."""
        with anyio.fail_after(120):
            while not done():
                self._changed = anyio.Event()
                await self._changed.wait()

    async def knows(self, *others: "Person") -> None:
        peers = {other.host.peer_id for other in others}
        await self.until(lambda: peers <= {joined.peer for joined in self.of(Joined)})


Gather = Callable[..., Awaitable[list[Person]]]


@pytest.fixture
async def gather(p2p_hosts: Any) -> Gather:
    """Start hosts of people, each connected to the first: `ann, bob = await gather("ann", "bob")`."""

    async def gather(*people: Any, room: str | None = "garden") -> list[Person]:
        found = [person if isinstance(person, Person) else Person(person) for person in people]
        for person in found:
            (person.host,) = await p2p_hosts(1, services=lambda person=person: person.services)
            if person is not found[0]:
                await person.host.connect(found[0].host.addrs[0])
            if room is not None:
                await person.chat.join(room)
        return found

    return gather


KEYS = [PrivateKey.generate() for _ in range(3)]


def line(text: str = "hello", *, time: int = 1_000, nick: str = "ann", room: str = "garden", key: int = 0) -> Entry:
    """An entry by one of three authors."""
    return seal(KEYS[key], Line(room=room, time=time, nick=nick, text=text))


@pytest.fixture(scope="session")
def make_line() -> Callable[..., Entry]:
    return line


@pytest.fixture
def make_person() -> type[Person]:
    return Person
