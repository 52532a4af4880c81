"""One end of a simulated TCP connection."""

from collections.abc import Callable

from anyio import BrokenResourceError, BusyResourceError, ClosedResourceError, EndOfStream, Event
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from p2pstack.errors import LocalProtocolError
from p2pstack.sim.flow import Flow
from p2pstack.sim.link import Link
from p2pstack.sim.timers import Timers
from p2pstack.sim.trace import Trace
from p2pstack.streams.arrivals import LocalStream

__all__ = ["SimStream", "connect_streams"]

#: bytes that `receive_view` lends at most
_VIEW = 131_072


def connect_streams(
    number: int, link: Link, *, flipped: bool, timers: Timers, trace: Trace
) -> tuple["SimStream", "SimStream"]:
    """Both ends of a new connection: of who dials, and of who accepts.

    :param number: of the connection, in the trace
    :param flipped: it is the link's second machine that dials
    """
    ours, theirs = SimStream(), SimStream()
    there, back = link.lanes[flipped], link.lanes[not flipped]
    outgoing = Flow((number, 0), there, timers, trace, ours.break_off)
    incoming = Flow((number, 1), back, timers, trace, theirs.break_off)
    ours.join(incoming, outgoing)
    theirs.join(outgoing, incoming)
    return ours, theirs


class SimStream(LocalStream):
    """A byte stream that behaves as one over TCP does."""

    __slots__ = ("_broken", "_closed", "_end_sent", "_held", "_surplus", "incoming", "on_close", "outgoing")

    incoming: Flow
    outgoing: Flow

    def __init__(self) -> None:
        self._surplus = b""
        self._held = b""
        self._closed = False
        self._end_sent = False
        self._broken: str | None = None
        #: called once this end is closed
        self.on_close: Callable[[], object] | None = None

    def join(self, incoming: Flow, outgoing: Flow) -> None:
        """Have both directions."""
        self.incoming = incoming
        self.outgoing = outgoing

    # --- receiving

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        if max_bytes < 1:
            raise LocalProtocolError(f"expected to receive at least one byte, got max_bytes={max_bytes}")
        await checkpoint_if_cancelled()
        return await self._receive(max_bytes)

    async def receive_view(self) -> memoryview:
        await checkpoint()
        return memoryview(await self._receive(_VIEW))

    async def _receive(self, max_bytes: int) -> bytes:
        if self._surplus:
            data, self._surplus = self._surplus[:max_bytes], self._surplus[max_bytes:]
            return data
        incoming = self.incoming
        if incoming.reader is not None:
            raise BusyResourceError("receiving from")
        while True:
            if self._closed:
                raise ClosedResourceError
            if data := incoming.receive_nowait(max_bytes):
                return data
            if self._broken is not None:
                raise BrokenResourceError(self._broken)
            if incoming.ended:
                raise EndOfStream
            if self._held:
                await self._send_held()
            incoming.reader = Event()
            try:
                await incoming.reader.wait()
            finally:
                incoming.reader = None

    async def pump(self, take: Callable[[memoryview], bool]) -> None:
        incoming = self.incoming
        if incoming.reader is not None:
            raise BusyResourceError("receiving from")
        if self._held:
            await self._send_held()
        while self._surplus or incoming.arrived:
            if not take(await self.receive_view()):
                return
        incoming.take = take
        try:
            while True:
                if self._closed:
                    raise ClosedResourceError
                if incoming.take_error is not None:
                    error, incoming.take_error = incoming.take_error, None
                    raise error
                if incoming.take is None:
                    return
                if self._broken is not None:
                    raise BrokenResourceError(self._broken)
                if incoming.ended:
                    raise EndOfStream
                incoming.reader = Event()
                await incoming.reader.wait()
        finally:
            incoming.take = None
            incoming.reader = None

    def unread(self, data: bytes) -> None:
        self._surplus = bytes(data) + self._surplus

    # --- sending

    async def send_with_next(self, data: bytes) -> None:
        self._held += data

    async def _send_held(self) -> None:
        held, self._held = self._held, b""
        if self._broken is None and not self._closed:
            self.outgoing.put(held)

    async def send(self, item: bytes) -> None:
        await checkpoint_if_cancelled()
        outgoing = self.outgoing
        if outgoing.writer is not None:
            raise BusyResourceError("sending to")
        if self._held:
            item, self._held = self._held + item, b""
        rest = memoryview(item)
        while True:
            if self._closed or self._end_sent:
                raise ClosedResourceError
            if self._broken is not None:
                raise BrokenResourceError(self._broken)
            if sent := self._put(rest):
                rest = rest[sent:]
            if not rest:
                return
            outgoing.writer = Event()
            try:
                await outgoing.writer.wait()
            finally:
                outgoing.writer = None

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        if self._held or self._closed or self._end_sent or self._broken is not None or self.outgoing.writer is not None:
            return 0
        return self._put(data)

    def _put(self, data: bytes | bytearray | memoryview) -> int:
        """Send as much as there is room for."""
        outgoing = self.outgoing
        if not data or outgoing.room <= 0:
            return 0
        part = bytes(data if len(data) <= outgoing.room else data[: outgoing.room])
        outgoing.put(part)
        return len(part)

    async def send_eof(self) -> None:
        if self._closed:
            raise ClosedResourceError
        if not self._end_sent:
            if self._held:
                await self._send_held()
            self._end_sent = True
            if self._broken is None:
                self.outgoing.end()
        await checkpoint()

    # --- the end

    def break_off(self, why: str) -> None:
        """The connection is broken, which this end hears now."""
        if self._broken is None and not self._closed:
            self._broken = f"the connection broke: {why}"
            self.incoming.discard()
            self.incoming.arrived = None
            self.incoming.wake_reader()
            self.outgoing.wake_writer()

    async def aclose(self) -> None:
        self.close()
        await checkpoint()

    def close(self) -> None:
        """`aclose` without waiting."""
        if self._closed:
            return
        if self._held and self._broken is None and not self._end_sent:
            self.outgoing.put(self._held)
        self._closed = True
        incoming, outgoing = self.incoming, self.outgoing
        incoming.no_reader = True
        if self._broken is None:
            if incoming.arrived:
                incoming.refuse()
            if not self._end_sent:
                outgoing.end()
        self._leave()

    def crash(self, *, tell: bool) -> None:
        """What has this end is no more.

        :param tell: whether the other end hears of it, as where the kernel tells it
        """
        if not self._closed:
            self._closed = True
            self.incoming.no_reader = True
            self.outgoing.discard()
            if tell and self._broken is None:
                self.incoming.refuse()
            self._leave()

    def _leave(self) -> None:
        self.incoming.arrived = None
        self.incoming.wake_reader()
        self.outgoing.wake_writer()
        if self.on_close is not None:
            self.on_close()
            self.on_close = None
