"""A chat through pipes: lines come in, and what happens goes out, as text or as JSON."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Protocol

from anyio import Event, move_on_after, sleep_forever

from p2pstack.apps.chat.client import Client, record_of, text_of
from p2pstack.apps.chat.happenings import Happening, KeptBy, Said

__all__ = ["Pipes", "Printer"]

#: seconds at the end for what was said to be kept by others
_LAST_WORDS = 30.0


class Printer(Protocol):
    """Standard output."""

    def record(self, **fields: Any) -> None: ...
    def say(self, text: str) -> None: ...


class Pipes:
    """Shows what happens by printing it."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._delivered = Event()

    def show(self, happening: Happening) -> None:
        """Print what happened."""
        self._printer.record(**record_of(happening))
        if isinstance(happening, KeptBy):
            self._delivered.set()
        else:
            where = f"[{happening.entry.line.room}] " if isinstance(happening, Said) else ""
            self._printer.say(f"{where}{text_of(happening)}")

    def room_changed(self, room: str | None) -> None:
        self._printer.record(event="room", room=room)

    def note(self, text: str, /, **fields: Any) -> None:
        self._printer.record(**fields)
        self._printer.say(text)

    async def converse(self, client: Client, lines: AsyncGenerator[str]) -> bool:
        """Do what the lines say. When they are over, wait until others have what was said: whether they do. Where there
        were none at all, stay for ever."""
        said = False
        async with aclosing(lines):
            async for line in lines:
                said = True
                if not await client.enter(line):
                    break
        if not said:
            await sleep_forever()
        with move_on_after(_LAST_WORDS):
            while client.undelivered:
                self._delivered = Event()
                await self._delivered.wait()
        return not client.undelivered
