"""A chat on a terminal, by Textual: rooms on the left, who is here on the right, what was said between them.

A line that comes late, from a history, belongs between lines that are on the screen already: the room is then drawn
again. All of it runs in the event loop of the chat, so that what happens is shown at once.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from time import time
from typing import Any, ClassVar

from anyio import Event, create_task_group
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Footer, Input, OptionList, RichLog, Static
from textual.widgets.option_list import Option

from p2pstack.apps.chat.client import Client, printable, text_of
from p2pstack.apps.chat.happenings import Happening, KeptBy, Said
from p2pstack.apps.chat.messages import MAX_TEXT, Entry
from p2pstack.apps.chat.room import Room
from p2pstack.apps.chat.service import Chat

__all__ = ["Terminal"]

#: lines of a room on the screen
_SHOWN = 500
#: of names, by the peers that have them
_COLOURS = ("cyan", "magenta", "green", "yellow", "bright_blue", "bright_red", "bright_cyan", "bright_magenta")


class _Line(Input):
    """Is empty again before the next key: what is typed ahead is not lost."""

    async def action_submit(self) -> None:
        line = self.value
        self.clear()
        self.post_message(self.Submitted(self, line))


class Terminal(App[None]):
    """The screen. To be given a chat and a client by `attach` before it runs."""

    TITLE = "p2pstack chat"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #rooms { width: 20; height: 1fr; border: none; border-right: solid $primary; background: $background; }
    #people { width: 24; height: 1fr; border-left: solid $primary; padding: 0 1; }
    #said { padding: 0 1; background: $background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "leave"),
        Binding("ctrl+n", "next_room", "next room"),
    ]

    def __init__(self) -> None:
        super().__init__()
        #: set once there is a screen
        self.ready = Event()
        self._chat: Chat | None = None
        self._client: Client | None = None
        self._notes: deque[tuple[float, str]] = deque(maxlen=_SHOWN)
        self._unread: dict[str, int] = {}
        self._drawing = False

    def attach(self, chat: Chat, client: Client) -> None:
        """Say whose screen it is."""
        self._chat, self._client = chat, client

    async def converse(self, client: Client, room: str, *, welcome: str) -> None:
        """Be the screen of a client that goes to a room, until somebody quits."""

        async def begin() -> None:
            await self.ready.wait()
            await client.go(room)
            self.note(welcome)

        async with create_task_group() as tasks:
            tasks.start_soon(begin)
            await self.run_async()
            tasks.cancel_scope.cancel()

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield OptionList(id="rooms")
            yield RichLog(wrap=True, max_lines=_SHOWN, id="said")
            yield Static(id="people")
        yield _Line(placeholder="say something, or /help", max_length=MAX_TEXT, id="line")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(RichLog).can_focus = False
        self.query_one(OptionList).can_focus = False
        self.query_one(Input).focus()
        self.ready.set()

    # --- what is done here

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.run_worker(self._enter(event.value))

    async def _enter(self, line: str) -> None:
        if self._client is not None and not await self._client.enter(line):
            self.exit()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if event.option.id is not None:
            self.run_worker(self._enter(f"/join {event.option.id}"))

    async def action_next_room(self) -> None:
        """Talk in the next room."""
        rooms = list(self._rooms)
        if len(rooms) > 1 and self._client is not None and self._client.room in rooms:
            await self._enter(f"/join {rooms[(rooms.index(self._client.room) + 1) % len(rooms)]}")

    # --- what is shown: told by tasks that know nothing of Textual, done in its own

    def show(self, happening: Happening) -> None:
        """Show what happened."""
        self.call_later(self._show, happening)

    def room_changed(self, room: str | None) -> None:
        self.call_later(self._show_room, room)

    def note(self, text: str, /, **fields: Any) -> None:
        self.call_later(self._show_note, text)

    def _show(self, happening: Happening) -> None:
        match happening:
            case Said(entry, label, late):
                if entry.line.room != self._room:
                    self._unread[entry.line.room] = self._unread.get(entry.line.room, 0) + (not late)
                    self._show_rooms()
                elif late:
                    self._draw_soon()
                else:
                    self.query_one(RichLog).write(_line(entry, label))
            case KeptBy():
                pass
            case _:
                self._show_note(text_of(happening))

    def _show_room(self, room: str | None) -> None:
        self._unread.pop(room or "", None)
        self.sub_title = room or ""
        self._draw_soon()

    def _show_note(self, text: str) -> None:
        self._notes.append((time(), text))
        self.query_one(RichLog).write(_note(text))
        self._show_people()

    def _draw_soon(self) -> None:
        """Once for all that comes together."""
        if not self._drawing:
            self._drawing = True
            self.set_timer(0.02, self._draw)

    def _draw(self) -> None:
        self._drawing = False
        log = self.query_one(RichLog)
        log.clear()
        for _, line in sorted([*self._said(), *((at, _note(text)) for at, text in self._notes)], key=_when)[-_SHOWN:]:
            log.write(line)
        self._show_rooms()
        self._show_people()

    def _said(self) -> list[tuple[float, Text]]:
        room = self._rooms.get(self._room)
        if room is None:
            return []
        label = room.roster.label
        entries = list(room.history)[-_SHOWN:]
        return [(entry.line.time / 1e3, _line(entry, label(entry.line.nick, entry.author))) for entry in entries]

    def _show_rooms(self) -> None:
        rooms = self.query_one(OptionList)
        rooms.clear_options()
        for name in self._rooms:
            count = self._unread.get(name, 0)
            style = "bold" if name == self._room else ""
            rooms.add_option(Option(Text(f"{printable(name)} ({count})" if count else printable(name), style), id=name))

    def _show_people(self) -> None:
        room = self._rooms.get(self._room)
        if room is not None and self._chat is not None:
            labels = [room.roster.label(member.nick, member.peer) for member in room.roster.members]
            names = [f"{printable(self._chat.nick)} (you)", *map(printable, sorted(labels, key=str.casefold))]
            self.query_one("#people", Static).update(Text("\n".join(names)))

    @property
    def _room(self) -> str:
        return "" if self._client is None else self._client.room or ""

    @property
    def _rooms(self) -> Mapping[str, Room]:
        return {} if self._chat is None else self._chat.rooms


def _line(entry: Entry, label: str) -> Text:
    colour = _COLOURS[entry.author.to_bytes()[-1] % len(_COLOURS)]
    spoken = datetime.fromtimestamp(min(entry.line.time / 1e3, 2**33)).strftime("%H:%M")
    return Text.assemble((spoken, "dim"), " ", (printable(label), colour), " ", printable(entry.line.text))


def _note(text: str) -> Text:
    return Text("\n".join(map(printable, text.splitlines())), "dim italic")


def _when(line: tuple[float, Text]) -> float:
    return line[0]
