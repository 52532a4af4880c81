"""Standard input and output as anyio byte streams: binary safe, on every event loop, without a thread.

Neither is made non-blocking, as that would change it for every other program that shares it (the shell, for one). A
read of what is readable does not block; neither does a write of at most `PIPE_BUF` bytes to what is writable.
"""

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from select import PIPE_BUF

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream
from anyio.streams.buffered import BufferedByteReceiveStream

from p2pstack.cli.output import OutputClosed
from p2pstack.cli.run import Failed

__all__ = ["StandardInput", "StandardOutput", "lines_of_input"]


class _Descriptor:
    """A file descriptor that may be waited for. Files and /dev/null cannot be, and need not."""

    def __init__(self, descriptor: int, wait: Callable[[int], Awaitable[None]]) -> None:
        self.number = descriptor
        self.waits = True
        self._wait = wait

    async def ready(self) -> None:
        if self.waits:
            blocking = os.get_blocking(self.number)
            try:
                await self._wait(self.number)
            except PermissionError:  # what epoll says of a file
                self.waits = False
            finally:
                os.set_blocking(self.number, blocking)  # uvloop changes it
        else:
            await anyio.lowlevel.checkpoint()


class StandardInput(ByteReceiveStream):
    """What comes in."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = _Descriptor(descriptor, anyio.wait_readable)

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        await self._descriptor.ready()
        data = os.read(self._descriptor.number, max_bytes)
        if not data:
            raise anyio.EndOfStream
        return data

    async def aclose(self) -> None:
        """Leaves it open: it belongs to the process."""


class StandardOutput(ByteSendStream):
    """What goes out. Raises `OutputClosed` when nobody reads it any more."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = _Descriptor(descriptor, anyio.wait_writable)

    async def send(self, item: bytes) -> None:
        rest = memoryview(item)
        while rest:
            await self._descriptor.ready()
            size = PIPE_BUF if self._descriptor.waits else len(rest)
            try:
                rest = rest[os.write(self._descriptor.number, rest[:size]) :]
            except BrokenPipeError:
                raise OutputClosed from None

    async def aclose(self) -> None:
        """Leaves it open: it belongs to the process."""


async def lines_of_input(max_bytes: int = 1 << 20) -> AsyncGenerator[bytes]:
    """The lines of standard input, without what ends them.

    :raises Failed: one is longer than `max_bytes`
    """
    lines = BufferedByteReceiveStream(StandardInput())
    while True:
        try:
            yield (await lines.receive_until(b"\n", max_bytes)).removesuffix(b"\r")
        except anyio.DelimiterNotFound:
            raise Failed(f"a line of standard input is longer than {max_bytes} bytes") from None
        except anyio.IncompleteRead:
            if rest := lines.buffer:
                yield rest
            return
