"""Serving pieces: one `Upload` for each node that fetches from us.

=============  ==================================================================================
told           what can be had here, and a few times a second what has been added
asked to wait  until a slot is free for it
granted        a turn: it has to say soon which piece it wants, or pass. For each turn another piece is suggested, so
               that a source that everybody asks sends each of its pieces once before it sends any twice
served         piece after piece, in the order they were requested
=============  ==================================================================================
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from anyio import CancelScope, Event, create_task_group, current_time, move_on_after, sleep

from p2pstack import RemoteProtocolError, Stream
from p2pstack.apps.share.channel import Channel
from p2pstack.apps.share.merkle import Tree
from p2pstack.apps.share.messages import (
    MAX_ASKED,
    MAX_GAINED,
    MAX_WINDOW,
    Gained,
    Grant,
    Have,
    Pass,
    Piece,
    Request,
    Want,
    decode_wish,
    encode,
)
from p2pstack.apps.share.picker import bits_of
from p2pstack.apps.share.slots import Slots

__all__ = ["Upload", "Uploads"]

#: seconds that a part of a piece may take to be sent
_PART_DEADLINE = 60.0
#: seconds to use a turn
_TURN_DEADLINE = 15.0
#: seconds between two looks at what is new, and at whose time is over
_INTERVAL, _LONG_INTERVAL = 0.25, 5.0

_NEVER = float("inf")


class Uploads:
    """All that fetch from us.

    :param count: pieces in all
    :param slots: pieces that leave at a time
    :param read: reads a piece, in parts of which each is sent at once
    """

    def __init__(
        self,
        tree: Tree,
        have: int,
        count: int,
        *,
        slots: int,
        read: Callable[[int], Awaitable[Sequence[bytes]]],
        random: Random,
    ) -> None:
        self.tree = tree
        self.have = have
        self.count = count
        self.read = read
        self.slots = Slots[Upload](slots)
        #: pieces in the order in which they came
        self.gained: list[int] = []
        #: bytes of pieces sent
        self.sent = 0
        self._open: dict[Upload, None] = {}
        self._news = Event()
        here = bits_of(have)
        self._suggestions = deque(random.sample(here, len(here)))

    async def run(self) -> None:
        """Tell all what is new, a few times a second, and end those that take too long."""
        while True:
            with move_on_after(_LONG_INTERVAL):
                await self._news.wait()
                await sleep(_INTERVAL)
            self._news = Event()
            now = current_time()
            for upload in list(self._open):
                upload.tick(now)

    def gain(self, index: int) -> None:
        """A piece is here."""
        self.have |= 1 << index
        self.gained.append(index)
        self._suggestions.appendleft(index)
        self._news.set()

    def suggest(self) -> int:
        """What has not been suggested for longest: the newest first, for it is what others do not have."""
        self._suggestions.rotate(-1)
        return self._suggestions[-1]

    async def serve(self, stream: Stream) -> None:
        """Let the peer at the other end fetch, for as long as it likes.

        :raises TimeoutError: it did not do its part in time
        """
        upload = Upload(self, stream)
        self._open[upload] = None
        try:
            with upload.scope:
                async with create_task_group() as tasks:
                    tasks.start_soon(upload.speak)
                    await upload.hear()
        finally:
            del self._open[upload]
            self.slots.leave(upload)
            self.grant()
        raise TimeoutError(f"{stream.remote_peer} did not take what it wanted")

    def grant(self) -> None:
        """Give away the slots that are free."""
        for upload, count in self.slots.grants().items():
            upload.grant(count)


class Upload:
    """One that fetches."""

    __slots__ = (
        "_event",
        "_requested",
        "_send_until",
        "_stream",
        "_tell",
        "_to_grant",
        "_told",
        "_turns",
        "_uploads",
        "scope",
    )

    def __init__(self, uploads: Uploads, stream: Stream) -> None:
        self.scope = CancelScope()
        self._uploads = uploads
        self._stream = stream
        self._told = len(uploads.gained)
        self._tell = False
        self._to_grant = 0
        self._turns = deque[float]()  # when each ends that is not used yet
        self._requested = deque[int]()
        self._send_until = _NEVER
        self._event = Event()

    def grant(self, count: int) -> None:
        """It has so many turns more."""
        self._to_grant += count
        self._event.set()

    def tick(self, now: float) -> None:
        """Look at what is new, and at the time."""
        if now > min(self._send_until, self._turns[0] if self._turns else _NEVER):
            self.scope.cancel()
        if self._told < len(self._uploads.gained):
            self._tell = True
            self._event.set()

    async def hear(self) -> None:
        """Take what the peer wants, until it says no more."""
        uploads = self._uploads
        channel = Channel(self._stream, decode_wish, limit=MAX_ASKED)
        while True:
            match await channel.receive():
                case Want(count):
                    if uploads.slots.outstanding(self) + count > MAX_WINDOW:
                        raise RemoteProtocolError(f"{self._stream.remote_peer} wants more than {MAX_WINDOW} pieces")
                    uploads.slots.want(self, count)
                case Request(index):
                    self._use_turn()
                    if not uploads.have >> index & 1:
                        raise RemoteProtocolError(f"{self._stream.remote_peer} requested a piece that is not here")
                    self._requested.append(index)
                    self._event.set()
                case Pass():
                    self._use_turn()
                    uploads.slots.release(self)
            uploads.grant()

    def _use_turn(self) -> None:
        if not self._turns:
            raise RemoteProtocolError(f"{self._stream.remote_peer} took a turn that was not its own")
        self._turns.popleft()

    async def speak(self) -> None:
        """Tell what is here, grant turns, and send pieces."""
        uploads = self._uploads
        bits = uploads.have.to_bytes(-(-uploads.count // 8), "little")
        self._told = len(uploads.gained)
        await self._send(encode(Have(bits)))
        while True:
            message = self._news() + self._grants()
            if self._requested:
                await self._send_piece(message, self._requested.popleft())
            elif message:
                await self._send(message)
            else:
                self._event = Event()
                await self._event.wait()

    def _news(self) -> bytes:
        gained = self._uploads.gained
        if not (self._tell or self._to_grant or self._requested) or self._told == len(gained):
            return b""
        indices = gained[self._told : self._told + MAX_GAINED]
        self._told += len(indices)
        self._tell = self._told < len(gained)
        return encode(Gained(indices))

    def _grants(self) -> bytes:
        if not self._to_grant:
            return b""
        suggestions = [self._uploads.suggest() for _ in range(self._to_grant)]
        self._turns.extend([current_time() + _TURN_DEADLINE] * self._to_grant)
        self._to_grant = 0
        return encode(Grant(suggestions))

    async def _send_piece(self, head: bytes, index: int) -> None:
        uploads = self._uploads
        piece = await uploads.read(index)
        head += encode(Piece(index, uploads.tree.proof(index)))
        for part in piece:
            await self._send(head + part if head else part)
            head = b""
            uploads.sent += len(part)
        uploads.slots.release(self)
        uploads.grant()

    async def _send(self, data: bytes) -> None:
        self._send_until = current_time() + _PART_DEADLINE
        await self._stream.send(data)
        self._send_until = _NEVER
