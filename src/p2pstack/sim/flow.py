"""One direction of a simulated TCP connection: bytes on their way, and bytes that have arrived.

============  =========================================================================================================
on the way    in order, each piece with the time at which it arrives; one timer for all of them
arrived       given to who pumps, there and then; else kept until somebody receives
no room       when as many bytes are on the way or unread as `buffer` allows: a sender waits
============  =========================================================================================================
"""

from collections import deque
from collections.abc import Callable

from anyio import Event

from p2pstack.sim.link import Lane
from p2pstack.sim.timers import Timers
from p2pstack.sim.trace import Trace

__all__ = ["Flow"]

#: in place of bytes: the end of them
_END = b""


class Flow:
    """Bytes from one end to the other.

    :param name: in the trace: the number of the connection, and of the direction
    :param break_sender: called when the sender learns, or would, that nothing gets through any longer
    """

    __slots__ = (
        "_armed",
        "_break_sender",
        "_last",
        "_name",
        "_on_the_way",
        "_stalled_at",
        "_timers",
        "_trace",
        "arrived",
        "ended",
        "lane",
        "no_reader",
        "reader",
        "room",
        "take",
        "take_error",
        "writer",
    )

    def __init__(
        self, name: tuple[int, int], lane: Lane, timers: Timers, trace: Trace, break_sender: Callable[[str], None]
    ) -> None:
        self._name = name
        self.lane = lane
        self._timers = timers
        self._trace = trace
        self._break_sender = break_sender
        self._on_the_way: deque[tuple[float, bytes]] | None = None  # made when there is something
        self._last = 0.0
        self._armed = False
        self._stalled_at: float | None = None
        self.room = lane.link.config.buffer
        #: unread
        self.arrived: deque[bytes] | None = None
        #: the end of the data has arrived
        self.ended = False
        #: the receiver has closed
        self.no_reader = False
        #: who waits for bytes, and who for room
        self.reader: Event | None = None
        self.writer: Event | None = None
        #: who pumps
        self.take: Callable[[memoryview], bool] | None = None
        #: what `take` raised
        self.take_error: BaseException | None = None

    # --- the sender's side

    def put(self, data: bytes) -> None:
        """Send bytes, for which there is room."""
        size = len(data)
        self.room -= size
        now = self._timers.now()
        piece = self.lane.piece
        if not piece or size <= piece:
            self._send(now, data, 0)
        else:
            for start in range(0, size, piece):
                self._send(now, data[start : start + piece], max(size - start - piece, 0))
        self._arm()

    def end(self) -> None:
        """Send the end."""
        self._send(self._timers.now(), _END, 0)
        self._arm()

    def _send(self, now: float, data: bytes, behind: int) -> None:
        when = self.lane.arrival(now, len(data), behind)
        if when < self._last:
            when = self._last
        self._last = when
        if self._on_the_way is None:
            self._on_the_way = deque()
        self._on_the_way.append((when, data))

    def discard(self) -> None:
        """What is on its way does not arrive."""
        self._on_the_way = None

    # --- on the way

    def _arm(self) -> None:
        if not self._armed and self._on_the_way and self._stalled_at is None:
            self._armed = True
            self._timers.at(self._on_the_way[0][0], self._arrive)

    def _arrive(self) -> None:
        self._armed = False
        on_the_way = self._on_the_way
        if not on_the_way:
            return
        now = self._timers.now()
        if self.lane.link.cut:
            if self._stalled_at is None:
                self._stalled_at = now
                self.lane.link.stalled.append(self.resume)
                self._timers.at(now + self.lane.link.config.give_up, lambda: self._give_up(now))
            return
        while on_the_way and on_the_way[0][0] <= now:
            data = on_the_way.popleft()[1]
            self._trace.delivered(now, self._name, len(data))
            if self.no_reader:
                self.discard()
                if data:
                    self.refuse()
                return
            if not data:
                self.ended = True
                self.wake_reader()
            else:
                self._deliver(data)
            if self._on_the_way is not on_the_way:
                return  # what was taken ended the connection
        if not on_the_way:
            self._on_the_way = None
        self._arm()

    def refuse(self) -> None:
        """Bytes came where nobody reads any longer: the sender will hear of it."""
        self._timers.at(self._timers.now() + self.lane.round_trip / 2, self._refused)

    def _refused(self) -> None:
        if not self.lane.link.cut:
            self._break_sender("reset by the peer")

    def resume(self) -> None:
        """The link is whole again."""
        if self._stalled_at is not None:
            again = self.lane.retransmission(self._stalled_at, self._timers.now())
            self._stalled_at = None
            self._on_the_way = deque((max(when, again), data) for when, data in self._on_the_way or ())
            self._last = max(self._last, again)
            self._arm()

    def _give_up(self, stalled_at: float) -> None:
        if self._stalled_at == stalled_at:
            self._on_the_way = None
            self._stalled_at = None
            self._break_sender("timed out")

    # --- the receiver's side

    def _deliver(self, data: bytes) -> None:
        take = self.take
        if take is None or self.arrived:
            if self.arrived is None:
                self.arrived = deque()
            self.arrived.append(data)
            self.wake_reader()
            return
        self.room += len(data)
        if self.writer is not None:
            self.writer.set()
        try:
            if not take(memoryview(data)):
                self.take = None
                self.wake_reader()
        except BaseException as error:  # noqa: BLE001 - none is lost: all come out of `pump`
            self.take = None
            self.take_error = error
            self.wake_reader()

    def receive_nowait(self, max_bytes: int) -> bytes:
        """Some of what has arrived; nothing where nothing has."""
        arrived = self.arrived
        if not arrived:
            return b""
        if len(arrived) == 1 and len(arrived[0]) <= max_bytes:
            data = arrived.popleft()
        else:
            parts: list[bytes] = []
            size = 0
            while arrived and size < max_bytes:
                parts.append(arrived.popleft())
                size += len(parts[-1])
            if size > max_bytes:
                keep = len(parts[-1]) - (size - max_bytes)
                arrived.appendleft(parts[-1][keep:])
                parts[-1] = parts[-1][:keep]
            data = b"".join(parts)
        if not arrived:
            self.arrived = None
        self.room += len(data)
        if self.writer is not None:
            self.writer.set()
        return data

    def wake_reader(self) -> None:
        """Let the receiver look again."""
        if self.reader is not None:
            self.reader.set()

    def wake_writer(self) -> None:
        """Let the sender look again."""
        if self.writer is not None:
            self.writer.set()
