"""A person at a chat: what is typed is done, and what happens is shown. How, is the affair of a terminal or a pipe."""

from typing import Any, Protocol

from p2pstack import LocalProtocolError, P2PError
from p2pstack.apps.chat.entered import HELP, File, Help, Join, Leave, Quit, Say, Tell, Who, parse
from p2pstack.apps.chat.happenings import Happening, Joined, KeptBy, Left, NameInUse, Said, Told
from p2pstack.apps.chat.offers import Offers
from p2pstack.apps.chat.roster import short
from p2pstack.apps.chat.service import Chat

__all__ = ["Client", "Screen", "printable", "record_of", "text_of"]


class Screen(Protocol):
    """Where things are shown."""

    def room_changed(self, room: str | None) -> None:
        """What is typed now goes to this room."""
        ...

    def note(self, text: str, /, **fields: Any) -> None:
        """Something that is not said by anybody: for a person, and the same in fields for a program."""
        ...


class Client:
    """What the commands do. `room` is where lines go; None: not in any."""

    def __init__(self, chat: Chat, offers: Offers, screen: Screen) -> None:
        self._chat = chat
        self._offers = offers
        self._screen = screen
        self.room: str | None = None

    async def go(self, room: str) -> None:
        """Be in a room, and talk there.

        :raises LocalProtocolError: the name is no name
        """
        await self._chat.join(room)
        self.room = room
        self._screen.room_changed(room)

    @property
    def undelivered(self) -> int:
        """How many lines of ours not enough others have yet."""
        return sum(room.undelivered for room in self._chat.rooms.values())

    async def enter(self, line: str) -> bool:
        """Do what a line says; False where that is to end. What goes wrong is shown."""
        try:
            return await self._do(line)
        except (P2PError, OSError) as error:  # TimeoutError is one of the latter
            text = str(error).splitlines()[0] if str(error) else "no answer"
            self._screen.note(text, event="error", error=text)
            return True

    async def _do(self, line: str) -> bool:
        match parse(line):
            case None:
                pass
            case Say(text):
                await self._chat.say(self._here, text)
            case Tell(who, text):
                peer = await self._chat.tell(who, text)
                self._screen.note(f"to {who} alone: {text}", event="delivered", peer_id=str(peer), text=text)
            case Join(room):
                await self.go(room)
            case Leave():
                await self._chat.leave(self._here)
                self.room = next(iter(self._chat.rooms), None)
                self._screen.room_changed(self.room)
            case Who():
                self._who(self._here)
            case File(path):
                await self._chat.say(self._here, f"{path.rpartition('/')[2] or path}: {await self._offers.offer(path)}")
            case Help():
                self._screen.note(HELP, event="help", text=HELP)
            case Quit():
                return False
        return True

    def _who(self, name: str) -> None:
        roster = self._chat.rooms[name].roster
        here = sorted(roster.members, key=lambda member: member.nick.casefold())
        labels = [roster.label(member.nick, member.peer) for member in here]
        people = [{"peer_id": str(member.peer), "name": member.nick} for member in here]
        text = f"in {name}: {', '.join(['you', *map(printable, labels)])}"
        self._screen.note(text, event="who", room=name, members=people)

    @property
    def _here(self) -> str:
        if self.room is None:
            raise LocalProtocolError("not in any room: /join ROOM")
        return self.room


def printable(text: str) -> str:
    """Without what a terminal would take for a command, or would print the wrong way round."""
    return "".join(sign if sign.isprintable() or sign == "\u200d" else "\ufffd" for sign in text)


def text_of(happening: Happening) -> str:
    """What happened, for a person."""
    match happening:
        case Said(entry, label):
            return f"{printable(label)}: {printable(entry.line.text)}"
        case KeptBy(entry, others):
            return f"{others} keep: {printable(entry.line.text)}"
        case Joined(_, _, label, before):
            name = printable(label)
            return f"{name} is here" if before is None else f"{printable(before)} is called {name} now"
        case Left(_, _, label):
            return f"{printable(label)} has left"
        case NameInUse(_, nick, peer):
            return f"name in use: {printable(nick)} is also {nick}#{short(peer)}; choose another with --name"
        case Told(_, label, text):
            return f"{printable(label)} to you alone: {printable(text)}"


def record_of(happening: Happening) -> dict[str, Any]:
    """What happened, for a program."""
    match happening:
        case Said(entry, label, late):
            return {
                "event": "history" if late else "message",
                "room": entry.line.room,
                "id": entry.id.hex(),
                "peer_id": str(entry.author),
                "name": label,
                "text": entry.line.text,
                "time": entry.line.time / 1_000,
            }
        case KeptBy(entry, others):
            return {"event": "kept", "room": entry.line.room, "id": entry.id.hex(), "others": others}
        case Joined(room, peer, label, before):
            name = {"event": "joined", "room": room, "peer_id": str(peer), "name": label}
            return name if before is None else {**name, "event": "renamed", "before": before}
        case Left(room, peer, label):
            return {"event": "left", "room": room, "peer_id": str(peer), "name": label}
        case NameInUse(room, nick, peer):
            return {"event": "name_in_use", "room": room, "name": nick, "peer_id": str(peer)}
        case Told(peer, label, text):
            return {"event": "private", "peer_id": str(peer), "name": label, "text": text}
