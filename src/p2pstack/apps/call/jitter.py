"""The jitter buffer: frames come when they come, and are played every 20 ms.

A frame that was on its way for as short a time as any waits for the longest; one that took longer waits less; one that
comes after its turn is of no use. How long to wait, then? As long as it takes for nearly all to be in time, and no
longer, for all of it adds to the delay. A frame's *transit* is when it came, less when it was spoken (by its number:
the clocks need not agree). Of the newest 5 seconds:

    due(number) = shortest transit + margin + number * 20 ms        margin = 95th percentile of transits - shortest

=================================  =====================================================================================
when a frame is asked for          what happens
=================================  =====================================================================================
nothing has come yet               nothing is played
its turn is more than one frame    it waits for its turn: the margin has grown, and so has the delay. What is heard is
away                               made up for 20 ms
... is more than two frames ago    a frame is left out, and the delay is shorter by 20 ms; one of five at most, so that
                                   speech stays speech. Above half a second all that is too old is left out at once
it is there                        it is played
it is not there, but later ones    what is heard is made up. Should it come later, it is late
it is not there, nor are later     what is heard is made up for half a second; after that the other side says nothing.
ones                               Its turn is still to come: a network that stood still is late, and has lost nothing
=================================  =====================================================================================
"""

from bisect import bisect_left, insort
from collections import deque

from p2pstack.apps.call.messages import FRAME

__all__ = ["JitterBuffer"]

#: frames whose transits are remembered: 5 seconds
WINDOW = 250
#: frames that wait at most: more than the longest margin needs
CAPACITY = 64
#: seconds of margin, at least and at most
MIN_MARGIN = 0.02
MAX_MARGIN = 0.5
#: a frame so many seconds behind all before it begins anew
GAP = 1.0
#: of so many frames one may be left out
SKIP_EVERY = 5


class JitterBuffer:
    """Frames of one direction of a call. Times are seconds on any one clock that does not jump."""

    __slots__ = (
        "_first", "_frames", "_highest", "_next", "_since_skip", "_sorted", "_transits", "concealed", "late",
        "received", "skipped",
    )  # fmt: skip

    def __init__(self) -> None:
        self._frames: dict[int, tuple[int, bytes]] = {}
        self._transits: deque[float] = deque()
        self._sorted: list[float] = []
        self._next: int | None = None
        self._first: int | None = None
        self._highest = -1
        self._since_skip = 0
        #: frames that came, each once
        self.received = 0
        #: ... of these, those that came after their turn
        self.late = 0
        #: ... and those that were left out to make the delay shorter
        self.skipped = 0
        #: turns at which sound had to be made up
        self.concealed = 0

    def put(self, number: int, at: int, data: bytes, now: float) -> None:
        """A frame has come. What comes twice, or does not fit in, is dropped.

        :param at: what the frame says of when it was spoken; it comes out with it
        """
        if number in self._frames:
            return
        transit = now - number * FRAME
        if self._transits and transit > self._sorted[0] + MAX_MARGIN + GAP:
            self._begin_anew()
        self.received += 1
        self._first = number if self._first is None else min(self._first, number)
        self._highest = max(self._highest, number)
        self._remember(transit)
        if self._next is not None and number < self._next:
            self.late += 1
            return
        self._frames[number] = (at, data)
        if len(self._frames) > CAPACITY:
            oldest = min(self._frames)
            del self._frames[oldest]
            self.skipped += 1
            if self._next is not None:
                self._next = max(self._next, oldest + 1)

    def take(self, now: float) -> tuple[int, bytes] | None:
        """What to play now, with its `at`: to be asked for every 20 ms. None: make something up, or be silent."""
        if not self._transits:
            return None
        turn = (now - self._sorted[0] - self.margin) / FRAME
        if self._next is None:
            if not self._frames or turn < min(self._frames):
                return None
            self._next = min(self._frames)
        if turn < self._next - 1:
            self.concealed += 1
            return None
        if self._next > self._highest:
            self.concealed += turn - self._next < MAX_MARGIN / FRAME
            return None
        self._catch_up(self._next, turn)
        frame = self._frames.pop(self._next, None)
        self._next += 1
        if frame is None:
            self.concealed += 1
        return frame

    def _catch_up(self, number: int, turn: float) -> None:
        """Leave out what is too old."""
        self._since_skip += 1
        behind = turn - number
        if behind * FRAME > MAX_MARGIN:
            self._next = min(int(turn), self._highest)
        elif behind > 2 and self._since_skip >= SKIP_EVERY and number < self._highest:
            self._next = number + 1
        else:
            return
        self._since_skip = 0
        for old in [waiting for waiting in self._frames if waiting < self._next]:
            del self._frames[old]
            self.skipped += 1

    @property
    def margin(self) -> float:
        """Seconds that a frame waits which was on its way for as short a time as any."""
        if not self._sorted:
            return MIN_MARGIN
        spread = self._sorted[(len(self._sorted) - 1) * 95 // 100] - self._sorted[0]
        return min(max(spread, MIN_MARGIN), MAX_MARGIN)

    @property
    def waiting(self) -> int:
        """Frames that wait for their turn."""
        return len(self._frames)

    @property
    def loss(self) -> float:
        """The part of what was sent that did not come, or too late: from 0 to 1."""
        if self._first is None:
            return 0.0
        sent = self._highest - self._first + 1
        return min(1.0, max(0.0, (sent - self.received + self.late) / sent))

    def _remember(self, transit: float) -> None:
        insort(self._sorted, transit)
        self._transits.append(transit)
        if len(self._transits) > WINDOW:
            del self._sorted[bisect_left(self._sorted, self._transits.popleft())]

    def _begin_anew(self) -> None:
        self._transits.clear()
        self._sorted.clear()
        self._frames.clear()
        self._next = None
