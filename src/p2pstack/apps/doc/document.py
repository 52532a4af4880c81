"""A text that many people edit at once, in one memory: a CRDT, so that whoever has the same updates has the same text.

========================  ========================================================================================
what comes                what happens
========================  ========================================================================================
an edit of ours           it is made; the update that tells others of it is returned
an update that fits       it is made; returned is what of it was news, or nothing
one that does not yet     it waits, among at most `MAX_EARLY`, until what it builds on has come; then it is made, too
one that is none          `RemoteProtocolError`: see `update.py`. The document is as it was
one for which no room is  `LimitExceeded`
========================  ========================================================================================

Positions are counted in characters, as Python does.
"""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from pycrdt import Doc, Text, TransactionEvent, merge_updates

from p2pstack import LimitExceeded, LocalProtocolError, RemoteProtocolError
from p2pstack.apps.doc.update import ROOT, Name, Update, read_state, read_update

__all__ = ["EMPTY", "MAX_DOCUMENT", "MAX_EARLY", "Document"]

#: bytes of a document as one update, with all it remembers of what was deleted
MAX_DOCUMENT = 4 << 20
#: updates that came before what they build on: how many of them are kept, and their bytes
MAX_EARLY = 256
_MAX_EARLY_BYTES = 1 << 20
#: the update that says nothing
EMPTY = b"\x00\x00"


class Document:
    """The text.

    :param client_id: names what is written here: a number below 2^32 that nobody else ever wrote under
    :param limit: bytes that it may take as one update
    """

    def __init__(self, client_id: int, *, limit: int = MAX_DOCUMENT) -> None:
        self._client_id = client_id
        self._limit = limit
        self._early: deque[Update] = deque()
        self._news: list[bytes] = []
        self._pairs: set[Name] = set()
        self._size = 0  # at least what it takes as one update
        self._open(EMPTY)

    def _open(self, update: bytes) -> None:
        self._doc: Doc[Text] = Doc(client_id=self._client_id)
        self._text = self._doc.get(ROOT, type=Text)
        self._doc.apply_update(update)
        self._doc.observe(self._note)

    def _note(self, event: TransactionEvent) -> None:
        self._news.append(event.update)

    def _keep_in_mind(self, news: bytes) -> None:
        """Which characters have two halves."""
        made, pairs = read_update(news), self._pairs
        pairs |= made.pairs
        for client, first, end in made.deletes:
            if end - first < len(pairs):
                pairs.difference_update((client, clock) for clock in range(first, end))
            else:
                self._pairs = pairs = {p for p in pairs if p[0] != client or not first <= p[1] < end}

    def __str__(self) -> str:
        return str(self._text)

    @property
    def client_id(self) -> int:
        """What is written here is named by it."""
        return self._client_id

    @property
    def early(self) -> int:
        """How many updates wait for what they build on."""
        return len(self._early)

    @property
    def state(self) -> bytes:
        """What is here, as a state vector."""
        return self._doc.get_state()

    @property
    def clocks(self) -> Mapping[int, int]:
        """What is here: how many characters of each client."""
        return read_state(self.state)

    def update(self, state: bytes = b"\x00") -> bytes:
        """What is here and not in a document of this state; all there is, unless told otherwise.

        :raises RemoteProtocolError: that is no state
        """
        read_state(state)
        return self._doc.get_update(state)

    # --- to edit

    def insert(self, position: int, text: str) -> bytes:
        """Write a text; what tells others of it.

        :raises LocalProtocolError: there is no such position, or no text
        :raises LimitExceeded: there is no room for it
        """
        before = str(self)
        if not 0 <= position <= len(before) or not text:
            raise LocalProtocolError(f"expected text and a position from 0 to {len(before)}, got {position}")
        try:
            size = len(text.encode())
        except UnicodeEncodeError as error:
            raise LocalProtocolError(f"expected text that has a form in UTF-8: {error}") from None
        self._make_room(size)
        self._text.insert(len(before[:position].encode()), text)
        self._keep_in_mind(self._news[-1])
        return self._made()

    def delete(self, position: int, count: int) -> bytes:
        """Delete so many characters; what tells others of it.

        :raises LocalProtocolError: they are not there
        """
        before = str(self)
        if position < 0 or count < 1 or position + count > len(before):
            raise LocalProtocolError(
                f"expected a range within {len(before)} characters, got {count} characters at {position}"
            )
        start = len(before[:position].encode())
        del self._text[start : start + len(before[position : position + count].encode())]
        self._keep_in_mind(self._news[-1])
        return self._made()

    def apply(self, data: bytes) -> bytes | None:
        """Take an update, and those that waited for it; what of them was news.

        :raises RemoteProtocolError: it is none
        :raises LimitExceeded: there is no room for it
        """
        update = read_update(data)
        clocks = self.clocks
        if not update.fits(clocks):
            self._wait(update)
            return None
        self._merge(update)
        while self._early and self._news:
            clocks, early = self.clocks, self._early
            fitting = [update for update in early if update.fits(clocks)]
            if not fitting:
                break
            self._early = deque(update for update in early if not update.fits(clocks))
            for update in fitting:
                with suppress(RemoteProtocolError, LimitExceeded):  # whoever sent it is not the one who asks now
                    self._merge(update)
        return self._made() if self._news else None

    def _merge(self, update: Update) -> None:
        if self._pairs or update.pairs:
            read_update(update.data, self._pairs, update.pairs)
            if any(name in update.pairs for name in self.clocks.items()):
                raise RemoteProtocolError("expected whole characters, got more of one of which half is there already")
        self._make_room(len(update.data))
        known = len(self._news)
        try:
            self._doc.apply_update(update.data)
        except ValueError as error:
            raise RemoteProtocolError(f"expected an update: {error}") from None
        for news in self._news[known:]:
            self._keep_in_mind(news)
        clocks = self.clocks
        if any(clocks.get(client, 0) < end for client, (_, end) in update.holds.items()):
            # Its characters name each other in a circle, and would be kept for ever in the hope of more.
            self._open(self._doc.get_update())

    def _wait(self, update: Update) -> None:
        early = self._early
        early.append(update)
        while len(early) > MAX_EARLY or sum(len(update.data) for update in early) > _MAX_EARLY_BYTES:
            early.popleft()

    def _made(self) -> bytes:
        """What was done since this was asked last."""
        news, self._news = self._news, []
        return news[0] if len(news) == 1 else merge_updates(*news)

    def _make_room(self, size: int) -> None:
        if self._size + size > self._limit:
            self._size = len(self._doc.get_update())
            if self._size + size > self._limit:
                raise LimitExceeded(
                    "bytes of the document", limit=self._limit, used=self._size + size, hint="begin another one"
                )
        self._size += size
