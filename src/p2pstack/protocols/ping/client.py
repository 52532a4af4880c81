"""Measuring round trips."""

from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from anyio import CancelScope, current_time, fail_after, sleep_until

from p2pstack.abc.connection import Stream
from p2pstack.abc.host import Host, Target
from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.protocols.ping.service import PING, SIZE, receive_payload
from p2pstack.streams.clock import clock_of_this_loop

__all__ = ["RoundTrips", "ping"]


def ping(
    host: Host,
    target: Target,
    *,
    count: int | None = None,
    interval: float = 1.0,
    timeout: float = 10.0,
    clock: Callable[[], float] | None = None,
) -> "RoundTrips":
    """Round-trip times to a peer in seconds, to iterate over: `async for rtt in ping(host, peer, count=3)`.

    All pings go over one stream. It is closed with the last one, at an error, and on leaving `async with`, which is for
    iterations that may end before: `async with ping(host, peer) as rtts`.

    :param count: how many pings; None: without end
    :param interval: seconds from one ping to the next
    :param timeout: seconds to wait for an answer
    :param clock: gives the seconds that round trips are measured by; the event loop's unless given, with a fine tick
    :raises LocalProtocolError: a number is out of range
    """
    if (count is not None and count < 0) or interval < 0 or timeout <= 0:
        raise LocalProtocolError(f"ping: expected numbers above 0, got {count=}, {interval=}, {timeout=}")
    return RoundTrips(host, target, count=count, interval=interval, timeout=timeout, clock=clock)


class RoundTrips(AsyncIterator[float]):
    """What `ping` returns. Each step is one ping: when it is due, it is sent, and its answer awaited.

    A step raises `TimeoutError` where no answer comes, `RemoteProtocolError` where it is a wrong one, and the errors of
    `Host.open_stream` and of streams.
    """

    def __init__(
        self,
        host: Host,
        target: Target,
        *,
        count: int | None,
        interval: float,
        timeout: float,
        clock: Callable[[], float] | None,
    ) -> None:
        self._host = host
        self._target = target
        self._left = count
        self._interval = interval
        self._timeout = timeout
        self._clock = clock
        self._stream: Stream | None = None
        self._due = 0.0

    async def __anext__(self) -> float:
        if self._left == 0:
            await self.aclose()
            raise StopAsyncIteration
        if self._left is not None:
            self._left -= 1
        try:
            stream = self._stream
            if stream is None:
                stream = self._stream = await self._host.open_stream(self._target, PING)
            else:
                await sleep_until(self._due)
            return await self._round_trip(stream)
        except BaseException:
            self._left = 0
            if self._stream is not None:
                self._stream.reset()
            raise

    async def _round_trip(self, stream: Stream) -> float:
        payload = self._host.random.randbytes(SIZE)
        self._due = current_time() + self._interval
        try:
            with fail_after(self._timeout):
                clock = self._clock or clock_of_this_loop()
                sent_at = clock()
                await stream.send(payload)
                answer = await receive_payload(stream)
                rtt = clock() - sent_at
        except TimeoutError:
            raise TimeoutError(f"peer {stream.remote_peer} did not answer a ping within {self._timeout:g} s") from None
        if answer != payload:
            got = "the end of the stream" if answer is None else "others"
            raise RemoteProtocolError(f"ping: expected the {SIZE} bytes sent from {stream.remote_peer}, got {got}")
        return rtt

    async def aclose(self) -> None:
        """Close the stream; the iteration is over."""
        self._left = 0
        stream, self._stream = self._stream, None
        if stream is not None:
            with CancelScope(shield=True):
                await stream.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
