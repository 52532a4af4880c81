"""Which blocks are taken, and which of them count: the chain with the most work. Synchronous, and without a clock.

A header is judged by its ancestors alone, so that a whole chain of them can be judged before a single transfer is
fetched. What is in a block is judged when it comes to count:

=================================  ====================================================================================
its parent is not known            `Orphan`: ask for it
its time is ahead of our clock     `Refused`: it may be good in a while
its work, time, height or          `Invalid`
difficulty, or a signature, is
not what it should be
its chain has no more work than    it is kept, and does not count
ours has
its chain has more                 in one transaction: blocks of ours are undone down to where the two part, and those
                                   of the other are done. Where one of them spends what is not there, all is as before,
                                   and that one and what builds on it is `Invalid`
=================================  ====================================================================================
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from p2pstack.apps.ledger.accounts import Account, connect, disconnect, touched
from p2pstack.apps.ledger.block import Block, Entry, Header, has_work
from p2pstack.apps.ledger.faults import Invalid, Orphan, Refused
from p2pstack.apps.ledger.rules import MEDIAN_OF, Rules
from p2pstack.apps.ledger.store import Store
from p2pstack.apps.ledger.transfer import Transfer

__all__ = ["Chain", "Change"]

T = TypeVar("T")

#: ids of blocks that spend what is not there, and transfers whose signatures hold, that are remembered
_REMEMBERED = 20_000
#: transfers of undone blocks that are given back, the newest ones
_MAX_RETURNED = 10_000


class Change(NamedTuple):
    """The chain that counts has become another."""

    #: how many blocks count no longer
    removed: int
    #: how many do now
    added: int
    #: the accounts that have changed, as they are now
    accounts: dict[bytes, Account]
    #: transfers of blocks that count no longer
    returned: tuple[Transfer, ...]


class _Misspent(Exception):
    """A block cannot be done."""

    def __init__(self, block_id: bytes, why: Invalid) -> None:
        super().__init__()
        self.block_id = block_id
        self.why = why


class Chain:
    """The blocks of a store, by the rules of a network."""

    def __init__(self, rules: Rules, store: Store) -> None:
        self.rules = rules
        self.store = store
        self._misspent: dict[bytes, None] = {}
        self._verified: dict[Transfer, None] = {}

    @property
    def tip(self) -> Entry:
        """The last block that counts."""
        return self.store.tip

    # --- headers

    def check_header(self, header: Header, block_id: bytes, now: int, lookup: Callable[[bytes], Entry]) -> Entry:
        """Judge a header by its ancestors.

        :param now: milliseconds since 1970
        :param lookup: finds ancestors; raises KeyError
        :raises Invalid: it breaks a rule
        :raises Orphan: its parent is not known
        :raises Refused: it is ahead of our clock
        """
        if block_id in self._misspent or header.parent in self._misspent:
            raise Invalid(f"block {header.height}: it or an ancestor spends what is not there")
        try:
            parent = lookup(header.parent)
        except KeyError:
            raise Orphan(f"block {header.height}: its parent is not known") from None
        if header.height != parent.header.height + 1:
            raise Invalid(f"block {header.height}: expected height {parent.header.height + 1}")
        expected, earliest = self.demands(parent, lookup)
        if header.difficulty != expected:
            raise Invalid(f"block {header.height}: expected difficulty {expected}, got {header.difficulty}")
        if not has_work(header, block_id):
            raise Invalid(f"block {header.height}: its id is no proof of work")
        if header.time < earliest:
            raise Invalid(f"block {header.height}: expected a time from {earliest}, got {header.time}")
        if header.time > now + self.rules.max_skew:
            raise Refused(f"block {header.height}: its time is {header.time - now} ms ahead of our clock")
        return Entry(block_id, header, parent.work + header.difficulty)

    def demands(self, parent: Entry, lookup: Callable[[bytes], Entry]) -> tuple[int, int]:
        """The difficulty of a block on top of `parent`, and the earliest time that it may have."""
        height, times, ancestor = parent.header.height + 1, [parent.header.time], parent
        while len(times) < MEDIAN_OF and ancestor.header.height > 0:
            ancestor = lookup(ancestor.header.parent)
            times.append(ancestor.header.time)
        difficulty = parent.header.difficulty
        if self.rules.retargets(height):
            first = self.rules.first_of_window(height)
            ancestor = parent
            while ancestor.header.height > first:
                ancestor = lookup(ancestor.header.parent)
            taken = parent.header.time - ancestor.header.time
            difficulty = self.rules.adjusted(difficulty, blocks=height - 1 - first, taken=taken)
        return difficulty, self.rules.earliest(times)

    def locator(self) -> list[bytes]:
        """Ids of the chain that counts, from its tip back, ever further apart: where another parts is among them."""
        height, step, ids = self.tip.header.height, 1, list[bytes]()
        while height > 0:
            ids.append(self._id_at(height))
            if len(ids) >= 10:
                step *= 2
            height -= step
        return [*ids, self._id_at(0)]

    def after(self, locator: Iterable[bytes], count: int) -> list[bytes]:
        """Headers of the chain that counts, encoded, from behind the first id of a locator that is on it."""
        for block_id in locator:
            if block_id in self.store:
                height = self.store.entry(block_id).header.height
                if self.store.id_at(height) == block_id:
                    return list(self.store.headers_from(height + 1, count))
        return []

    def _id_at(self, height: int) -> bytes:
        block_id = self.store.id_at(height)
        assert block_id is not None  # there is one at each height up to the tip's
        return block_id

    # --- signatures

    def verify(self, transfers: Iterable[Transfer]) -> None:
        """Verify signatures; those that hold are remembered.

        :raises Invalid: one does not hold
        """
        for transfer in transfers:
            if transfer in self._verified:
                continue
            if not transfer.verify(self.rules.network):
                raise Invalid(f"transfer {transfer.id.hex()}: its signature does not hold")
            _remember(self._verified, transfer)

    # --- blocks

    def add(self, block: Block, now: int) -> Change | None:
        """Take a block. None where nothing changed: it is known, or its chain does not count.

        :param now: milliseconds since 1970
        :raises Invalid: it, or an ancestor of it, breaks a rule
        :raises Orphan: its parent is not known
        :raises Refused: it is ahead of our clock
        """
        if block.id in self.store:
            return None
        entry = self.check_header(block.header, block.id, now, self.store.entry)
        self.verify(block.transfers)
        try:
            with self.store.transaction():
                self.store.add(entry, block.body)
                return self._switch(entry) if entry.work > self.tip.work else None
        except _Misspent as misspent:
            with self.store.transaction():
                gone = self.store.remove(misspent.block_id)
            for block_id in (misspent.block_id, block.id, *gone):
                _remember(self._misspent, block_id)
            raise misspent.why from None

    def _switch(self, entry: Entry) -> Change:
        """Have the chain end with a block."""
        store, reward = self.store, self.rules.reward
        branch: list[Entry] = []
        while store.id_at(entry.header.height) != entry.id:
            branch.append(entry)
            entry = store.entry(entry.header.parent)
        changed: dict[bytes, Account] = {}
        returned: list[Transfer] = []
        removed = 0
        while (tip := store.tip).id != entry.id:
            block = store.block(tip.id)
            accounts = store.accounts(touched(block))
            disconnect(block, accounts, reward=reward)
            store.pop(block, accounts)
            changed |= accounts
            returned.extend(block.transfers[: _MAX_RETURNED - len(returned)])
            removed += 1
        added = len(branch)
        while branch:
            block = store.block(branch[-1].id)
            accounts = store.accounts(touched(block))
            try:
                connect(block, accounts, reward=reward)
            except Invalid as why:
                raise _Misspent(block.id, why) from None
            store.append(block, accounts)
            changed |= accounts
            branch.pop()
        return Change(removed, added, changed, tuple(returned))


def _remember(known: dict[T, None], what: T) -> None:
    known[what] = None
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]
