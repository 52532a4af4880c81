"""What a node keeps: blocks, which of them count, and what accounts have. SQLite.

Whatever belongs together is written in one transaction, so that a process killed at any moment leaves what was there
before it or after it, and never a tip without its accounts. The journal is a write-ahead log, `synchronous` is NORMAL:
a commit costs no fsync, and survives `kill -9`. After a power failure the newest transactions may be missing, whole and
from the end: the node then asks its peers for those blocks, as it does after any absence.

======================  ===============================================================================================
table                   a row for
======================  ===============================================================================================
`blocks`                each block that came, with all its transfers, on the chain that counts or beside it
`chain`                 each height of the chain that counts
`accounts`              each account that ever had something, as the tip leaves it
`transfers`             each transfer on the chain that counts: where it is
`history`               each account of each of these, and of each block it mined (place -1)
======================  ===============================================================================================
"""

import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from p2pstack.apps.ledger.accounts import Account
from p2pstack.apps.ledger.block import Block, Entry, Header, genesis
from p2pstack.apps.ledger.faults import StoreError
from p2pstack.apps.ledger.rules import Rules
from p2pstack.apps.ledger.transfer import TRANSFER_SIZE, Transfer, decode_all

__all__ = ["VERSION", "Store"]

#: of the tables below, kept in the file's `user_version`
VERSION = 1
_TABLES = """
CREATE TABLE blocks (
    id BLOB PRIMARY KEY, parent BLOB NOT NULL, work BLOB NOT NULL, header BLOB NOT NULL, body BLOB NOT NULL
);
CREATE INDEX children ON blocks (parent);
CREATE TABLE chain (height INTEGER PRIMARY KEY, id BLOB NOT NULL);
CREATE TABLE accounts (account BLOB PRIMARY KEY, balance INTEGER NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE transfers (id BLOB PRIMARY KEY, height INTEGER NOT NULL, place INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE history (account BLOB, height INTEGER, place INTEGER, PRIMARY KEY (account, height, place)) WITHOUT ROWID;
"""
_WORK_SIZE = 16
_CACHED = 4_096


