"""Catching up with a peer whose chain has more work: headers first, then what is in the blocks, from several peers.

==============================  =======================================================================================
headers                         asked of one peer, `MAX_HEADERS` at a time, from where its chain parts from ours. Each
                                is judged at once: a lie costs the liar as much work as the truth
... have no more work than      nothing more is asked; nothing has been written
ours when there are no more
... have more                   transfers are asked of it and of others at once, `MAX_BODIES` blocks at a time, and no
                                more than `_AHEAD` such chunks before those that have been written
a chunk does not come in time,  that peer is asked no more: it is `silent`, or one of the `liars`; another one is asked
or is not what the headers say  for the chunk
nobody is left to ask           the round ends; what was written stays, and another peer may go on
`_WINDOW` headers are done      the next round goes on from there: memory has a bound, whatever there is to catch up
==============================  =======================================================================================
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from anyio import EndOfStream, Event, create_task_group, fail_after
from anyio.lowlevel import checkpoint
from msgspec import msgpack

from p2pstack import AbstractHost, Messages, P2PError, PeerId, RemoteProtocolError
from p2pstack.apps.ledger.block import Block, Entry, Header
from p2pstack.apps.ledger.faults import Invalid, Orphan, Refused, StoreError
from p2pstack.apps.ledger.ledger import Ledger
from p2pstack.apps.ledger.messages import MAX_BODIES, MAX_HEADERS, Body, GetBodies, GetHeaders, Headers, decode, encode
from p2pstack.apps.ledger.server import max_answer

__all__ = ["Sync"]

#: seconds for an answer: headers, or one chunk of blocks
_DEADLINE = 20.0
#: peers that are asked for blocks at a time
_MAX_PEERS = 4
#: chunks that are fetched before those that have been written
_AHEAD = 8
#: headers of one round, and how many more where they do not amount to as much work as our chain has
_WINDOW = 10_000
_MAX_FORK = 100_000
#: transfers that are written at once, before others get their turn: some 10 ms
_STEP = 500
#: what a peer may do to us
_FAILURES = (P2PError, TimeoutError, EndOfStream)
_HEADERS = msgpack.Decoder(Headers)
_BODY = msgpack.Decoder(Body)


class Sync:
    """One round of catching up.

    :param protocol: that peers answer by
    :param take: is given blocks to write, in the order of the chain
    :param now: milliseconds since 1970
    """

    def __init__(
        self,
        host: AbstractHost,
        ledger: Ledger,
        *,
        protocol: str,
        take: Callable[[Sequence[Block]], None],
        now: Callable[[], int],
    ) -> None:
        self._host = host
        self._ledger = ledger
        self._protocol = protocol
        self._take = take
        self._now = now
        #: peers that lied, and why
        self.liars: dict[PeerId, str] = {}
        #: peers that did not answer, and why: they may have died
        self.silent: dict[PeerId, str] = {}

    async def run(self, peer: PeerId, others: Sequence[PeerId]) -> bool:
        """Catch up with a peer; whether there may be more to fetch from it.

        :param others: who else may be asked for what is in blocks
        :raises StoreError: it cannot be written
        """
        try:
            wanted = await self._headers(peer)
            if wanted:
                await self._bodies(wanted, [peer, *others])
        except StoreError:
            raise
        except _FAILURES as error:
            self._blame(peer, error)  # whatever is wrong with a chain, this is who said that it was one
            return False
        return len(wanted) >= _WINDOW

    def _blame(self, peer: PeerId, error: Exception) -> None:
        lied = isinstance(error, RemoteProtocolError | Invalid | Refused)
        (self.liars if lied else self.silent)[peer] = str(error) or "no answer"

    async def _headers(self, peer: PeerId) -> list[Entry]:
        """The headers that a peer has and we do not; none where they have no more work than ours."""
        ledger, found = self._ledger, dict[bytes, Entry]()
        async with await self._host.open_stream(peer, self._protocol) as stream:
            messages = Messages(stream, limit=max_answer(0), what="answer")
            locator, last = tuple(ledger.chain.locator()), None
            while True:
                with fail_after(_DEADLINE):
                    await messages.send(encode(GetHeaders(locator)))
                    headers = decode(await messages.receive(), _HEADERS).headers
                for place, data in enumerate(headers):
                    header = Header.from_bytes(data)
                    if last is not None and header.parent != last:
                        raise RemoteProtocolError(f"ledger: header {header.height} does not follow on the one before")
                    last = header.id
                    if last not in ledger.store and not self._judge(header, last, found):
                        return self._worth_fetching(found)
                    if place % 100 == 99:
                        await checkpoint()
                wanted = self._worth_fetching(found)
                if len(headers) < MAX_HEADERS or len(wanted) >= _WINDOW:
                    return wanted
                if len(found) >= _MAX_FORK:
                    raise RemoteProtocolError(f"ledger: {len(found)} headers have less work than our chain")
                assert last is not None  # there were headers
                locator = (last,)

    def _judge(self, header: Header, block_id: bytes, found: dict[bytes, Entry]) -> bool:
        """Add a header to those found. False where it is ahead of our clock: what lies before it may be good."""
        store = self._ledger.store
        try:
            found[block_id] = self._ledger.chain.check_header(
                header, block_id, self._now(), lambda wanted: found.get(wanted) or store.entry(wanted)
            )
        except Orphan:
            raise
        except Refused:
            return False
        return True

    def _worth_fetching(self, found: dict[bytes, Entry]) -> list[Entry]:
        if not found or found[next(reversed(found))].work <= self._ledger.tip.work:
            return []
        return list(found.values())

    async def _bodies(self, wanted: Sequence[Entry], peers: Sequence[PeerId]) -> None:
        chunks, failure = _Chunks(wanted), None
        async with create_task_group() as tasks:
            for peer in peers[:_MAX_PEERS]:
                chunks.workers += 1
                tasks.start_soon(self._fetch, peer, chunks)
            try:
                await self._write(chunks)
            except P2PError as error:
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _write(self, chunks: "_Chunks") -> None:
        while (blocks := await chunks.next_done()) is not None:
            for part in self._parts(blocks):
                for block in part:
                    for _ in self._ledger.verify_in_steps(block):
                        await checkpoint()
                self._take(part)
                await checkpoint()

    @staticmethod
    def _parts(blocks: Sequence[Block]) -> Iterator[Sequence[Block]]:
        part: list[Block] = []
        for block in blocks:
            part.append(block)
            if sum(len(each.transfers) for each in part) >= _STEP:
                yield part
                part = []
        if part:
            yield part

    async def _fetch(self, peer: PeerId, chunks: "_Chunks") -> None:
        """Fetch chunk by chunk from one peer, until there are no more or it fails."""
        limit = max_answer(self._ledger.rules.max_transfers)
        number: int | None = None
        try:
            async with await self._host.open_stream(peer, self._protocol) as stream:
                messages = Messages(stream, limit=limit, what="answer")
                while True:
                    number = await chunks.claim()
                    with fail_after(_DEADLINE):
                        chunks.done(number, await self._ask(messages, chunks.entries(number)))
        except _FAILURES as error:
            self._blame(peer, error)
            chunks.give_up(number)

    async def _ask(self, messages: Messages, entries: Sequence[Entry]) -> list[Block]:
        await messages.send(encode(GetBodies(tuple(entry.id for entry in entries))))
        blocks: list[Block] = []
        for entry in entries:
            body = decode(await messages.receive(), _BODY).transfers
            if body is None:
                raise RemoteProtocolError(f"ledger: block {entry.header.height} is not there")
            blocks.append(Block.of(entry.header, body, max_transfers=self._ledger.rules.max_transfers))
        return blocks


class _Chunks:
    """Which blocks are to be fetched, are being fetched, or wait to be written."""

    def __init__(self, wanted: Sequence[Entry]) -> None:
        self._chunks = [wanted[start : start + MAX_BODIES] for start in range(0, len(wanted), MAX_BODIES)]
        self._to_claim = deque(range(len(self._chunks)))
        self._done: dict[int, list[Block]] = {}
        self._next = 0
        self._changed = Event()
        #: peers that fetch
        self.workers = 0

    def entries(self, number: int) -> Sequence[Entry]:
        return self._chunks[number]

    async def claim(self) -> int:
        """The next chunk to fetch, once there is one."""
        while not self._to_claim or self._to_claim[0] >= self._next + _AHEAD:
            await self._changed.wait()
        return self._to_claim.popleft()

    def done(self, number: int, blocks: list[Block]) -> None:
        self._done[number] = blocks
        self._wake()

    def give_up(self, number: int | None) -> None:
        """A peer fetches no more; what it had claimed has to be claimed again."""
        self.workers -= 1
        if number is not None and number >= self._next and number not in self._done:
            self._to_claim.appendleft(number)
        self._wake()

    async def next_done(self) -> list[Block] | None:
        """The blocks to write next, once they are there; None after the last.

        :raises RemoteProtocolError: nobody is left who fetches
        """
        while self._next not in self._done:
            if self._next == len(self._chunks):
                return None
            if not self.workers:
                raise RemoteProtocolError("ledger: nobody has the blocks that these headers stand for")
            await self._changed.wait()
        blocks = self._done.pop(self._next)
        self._next += 1
        self._wake()
        return blocks

    def _wake(self) -> None:
        self._changed.set()
        self._changed = Event()
