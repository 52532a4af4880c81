"""What waits to be sent, and in which order it goes.

Bytes wait in their streams and become frames only when the connection is ready to take them. So small writes merge into
one frame, control frames overtake data, and streams take turns: each gets two full frames, which is what is taken at a
time as a rule, before it stands behind the others again. So its reader is woken once for both. Who begins with a small
message, or has nothing but its end to tell, goes first.

Every chunk handed out fills at most one record of the secure channel. Writes were admitted by the peer's window when
they were made; nothing in here has to wait for credit.
"""

from collections import deque

from p2pstack.muxers.yamux.frames import DATA, FIN, HEADER, HEADER_SIZE, WINDOW_UPDATE
from p2pstack.muxers.yamux.state import StreamState

__all__ = ["Outbox"]

#: Below this much room left in a record it is closed: a frame of a few bytes costs more than it saves.
_SCRAP = 1_024
#: So many streams with a small message go before all others until one of these has had its turn.
_OVERTAKERS = 32
#: Full frames that a stream may send before it is the turn of another.
_TURN = 2


class Outbox:
    """Queues of one connection. `queued` counts the bytes of data in them."""

    __slots__ = ("_max_frame", "_overtakers", "_record_size", "control", "queued", "round")

    def __init__(self, *, record_size: int, max_frame: int) -> None:
        self._record_size = record_size
        self._max_frame = min(max_frame, record_size - HEADER_SIZE)
        #: streams that have something to send, in the order of their turns
        self.round: deque[StreamState] = deque()
        self._overtakers = 0  # streams put in front since another had its turn
        self.control = bytearray()
        self.queued = 0

    def __bool__(self) -> bool:
        return bool(self.control or self.round)

    def schedule(self, stream: StreamState) -> None:
        """Give a stream turns. What it has queued is counted in `queued`; it is at least one byte, and it does not
        change any more."""
        stream.scheduled = True
        if stream.queued <= _SCRAP and self._overtakers < _OVERTAKERS:
            self._overtakers += 1
            self.round.appendleft(stream)
        else:
            self.round.append(stream)

    def finish(self, stream: StreamState) -> None:
        """Queue the end of a stream, behind its data."""
        stream.finishing = True
        if not stream.scheduled:
            self.schedule(stream)

    def drop(self, stream: StreamState) -> None:
        """Forget what is queued of a stream."""
        self.queued -= stream.queued
        stream.queued = 0
        stream.outbox.clear()
        if stream.scheduled:
            stream.scheduled = False
            self.round.remove(stream)

    def take(self, limit: int) -> tuple[list[bytes], list[StreamState]]:
        """Frames for about `limit` bytes, as chunks of at most a record each, and the streams whose FIN is among
        them."""
        chunks: list[bytes] = []
        finished: list[StreamState] = []
        parts: list[bytes | memoryview] = []
        record = self._record_size
        room = record
        control = self.control
        while control:
            piece = bytes(control[: record - record % HEADER_SIZE])
            del control[: len(piece)]
            if control:
                chunks.append(piece)
                limit -= len(piece)
            else:
                parts.append(piece)
                room -= len(piece)
        streams = self.round
        passed = 0
        turn = 0  # bytes that the first in the round has sent
        longest = _TURN * self._max_frame
        while streams and limit > 0 and passed < len(streams):
            if room < _SCRAP and parts:
                chunks.append(b"".join(parts))
                limit -= record - room
                parts = []
                room = record
                continue
            stream = streams[0]
            if stream.queued < _SCRAP and stream.wants_room and stream.send_credit and (chunks or parts):
                # Its writer waits for this very turn to end, to write on: the rest of one write goes with the next.
                streams.rotate(-1)
                passed += 1
                turn = 0
                continue
            passed = 0
            if stream.queued:
                size = min(stream.queued, self._max_frame, room - HEADER_SIZE)
                parts.append(HEADER.pack(0, DATA, 0, stream.id, size))
                self._cut(stream, size, parts)
                room -= HEADER_SIZE + size
                turn += HEADER_SIZE + size
            if not stream.queued:
                if stream.finishing:
                    if room < HEADER_SIZE:
                        continue
                    # FIN rides on a window update: implementations that see it on a data frame have lost the data.
                    parts.append(HEADER.pack(0, WINDOW_UPDATE, FIN, stream.id, 0))
                    room -= HEADER_SIZE
                    finished.append(stream)
                streams.popleft()
                stream.scheduled = False
                turn = 0
            elif turn >= longest:
                streams.rotate(-1)
                self._overtakers = turn = 0
        if turn:
            streams.rotate(-1)
        if turn or not streams:
            self._overtakers = 0
        if parts:
            chunks.append(parts[0] if len(parts) == 1 and isinstance(parts[0], bytes) else b"".join(parts))
        return chunks, finished

    def _cut(self, stream: StreamState, size: int, parts: list[bytes | memoryview]) -> None:
        """Move the first `size` bytes that a stream has queued to `parts`."""
        stream.queued -= size
        self.queued -= size
        queue = stream.outbox
        take = queue.popleft
        while size:
            piece = take()
            length = len(piece)
            if length > size:
                view = piece if isinstance(piece, memoryview) else memoryview(piece)
                queue.appendleft(view[size:])
                piece = view[:size]
                length = size
            parts.append(piece)
            size -= length
