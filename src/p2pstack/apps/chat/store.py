"""History on disk: one SQLite file for all rooms.

What `add` has returned from survives the end of the process at any moment, `kill -9` too: it is in the write-ahead log,
which belongs to the system by then. (Should the machine itself lose power, the newest lines may be gone here; others
have them.) One process at a time has the file.
"""

import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from p2pstack import LocalProtocolError
from p2pstack.apps.chat.messages import Entry, Sealed, decode, encode

__all__ = ["HistoryStore"]

#: the version of the file, in SQLite's `user_version`
VERSION = 1
_SCHEMA = """
CREATE TABLE entry (room TEXT NOT NULL, id BLOB NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (room, id)) WITHOUT ROWID;
"""


class HistoryStore:
    """The entries of all rooms.

    :param path: the file; None: in memory, for as long as this object lives
    :raises LocalProtocolError: another process has it, or a newer version of this program made it
    :raises OSError: it cannot be read or written
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=0, check_same_thread=False)
        try:
            with self._told():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run("BEGIN IMMEDIATE")
        (version,) = run("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise LocalProtocolError(f"{self.path} was made by a newer p2pstack (format {version}): use that one")
        if version == 0:
            run(_SCHEMA)
            run(f"PRAGMA user_version = {VERSION}")
        run("COMMIT")

    def load(self, room: str) -> Iterable[Sealed]:
        """All entries of a room, in no order."""
        with self._told():
            rows = self._connection.execute("SELECT sealed FROM entry WHERE room = ?", (room,)).fetchall()
        return [decode(sealed, Sealed) for (sealed,) in rows]

    def add(self, entry: Entry, *, displaced: Iterable[Entry] = ()) -> None:
        """Keep an entry, and forget those that make room for it.

        :raises OSError: the disk is full, or cannot be written
        """
        room = entry.line.room
        with self._told():
            run = self._connection.execute
            run("BEGIN IMMEDIATE")
            try:
                run("INSERT OR IGNORE INTO entry VALUES (?, ?, ?)", (room, entry.id, encode(entry.sealed)))
                for old in displaced:
                    run("DELETE FROM entry WHERE room = ? AND id = ?", (room, old.id))
                run("COMMIT")
            except sqlite3.Error:
                if self._connection.in_transaction:
                    run("ROLLBACK")
                raise

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextmanager
    def _told(self) -> Generator[None]:
        """SQLite's errors, as what a person can do something about."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise LocalProtocolError(
                    f"{self.path} is in use: another chat runs with it; end that, or give this one its own --data"
                ) from None
            raise OSError(f"the history in {self.path} cannot be written: {error}") from None
        except sqlite3.DatabaseError as error:
            raise OSError(f"{self.path} is no history of chat, or damaged ({error}): move it away") from None
