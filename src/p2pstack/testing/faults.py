"""Byte streams that go wrong where they are told to.

============  ==================================================================================================
`CUT`         the connection ends, as if the peer had closed it: receiving ends, sending fails
`RESET`       the connection breaks: what is on its way is lost, receiving and sending fail
`STALL`       nothing goes in that direction any longer, and nobody says so: a peer that is there no more
`SPLIT`       what would have gone, or come, as one piece comes as two
============  ==================================================================================================

Bytes are counted from 0 in each direction: a fault at k strikes when k bytes have gone, before any other.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from anyio import BrokenResourceError, CancelScope, ClosedResourceError, EndOfStream, Event
from anyio.lowlevel import checkpoint

from p2pstack.abc.bytestream import RawStream
from p2pstack.errors import LocalProtocolError
from p2pstack.streams.memory import memory_pipe

__all__ = ["Fault", "FaultKind", "FaultyStream", "Way", "faulty_pipe"]

#: bytes that `receive_view` lends at most
_VIEW_SIZE = 131_072


class FaultKind(Enum):
    """What goes wrong."""

    CUT = "cut"
    RESET = "reset"
    STALL = "stall"
    SPLIT = "split"


class Way(Enum):
    """The direction that a fault counts the bytes of, as the stream that has it sees it."""

    SENT = "sent"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong once.

    :raises LocalProtocolError: `at` is negative
    """

    kind: FaultKind
    #: after so many bytes
    at: int = 0
    way: Way = Way.SENT

    def __post_init__(self) -> None:
        if self.at < 0:
            raise LocalProtocolError(f"Fault.at: expected a count of bytes, got {self.at}")

    def __str__(self) -> str:
        return f"{self.kind.value} after {self.at} bytes {self.way.value}"


class FaultyStream(RawStream):
    """A raw stream with faults. It owns `inner`.

    :param faults: each strikes once, in order of their bytes
    """

    def __init__(self, inner: RawStream, faults: Iterable[Fault] = ()) -> None:
        self._inner = inner
        self._faults = {way: sorted((f for f in faults if f.way is way), key=lambda f: f.at) for way in Way}
        self._surplus = b""
        self._end: FaultKind | None = None
        self._stalled: set[Way] = set()
        self._closed = Event()
        #: bytes that have gone so far
        self.sent = 0
        #: bytes that have come so far
        self.received = 0
        #: the faults that have struck
        self.struck: list[Fault] = []
        #: the other end, where it is known: a reset is felt there, too
        self.partner: FaultyStream | None = None

    # --- faults

    def add(self, fault: Fault) -> None:
        """One more fault, its bytes counted from now on."""
        done = self.sent if fault.way is Way.SENT else self.received
        faults = self._faults[fault.way]
        faults.append(replace(fault, at=done + fault.at))
        faults.sort(key=lambda fault: fault.at)

    async def strike(self, kind: FaultKind, way: Way = Way.SENT) -> None:
        """Have something go wrong now. A cut and a reset end both directions; nothing happens where one has before."""
        if kind is FaultKind.STALL:
            self._stalled.add(way)
        elif kind is FaultKind.SPLIT:
            for _ in range(2):  # one for who waits at the other end to become ready, one for it to have its turn
                await checkpoint()
        elif self._end is None:
            self._end = kind
            if kind is FaultKind.RESET and self.partner is not None:
                self.partner.feel_reset()
            with CancelScope(shield=True):
                await self._inner.aclose()

    def feel_reset(self) -> None:
        """The other end was reset."""
        self._end = self._end or FaultKind.RESET

    async def _due(self, way: Way, done: int) -> int | None:
        """How many bytes may go before the next fault, once those that are due have struck; None: as many as like."""
        faults = self._faults[way]
        while faults and faults[0].at <= done:
            fault = faults.pop(0)
            self.struck.append(fault)
            await self.strike(fault.kind, way)
        return faults[0].at - done if faults else None

    async def _pass(self, way: Way) -> None:
        """Raise where the stream is closed or reset; wait where it is stalled."""
        if self._end is FaultKind.RESET:
            raise BrokenResourceError("the connection was reset")
        if way in self._stalled:
            await self._closed.wait()
        if self._closed.is_set():
            raise ClosedResourceError

    # --- bytes

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        if self._surplus and not self._closed.is_set():
            data, self._surplus = self._surplus[:max_bytes], self._surplus[max_bytes:]
            return data
        room = await self._due(Way.RECEIVED, self.received)
        await self._pass(Way.RECEIVED)
        if self._end is FaultKind.CUT:
            raise EndOfStream
        try:
            data = await self._inner.receive(max_bytes if room is None else min(room, max_bytes))
        except (EndOfStream, ClosedResourceError):
            await self._pass(Way.RECEIVED)
            raise EndOfStream from None
        if self._end is FaultKind.RESET or Way.RECEIVED in self._stalled:
            await self._pass(Way.RECEIVED)
        self.received += len(data)
        await self._end_at(Way.RECEIVED, self.received)
        return data

    async def receive_view(self) -> memoryview:
        return memoryview(await self.receive(_VIEW_SIZE))

    def unread(self, data: bytes) -> None:
        self._surplus = bytes(data) + self._surplus

    async def send(self, item: bytes | bytearray | memoryview) -> None:
        rest = memoryview(item)
        while True:
            room = await self._due(Way.SENT, self.sent)
            await self._pass(Way.SENT)
            if self._end is FaultKind.CUT:
                raise BrokenResourceError("the connection was cut")
            part, rest = rest[:room], rest[len(rest) if room is None else room :]
            try:
                await self._inner.send(bytes(part))
            except ClosedResourceError:
                await self._pass(Way.SENT)
                if self._end is None:
                    raise
                raise BrokenResourceError("the connection was cut") from None
            self.sent += len(part)
            await self._end_at(Way.SENT, self.sent)
            if not rest:
                return

    async def _end_at(self, way: Way, done: int) -> None:
        """The end of the connection does not wait for the next byte."""
        faults = self._faults[way]
        if faults and faults[0].at <= done and faults[0].kind in (FaultKind.CUT, FaultKind.RESET):
            await self._due(way, done)

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        if self._end is not None or Way.SENT in self._stalled or self._closed.is_set():
            return 0
        faults = self._faults[Way.SENT]
        # The last byte before a fault goes by `send`, which can have it strike.
        room = max(faults[0].at - self.sent - 1, 0) if faults else len(data)
        sent = self._inner.send_nowait(memoryview(data)[:room]) if room else 0
        self.sent += sent
        return sent

    async def send_eof(self) -> None:
        await self._pass(Way.SENT)
        if self._end is None:
            await self._inner.send_eof()

    async def aclose(self) -> None:
        self._closed.set()
        await self._inner.aclose()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._inner.extra_attributes  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def faulty_pipe(faults: Iterable[Fault] = (), *, max_buffer: int = 1 << 20) -> tuple[FaultyStream, FaultyStream]:
    """Two connected streams within this process; the first has the faults, and both feel them.

    :param max_buffer: bytes that may be on their way in each direction
    """
    ours, theirs = memory_pipe(max_buffer=max_buffer)
    one, other = FaultyStream(ours, faults), FaultyStream(theirs)
    one.partner, other.partner = other, one
    return one, other
