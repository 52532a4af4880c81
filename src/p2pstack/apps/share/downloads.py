"""Fetching pieces: one `Download` for each node that has some.

==============  ==================================================================================
asks            for turns, as many as it has use for, and again whenever something has changed
has a turn      requests the piece that is best fetched from this peer now, or passes
receives        a piece; the next one comes while it is verified and written
has a bad one   raises `BadPiece`: the peer is not asked again
==============  ==================================================================================
"""

from collections.abc import Awaitable, Callable, Sequence

from anyio import CancelScope, Semaphore, create_task_group, current_time
from anyio.abc import TaskGroup

from p2pstack import PeerId, RemoteProtocolError, Stream
from p2pstack.apps.share.channel import Channel, Outbox
from p2pstack.apps.share.manifest import Manifest
from p2pstack.apps.share.messages import (
    MAX_REPLY,
    Gained,
    Grant,
    Have,
    Pass,
    Piece,
    Reply,
    Request,
    Want,
    decode_reply,
    encode,
)
from p2pstack.apps.share.picker import Picker

__all__ = ["BadPiece", "Download"]

#: seconds in which at least a byte has to come of what is expected
_SILENCE = 15.0
#: seconds that a piece may take, and the bytes a second that it may take longer for
_DEADLINE, _LEAST_RATE = 60.0, 4_096
#: pieces of one peer that have come and are being verified
_VERIFIED_AT_ONCE = 2


class BadPiece(RemoteProtocolError):
    """What a peer sent as a piece is something else."""


class Download:
    """Fetches from one peer.

    :param keep: verifies a piece and keeps it; False where it is bad
    """

    def __init__(
        self,
        manifest: Manifest,
        picker: Picker[PeerId],
        stream: Stream,
        *,
        keep: Callable[[int, Sequence[bytes], bytes], Awaitable[bool]],
    ) -> None:
        self.peer = stream.remote_peer
        #: bytes of pieces that came from there
        self.received = 0
        #: pieces that it has
        self.has = 0
        self._manifest = manifest
        self._picker = picker
        self._channel = Channel(stream, decode_reply, limit=MAX_REPLY)
        self._outbox = Outbox(stream)
        self._keep = keep
        self._verifying = Semaphore(_VERIFIED_AT_ONCE)
        self._begun = False
        self._served_at = current_time()
        self._late = False
        self._came, self._came_at = 0, self._served_at  # bytes seen, and when there was something new
        self._scope = CancelScope()
        self._deadline = _DEADLINE + manifest.piece_size / _LEAST_RATE

    async def run(self) -> None:
        """Fetch, until there is nothing left that anybody could have, or cancelled.

        :raises BadPiece: it sent one
        """
        self._picker.join(self.peer)
        try:
            with self._scope:
                async with create_task_group() as tasks:
                    tasks.start_soon(self._outbox.run)
                    while True:
                        await self._take(await self._channel.receive(), tasks)
        finally:
            self._picker.leave(self.peer)
        if self._late:
            raise TimeoutError(f"{self.peer} did not send what it was asked for")

    def tick(self, now: float) -> None:
        """Look at the time: end it if what is expected has not come."""
        if self._begun and not self._picker.expects_any(self.peer):
            self._served_at = self._came_at = now
        # Where it waits for us to verify, that is no silence of its own.
        if self._came != self._channel.received or not self._verifying.value:
            self._came, self._came_at = self._channel.received, now
        if now - self._served_at > self._deadline or now - self._came_at > _SILENCE:
            self._late = True
            self._scope.cancel()

    def ask(self) -> None:
        """Ask for turns if there is something to fetch."""
        if count := self._picker.wants(self.peer, current_time()):
            self._outbox.post(encode(Want(count)))

    def _learn(self, bits: int) -> None:
        """It has these."""
        if bits >> self._manifest.count:
            raise RemoteProtocolError(f"{self.peer} has pieces that do not exist")
        self.has |= bits
        self._picker.gain(self.peer, bits)

    async def _take(self, reply: Reply, tasks: TaskGroup) -> None:
        picker = self._picker
        if self._begun != (not isinstance(reply, Have)):
            raise RemoteProtocolError(f"{self.peer} did not begin with what it has, or did so twice")
        if self._outbox.full:
            raise RemoteProtocolError(f"{self.peer} talks, and does not read what is said to it")
        match reply:
            case Have(bits):
                self._begun = True
                self._learn(int.from_bytes(bits, "little"))
                self.ask()
            case Gained(indices):
                bits = 0
                for index in indices:
                    bits |= 1 << index
                self._learn(bits)
                self.ask()
            case Grant(suggestions):
                if not picker.granted(self.peer, len(suggestions)):
                    raise RemoteProtocolError(f"{self.peer} granted turns that nobody asked for")
                for suggestion in suggestions:
                    index = picker.pick(self.peer, current_time(), suggestion=suggestion)
                    self._outbox.post(encode(Pass() if index is None else Request(index)))
            case Piece(index, proof):
                if not picker.expects(self.peer, index):
                    raise RemoteProtocolError(f"{self.peer} sent a piece that was not requested")
                parts = await self._channel.receive_bytes(self._manifest.length(index))
                self.received += self._manifest.length(index)
                self._served_at = current_time()
                await self._verifying.acquire()
                tasks.start_soon(self._verify, index, parts, proof)

    async def _verify(self, index: int, parts: Sequence[bytes], proof: bytes) -> None:
        try:
            good = await self._keep(index, parts, proof)
        finally:
            self._verifying.release()
        if not good:
            raise BadPiece(f"{self.peer} sent a piece that is not what the content's hash stands for")
        self.ask()
