"""Byte streams below the secure channel, and the one thing anyio's lack: giving surplus bytes back."""

from abc import abstractmethod

from anyio.abc import ByteStream

__all__ = ["PushbackStream", "RawStream"]


class PushbackStream(ByteStream):
    """An anyio byte stream that takes back what was read too far.

    Negotiation reads in chunks and may find the first bytes of the next layer behind its own last message.
    """

    @abstractmethod
    def unread(self, data: bytes) -> None:
        """Put `data` in front of what the next receive returns. An empty `data` changes nothing."""


class RawStream(PushbackStream):
    """What a transport makes: bytes as the network gives them."""

    @abstractmethod
    async def receive_view(self) -> memoryview:
        """Like `receive`, but lends the bytes: the view may point into a buffer that other streams share, and is valid
        only until the caller awaits anything. At least one byte; raises as `receive` does."""
