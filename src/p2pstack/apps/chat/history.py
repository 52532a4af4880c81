"""What was said in a room: the newest lines, in one order that is the same on all nodes.

Lines stand by the time that their authors give them, and by their id where times are equal. An author gives each line a
time after all that it has seen in the room, so that an answer stands behind its question even where clocks differ; how
far ahead times may run is bounded where lines are opened. Nodes that have heard of the same lines keep the same ones,
whatever came first, for each keeps the newest `limit`.
"""

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from p2pstack.apps.chat.messages import MAX_AHEAD, MAX_HISTORY, Entry

__all__ = ["History"]


class History:
    """The entries of one room.

    :param limit: how many are kept: the newest
    """

    __slots__ = ("_digest", "_entries", "_limit", "_order")

    def __init__(self, *, limit: int = MAX_HISTORY) -> None:
        self._limit = limit
        self._order: list[tuple[int, bytes]] = []
        self._entries: dict[bytes, Entry] = {}
        self._digest: bytes | None = None

    def displaced_by(self, entry: Entry) -> Sequence[Entry] | None:
        """Those that would have to make room for an entry; None where it would not come in, for it is here already or
        too old."""
        if entry.id in self._entries:
            return None
        if len(self._order) < self._limit:
            return ()
        oldest = self._entries[self._order[0][1]]
        return None if entry.place < oldest.place else (oldest,)

    def add(self, entry: Entry) -> None:
        """Take an entry, if it comes in."""
        displaced = self.displaced_by(entry)
        if displaced is None:
            return
        self._digest = None
        self._entries[entry.id] = entry
        insort(self._order, entry.place)
        for old in displaced:
            del self._entries[old.id], self._order[0]

    @property
    def digest(self) -> bytes:
        """The same for the same entries, and for no others."""
        if self._digest is None:
            self._digest = sha256(b"".join(name for _, name in self._order)).digest()
        return self._digest

    @property
    def ids(self) -> Sequence[bytes]:
        """All ids, the newest first."""
        return [name for _, name in reversed(self._order)]

    def missing(self, ids: Iterable[bytes]) -> Sequence[bytes]:
        """Those of `ids` that are not here."""
        return [name for name in dict.fromkeys(ids) if name not in self._entries]

    def find(self, ids: Iterable[bytes]) -> Sequence[Entry]:
        """The entries with these ids, oldest first, so that who takes them can show them as they come."""
        return sorted((self._entries[name] for name in set(ids) if name in self._entries), key=_place)

    def next_time(self, now: int) -> int:
        """The time for a line that is written now: our clock's, or just after the newest line. One that is far ahead is
        not followed: else who claims the latest time that is believed could have ours believed no more."""
        newest = self._order[-1][0] if self._order else 0
        return max(now, min(newest + 1, now + MAX_AHEAD // 2))

    def __iter__(self) -> Iterator[Entry]:
        return (self._entries[name] for _, name in self._order)

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, name: object) -> bool:
        return name in self._entries


def _place(entry: Entry) -> tuple[int, bytes]:
    return entry.place
