"""What is in a Yjs update, before it is let near the document.

An update says which characters somebody has written and which are gone. Each character has a name: the client that
wrote it (a number that an editor chose for its session) and a clock, which counts that client's characters from 0. A
character names its neighbours at the time it was written: only who has what an update builds on can use it.

The library that merges updates takes whatever parses, keeps what does not fit yet for ever, and knows lists, maps, XML
and more. A text needs little of that. So a peer's update is read here first, and has to be nothing but

=========  ==================================================================================================
kind       what it is
=========  ==================================================================================================
0 GC       so many characters, long gone, nothing else known of them
1 deleted  characters that are gone, with their neighbours
4 string   characters
=========  ==================================================================================================

in the one text named `text`; and afterwards the names of characters that were deleted.

Clocks count units of UTF-16, so that a character beyond 16 bits has two. Between these nobody can have written, and an
update that pretends so would cut the character to pieces: where such characters are alive, `pairs`, is kept in mind.

Source: Yjs, update format 1 (`UpdateEncoder.js`, `Item.js`, `DeleteSet.js`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

from p2pstack import RemoteProtocolError
from p2pstack.apps.doc.encoding import Reader

__all__ = ["MAX_CLOCK", "ROOT", "Name", "Update", "read_state", "read_update"]

#: client and clock
Name: TypeAlias = tuple[int, int]

#: what the text is called within the document
ROOT = "text"
#: characters of one client: what other implementations count in 32 bits
MAX_CLOCK = 2**31 - 1

_GC, _DELETED, _STRING = 0, 1, 4
_HAS_ORIGIN, _HAS_RIGHT_ORIGIN = 0x80, 0x40


@dataclass(frozen=True, slots=True)
class Update:
    """What an update brings, and what it builds on: how many characters of each client have to be there already."""

    data: bytes
    #: the clocks of each client's characters in it: the first one, and the one after the last
    holds: Mapping[int, tuple[int, int]]
    #: how many characters of a client have to be there, in the document or in the update
    needs: Mapping[int, int]
    #: the second halves of its characters that have two, by client and clock
    pairs: AbstractSet[Name]
    #: what it says is deleted: client, first clock, and the one after the last
    deletes: Sequence[tuple[int, int, int]]

    def fits(self, state: Mapping[int, int]) -> bool:
        """Whether nothing that it builds on is missing from a document in this state."""
        holds = self.holds
        for client, count in self.needs.items():
            known = state.get(client, 0)
            if count > known and (client not in holds or count > holds[client][1]):
                return False
        return all(first <= state.get(client, 0) for client, (first, _) in holds.items())


def read_state(data: bytes) -> dict[int, int]:
    """A state vector: how many characters of each client are there.

    :raises RemoteProtocolError: it is none
    """
    reader = Reader(data)
    state = {reader.uint(): _clock(reader.uint()) for _ in range(_count(reader, data))}
    reader.end()
    return state


def read_update(data: bytes, *pairs: Collection[Name]) -> Update:
    """Read an update.

    :param pairs: what must not be cut: the second halves of characters
    :raises RemoteProtocolError: it is none, or not one of a text, or cuts what must not be
    """
    reader = Reader(data)
    holds: dict[int, tuple[int, int]] = {}
    needs: dict[int, int] = {}
    brought: set[Name] = set()
    deletes: list[tuple[int, int, int]] = []

    def need(client: int, count: int, cut: int) -> None:
        if count > needs.get(client, 0):
            needs[client] = _clock(count)
        for halves in pairs:
            if (client, cut) in halves:
                raise RemoteProtocolError(f"expected whole characters, got half of character {cut} of client {client}")

    for _ in range(_count(reader, data)):
        blocks, client, first = _count(reader, data), reader.uint(), reader.uint()
        if client in holds or not blocks:
            raise RemoteProtocolError(f"expected the characters of client {client} once, got them twice or none")
        need(client, 0, first)
        clock = first
        for _ in range(blocks):
            length, text = _read_block(reader, need)
            if text and length != len(text):
                brought.update((client, clock + at) for at in _second_halves(text))
            clock = _clock(clock + length)
        holds[client] = first, clock
    for _ in range(_count(reader, data)):
        client = reader.uint()
        for _ in range(_count(reader, data)):
            first = reader.uint()
            end = first + _length(reader)
            need(client, end, first)
            need(client, end, end)
            deletes.append((client, first, end))
    reader.end()
    return Update(data, holds, needs, brought, deletes)


def _read_block(reader: Reader, need: Callable[[int, int, int], None]) -> tuple[int, str]:
    """Read what follows one another, of one client; how many units of UTF-16 these are, and the text if they live."""
    info = reader.byte()
    kind = info & 0x1F
    if info == _GC:
        return _length(reader), ""
    if info & _HAS_ORIGIN:
        client, clock = reader.uint(), reader.uint()
        need(client, clock + 1, clock + 1)
    if info & _HAS_RIGHT_ORIGIN:
        client, clock = reader.uint(), reader.uint()
        need(client, clock + 1, clock)
    if not info & (_HAS_ORIGIN | _HAS_RIGHT_ORIGIN) and (reader.uint() != 1 or reader.text() != ROOT):
        raise RemoteProtocolError(f"expected characters of the text {ROOT!r}, got something else's")
    if kind == _DELETED and info & 0x20 == 0:
        return _length(reader), ""
    if kind == _STRING and info & 0x20 == 0 and (text := reader.text()):
        return len(text) + sum(character > "\uffff" for character in text), text
    raise RemoteProtocolError(f"expected characters, deleted or not, got kind {info & 0x3F} or an empty string")


def _second_halves(text: str) -> Iterator[int]:
    """Where they are in a text, in units of UTF-16."""
    at = 0
    for character in text:
        at += 1
        if character > "\uffff":
            yield at
            at += 1


def _count(reader: Reader, data: bytes) -> int:
    count = reader.uint()
    if count > len(data):
        raise RemoteProtocolError(f"expected a number of entries that {len(data)} bytes have room for, got {count}")
    return count


def _length(reader: Reader) -> int:
    length = reader.uint()
    if not length:
        raise RemoteProtocolError("expected at least one character, got none")
    return length


def _clock(clock: int) -> int:
    if clock > MAX_CLOCK:
        raise RemoteProtocolError(f"expected at most {MAX_CLOCK} characters of one client, got {clock}")
    return clock
