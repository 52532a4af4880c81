"""Who edits just now, and where their cursors are.

Each editor tells of itself: a name, a colour, a cursor; again when that changes and every few seconds, with a number
that only grows. Who has said nothing for `LIFETIME` seconds, or says that it leaves, is forgotten. An editor belongs to
the peer that first told of it: no other peer can move its cursor. What is told is read strictly: the page shows it.

Wire: Yjs' awareness update: a count, then for each editor its client id, the number, and its state as JSON, or `null`
where it leaves. Source: y-protocols, awareness.js.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from p2pstack import RemoteProtocolError
from p2pstack.apps.doc.encoding import Reader, blob, uint
from p2pstack.apps.malformed import MALFORMED

__all__ = ["LIFETIME", "MAX_EDITORS", "MAX_PRESENCE", "Editor", "Presence", "read_presence"]

#: seconds of silence until an editor is forgotten; Yjs' own figure
LIFETIME = 30.0
#: bytes of one update
MAX_PRESENCE = 16_384
#: editors that are known at a time: in all, and of one peer
MAX_EDITORS = 256
MAX_EDITORS_OF_A_PEER = 32

_Colour = Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?\Z")]
_Uint = Annotated[int, Meta(ge=0, lt=2**53)]


class _User(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    name: Annotated[str, Meta(max_length=40)]
    color: _Colour
    colorLight: _Colour = "#88888833"  # noqa: N815 - the page's name for it


class _Id(Struct, frozen=True, forbid_unknown_fields=True):
    client: _Uint
    clock: _Uint


class _Position(Struct, frozen=True, forbid_unknown_fields=True):
    """A place between two characters, by the name of one of them."""

    type: _Id | None = None
    tname: Annotated[str, Meta(max_length=16)] | None = None
    item: _Id | None = None
    assoc: Annotated[int, Meta(ge=-1, le=1)] = 0


class _Cursor(Struct, frozen=True, forbid_unknown_fields=True):
    anchor: _Position
    head: _Position


class _State(Struct, frozen=True, forbid_unknown_fields=True):
    user: _User | None = None
    cursor: _Cursor | None = None


@dataclass(frozen=True, slots=True)
class Editor:
    """What an update says of one editor: `state` is JSON, None where it leaves."""

    client: int
    number: int
    state: bytes | None
    name: str = ""


@dataclass(slots=True)
class _Known:
    editor: Editor
    owner: object
    heard_at: float


def read_presence(data: bytes) -> list[Editor]:
    """The editors of an update.

    :raises RemoteProtocolError: it is none
    """
    if len(data) > MAX_PRESENCE:
        raise RemoteProtocolError(f"expected at most {MAX_PRESENCE} bytes of editors, got {len(data)}")
    reader, editors = Reader(data), list[Editor]()
    for _ in range(reader.uint()):
        client, number, text = reader.uint(), reader.uint(), reader.blob()
        try:
            state = msgspec.json.decode(text, type=_State | None)
        except MALFORMED as error:
            raise RemoteProtocolError(f"expected an editor's name, colour and cursor: {error}") from None
        name = "" if state is None or state.user is None else state.user.name
        editors.append(Editor(client, number, None if state is None else msgspec.json.encode(state), name))
    reader.end()
    return editors


class Presence:
    """The editors."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    @property
    def editors(self) -> Collection[Editor]:
        """Who edits now."""
        return [known.editor for known in self._known.values() if known.editor.state is not None]

    def tell(self, editors: Iterable[Editor], *, owner: object, now: float) -> bytes | None:
        """Take what `owner` tells of its editors; what others should hear of it, as an update."""
        news = [editor for editor in editors if self._take(editor, owner, now)]
        return _encode(news) if news else None

    def _take(self, editor: Editor, owner: object, now: float) -> bool:
        known = self._known.get(editor.client)
        if known is None:
            of_the_owner = sum(known.owner == owner for known in self._known.values())
            if len(self._known) >= MAX_EDITORS or of_the_owner >= MAX_EDITORS_OF_A_PEER:
                return False
        elif known.owner != owner or (editor.number, editor.state is None) <= (
            known.editor.number, known.editor.state is None
        ):  # fmt: skip
            return False
        self._known[editor.client] = _Known(editor, owner, now)
        return True

    def of(self, owner: object) -> bytes | None:
        """What is to be told again of the editors of one owner, also of those that have just left."""
        editors = [known.editor for known in self._known.values() if known.owner == owner]
        return _encode(editors) if editors else None

    @property
    def all(self) -> bytes:
        """All there are, as an update."""
        return _encode(self.editors)

    def leave(self, owner: object, clients: Collection[int]) -> bytes | None:
        """Editors of an owner have gone; what others should hear of it."""
        return self._end(lambda known: known.owner == owner and known.editor.client in clients)

    def expire(self, now: float) -> bytes | None:
        """Forget those of whom nothing was heard; what the page should hear of it."""
        gone = self._end(lambda known: now - known.heard_at > LIFETIME)
        # Who has left is remembered for as long, so that what it said before, and is late, does not bring it back.
        self._known = {client: known for client, known in self._known.items() if now - known.heard_at <= 2 * LIFETIME}
        return gone

    def _end(self, which: Callable[[_Known], bool]) -> bytes | None:
        ended = [known for known in self._known.values() if known.editor.state is not None and which(known)]
        for known in ended:
            known.editor = Editor(known.editor.client, known.editor.number + 1, None)
        return _encode([known.editor for known in ended]) if ended else None


def _encode(editors: Collection[Editor]) -> bytes:
    parts = [uint(len(editors))]
    for editor in editors:
        parts += [uint(editor.client), uint(editor.number), blob(editor.state or b"null")]
    return b"".join(parts)
