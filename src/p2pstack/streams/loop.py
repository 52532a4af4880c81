"""Which kind of event loop runs."""

from asyncio import AbstractEventLoop

from anyio.lowlevel import current_token

__all__ = ["asyncio_loop"]


def asyncio_loop() -> AbstractEventLoop | None:
    """The event loop that runs, where it is one of asyncio's or uvloop's and so has callbacks; None on trio."""
    loop = current_token().native_token
    return loop if isinstance(loop, AbstractEventLoop) else None
