"""What is done at the end of a turn of the event loop, for all that came in it.

In one turn several peers may bring the same message, and one peer many. What has to be checked waits until all of them
have been heard, and what is to be sent until it is known for whom: so who brought a message is not sent it, and all
that is for a peer goes out together, without its writer being woken. A large message is not waited with: the sooner
others hear that it is here, the fewer send it again.
"""

from collections.abc import Callable
from contextlib import suppress

from anyio import EndOfStream, Event
from anyio.lowlevel import checkpoint

from p2pstack.abc.connection import Stream
from p2pstack.pubsub.actions import Validate
from p2pstack.pubsub.streams import PeerStreams
from p2pstack.pubsub.subscription import Gate
from p2pstack.pubsub.validation import FEW, Validation

__all__ = ["Turns"]

#: Bytes from which on a message is checked at once: others are to hear soon that they need not send it as well.
_LARGE = 1_024


class Turns:
    """Hears peers, and ends turns.

    :param gate: shut while nothing more of peers should be taken
    """

    __slots__ = ("_event", "_gate", "_orphaned", "_roused", "_running", "_unchecked", "_validation")

    def __init__(self, validation: Validation, gate: Gate) -> None:
        self._validation = validation
        self._gate = gate
        self._event = Event()
        self._running = False
        self._orphaned = False  # who was to check what is too much for the end of a turn has ended
        self._roused: dict[PeerStreams, None] = {}
        self._unchecked: list[Validate] = []

    async def listen(self, stream: Stream, hear: Callable[[bytes], None]) -> None:
        """Let `hear` take what comes on a stream, for as long as that lives. Where that is many messages they must be
        settled before more may come: who sends faster than we can check is slowed down."""
        gate, unchecked, held = self._gate, self._unchecked, list[bytes]()

        def take(data: bytes) -> bool:
            if gate.shut:
                held.append(data)
                return False
            hear(data)
            if unchecked and len(unchecked[-1].message.data) >= _LARGE:
                self._end()
            return len(unchecked) <= FEW

        try:
            with suppress(EndOfStream):
                while True:
                    await stream.pump(take)
                    if held:
                        await gate.wait()
                        take(held.pop())
                    await self._check_many()
                    await checkpoint()
        finally:
            self._orphaned = True
            self._event.set()

    def check(self, item: Validate) -> None:
        """There is a message to be checked."""
        self._unchecked.append(item)
        self._event.set()

    async def _check_many(self) -> None:
        """Check what is too much for the end of a turn."""
        if len(self._unchecked) > FEW:
            many = tuple(self._unchecked)
            self._unchecked.clear()
            await self._validation.check(many)

    def _end(self) -> None:
        """Check what there is, unless it is much, and send what there is."""
        if 0 < len(self._unchecked) <= FEW:
            few = tuple(self._unchecked)
            self._unchecked.clear()
            self._validation.check_few(few)
        roused, self._roused = self._roused, {}
        for streams in roused:
            streams.send_now()

    def rouse(self, streams: PeerStreams) -> None:
        """There is something in the outbox of a peer."""
        if self._running:
            self._roused[streams] = None
            self._event.set()
        else:
            streams.wake()

    async def run(self) -> None:
        """End turns, until cancelled."""
        self._running = True
        try:
            while True:
                await self._event.wait()
                self._event = Event()
                if self._orphaned:
                    self._orphaned = False
                    await self._check_many()
                self._end()
        finally:
            self._running = False
            for streams in self._roused:
                streams.wake()
