"""The deadline of many short waits, at the price of one task for all.

A cancel scope for each inbound stream would cost as much as the rest of its negotiation. All these waits last equally
long, so they fall due in the order they began: one task sleeps until the first of them does.
"""

from anyio import Event, current_time, sleep_until

from p2pstack.abc.muxer import MuxedStream

__all__ = ["OverdueStreams"]


class OverdueStreams:
    """Resets streams that are watched for too long.

    :param timeout: seconds
    """

    __slots__ = ("_due", "_timeout", "_wake")

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._due: dict[MuxedStream, float] = {}
        self._wake: Event | None = None

    def watch(self, stream: MuxedStream) -> None:
        """From now on."""
        self._due[stream] = current_time() + self._timeout
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    def release(self, stream: MuxedStream) -> bool:
        """No longer. Whether it was still watched: if not, it has been reset."""
        return self._due.pop(stream, None) is not None

    async def run(self) -> None:
        """Watch, for ever."""
        while True:
            if not self._due:
                self._wake = Event()
                await self._wake.wait()
            # Most waits are over by now. It sleeps on all the same: the wait that then is the first falls due later.
            await sleep_until(next(iter(self._due.values()), current_time() + self._timeout))
            now = current_time()
            for stream, due in tuple(self._due.items()):
                if due > now:
                    break
                del self._due[stream]
                stream.reset()
