"""Byte streams below the secure channel, and the one thing anyio's lack: giving surplus bytes back."""

from abc import abstractmethod
from collections.abc import Callable

from anyio.abc import ByteStream

__all__ = ["PushbackStream", "RawStream"]


class PushbackStream(ByteStream):
    """An anyio byte stream that takes back what was read too far.

    Negotiation reads in chunks and may find the first bytes of the next layer behind its own last message.
    """

    @abstractmethod
    def unread(self, data: bytes) -> None:
        """Put `data` in front of what the next receive returns. An empty `data` changes nothing."""

    async def send_with_next(self, data: bytes) -> None:
        """Send `data`; it may wait for the next send, if that comes before the next receive that has to wait."""
        await self.send(data)


class RawStream(PushbackStream):
    """What a transport makes: bytes as the network gives them."""

    @abstractmethod
    async def receive_view(self) -> memoryview:
        """Like `receive`, but lends the bytes: the view may point into a buffer that other streams share, and is valid
        only until the caller awaits anything. At least one byte; raises as `receive` does."""

    async def pump(self, take: Callable[[memoryview], bool]) -> None:
        """Give `take` all that arrives, as `receive_view` lends it, until it returns False. It must not block; what it
        raises comes out here. Otherwise raises as `receive` does. No other receive may run meanwhile."""
        while take(await self.receive_view()):
            pass

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Send what the network takes at once, and say how many bytes that was: none where it takes nothing, where a
        `send` is under way, or where the stream is broken, which the next `send` will tell."""
        return 0