class Store:
    """The database of one node. One process has it at a time.

    :param path: of its file, made with its folder at the first time; None: in memory
    :raises StoreError: it cannot be opened, is in use, or is of another ledger or another version
    """

    def __init__(self, rules: Rules, path: Path | None = None) -> None:
        self._name = ":memory:" if path is None else str(path)
        self._rules = rules
        self._depth = 0
        #: an entry by its id; raises KeyError where there is none
        self.entry = lru_cache(_CACHED)(self._read_entry)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._errors():
            self._db = sqlite3.connect(self._name, isolation_level=None, timeout=0.5, check_same_thread=False)
        try:
            self._open()
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        first = genesis(self._rules)
        with self._errors():
            for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
                self._db.execute(f"PRAGMA {pragma}")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise StoreError(f"{self._name}: expected version {VERSION} of the tables, got {version}")
        with self.transaction():
            if not version:
                for statement in filter(str.strip, _TABLES.split(";")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
                self.add(Entry(first.id, first.header, 0), b"")
                self._db.execute("INSERT INTO chain VALUES (0, ?)", (first.id,))
                self.write_accounts({account: Account(amount) for account, amount in self._rules.allocation})
        if self.id_at(0) != first.id:
            raise StoreError(f"{self._name}: holds a ledger with other rules: use another folder, or its parameters")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # --- transactions

    @contextmanager
    def transaction(self) -> Generator[None]:
        """All that is done inside is done, or none of it where it raises. One within another is a part of that.

        :raises StoreError: it cannot be written
        """
        self._depth += 1
        outermost, name = self._depth == 1, f"level{self._depth}"
        try:
            with self._errors():
                self._db.execute("BEGIN IMMEDIATE" if outermost else f"SAVEPOINT {name}")
                try:
                    yield
                    self._db.execute("COMMIT" if outermost else f"RELEASE {name}")
                except BaseException:
                    self.entry.cache_clear()
                    if self._db.in_transaction:  # a disk that is full has ended it already
                        self._db.execute("ROLLBACK" if outermost else f"ROLLBACK TO {name}")
                        if not outermost:
                            self._db.execute(f"RELEASE {name}")
                    raise
        finally:
            self._depth -= 1

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            in_use = "locked" in str(error)
            raise StoreError(f"{self._name}: {'in use by another node' if in_use else error}") from error

    # --- blocks

    def _read_entry(self, block_id: bytes) -> Entry:
        row = self._db.execute("SELECT header, work FROM blocks WHERE id = ?", (block_id,)).fetchone()
        if row is None:
            raise KeyError(block_id)
        return Entry(block_id, Header.from_bytes(row[0]), int.from_bytes(row[1], "big"))

    def __contains__(self, block_id: bytes) -> bool:
        try:
            self.entry(block_id)
        except KeyError:
            return False
        return True

    def body(self, block_id: bytes) -> bytes | None:
        """The transfers of a block, encoded; None where it is not known."""
        row = self._db.execute("SELECT body FROM blocks WHERE id = ?", (block_id,)).fetchone()
        return None if row is None else row[0]

    def block(self, block_id: bytes) -> Block:
        """A block that is known."""
        header, body = self._db.execute("SELECT header, body FROM blocks WHERE id = ?", (block_id,)).fetchone()
        return Block(block_id, Header.from_bytes(header), decode_all(body))

    def add(self, entry: Entry, body: bytes) -> None:
        """Keep a block."""
        work = entry.work.to_bytes(_WORK_SIZE, "big")
        row = (entry.id, entry.header.parent, work, entry.header.to_bytes(), body)
        self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?)", row)

    def remove(self, block_id: bytes) -> Sequence[bytes]:
        """Forget a block beside the chain that counts, and all that build on it; their ids."""
        query = (
            "WITH RECURSIVE gone (id) AS (SELECT id FROM blocks WHERE id = ? "
            "UNION SELECT blocks.id FROM blocks JOIN gone ON blocks.parent = gone.id) SELECT id FROM gone"
        )
        gone = [found for (found,) in self._db.execute(query, (block_id,))]
        self._db.executemany("DELETE FROM blocks WHERE id = ?", [(each,) for each in gone])
        self.entry.cache_clear()
        return gone

    # --- the chain that counts

    @property
    def tip(self) -> Entry:
        """Its last block."""
        (block_id,) = self._db.execute("SELECT id FROM chain ORDER BY height DESC LIMIT 1").fetchone()
        return self.entry(block_id)

    def id_at(self, height: int) -> bytes | None:
        """Its block of this height."""
        row = self._db.execute("SELECT id FROM chain WHERE height = ?", (height,)).fetchone()
        return None if row is None else row[0]

    def headers_from(self, height: int, count: int) -> Sequence[bytes]:
        """Its headers from a height on, encoded."""
        query = "SELECT header FROM chain JOIN blocks USING (id) WHERE height >= ? ORDER BY height LIMIT ?"
        return [header for (header,) in self._db.execute(query, (height, count))]

    def append(self, block: Block, accounts: Mapping[bytes, Account]) -> None:
        """Put a known block at its end, with the accounts as it leaves them."""
        height, miner = block.header.height, block.header.miner
        self._db.execute("INSERT INTO chain VALUES (?, ?)", (height, block.id))
        self.write_accounts(accounts)
        places = list(enumerate(block.transfers))
        self._db.executemany("INSERT INTO transfers VALUES (?, ?, ?)", [(each.id, height, at) for at, each in places])
        rows = {(account, height, at) for at, each in places for account in (each.sender, each.recipient)}
        self._db.executemany("INSERT INTO history VALUES (?, ?, ?)", [*rows, (miner, height, -1)])

    def pop(self, block: Block, accounts: Mapping[bytes, Account]) -> None:
        """Take its last block off its end; that stays known."""
        height = block.header.height
        self._db.execute("DELETE FROM chain WHERE height = ?", (height,))
        self.write_accounts(accounts)
        self._db.executemany("DELETE FROM transfers WHERE id = ?", [(each.id,) for each in block.transfers])
        rows = [(account, height) for account in accounts]
        self._db.executemany("DELETE FROM history WHERE account = ? AND height = ?", rows)

    # --- accounts

    def accounts(self, keys: Iterable[bytes]) -> dict[bytes, Account]:
        """Accounts as the tip leaves them; one that nobody knows has nothing."""
        execute = self._db.execute
        found: dict[bytes, Account] = {}
        for key in keys:
            row = execute("SELECT balance, number FROM accounts WHERE account = ?", (key,)).fetchone()
            found[key] = Account() if row is None else Account._make(row)
        return found

    def write_accounts(self, accounts: Mapping[bytes, Account]) -> None:
        """Replace accounts."""
        rows = [(key, balance, number) for key, (balance, number) in accounts.items()]
        self._db.executemany("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?)", rows)

    @property
    def supply(self) -> int:
        """What all accounts have together."""
        return sum(balance for (balance,) in self._db.execute("SELECT balance FROM accounts"))

    # --- what happened to an account

    def height_of(self, transfer_id: bytes) -> int | None:
        """The height of the block on the chain that counts that a transfer is in."""
        row = self._db.execute("SELECT height FROM transfers WHERE id = ?", (transfer_id,)).fetchone()
        return None if row is None else row[0]

    def history(self, account: bytes, count: int) -> Sequence[tuple[Header, Transfer | None]]:
        """The newest transfers of an account, and blocks it mined (None), each with the header of its block."""
        query = (
            "SELECT header, place, substr(body, place * ? + 1, ?) FROM history JOIN chain USING (height) "
            "JOIN blocks USING (id) WHERE account = ? ORDER BY height DESC, place DESC LIMIT ?"
        )
        return [
            (Header.from_bytes(header), None if place < 0 else Transfer.from_bytes(transfer))
            for header, place, transfer in self._db.execute(query, (TRANSFER_SIZE, TRANSFER_SIZE, account, count))
        ]
