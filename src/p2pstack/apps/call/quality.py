"""How good a call is: from mouth to ear, and what got lost.

What was spoken at `at` on the other's clock is heard at a time on ours; to subtract one from the other takes the
difference of the clocks. A ping tells: the answer was given in the middle of the round trip, give or take, and the
shorter the round trip the less there is to give or take. Of the newest pings the fastest is believed.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from p2pstack.apps.call.messages import Pong

__all__ = ["Clocks", "Delays", "Quality"]

#: what Opus itself holds back, in seconds: its encoder looks 6.5 ms ahead (RFC 6716, section 2)
LOOKAHEAD = 0.0065
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Times in milliseconds; None where nothing has been measured yet."""

    delay: float | None
    """From mouth to ear, half of the time."""
    worst_delay: float | None
    """... 95 of 100 times."""
    margin: float
    """How long the jitter buffer waits."""
    round_trip: float | None
    loss: float
    """The part of the frames that did not come, or too late: from 0 to 1."""
    concealed: int
    """How often 20 ms of sound were made up."""
    frames: int
    """How many frames came."""


class Clocks:
    """What the other's clock shows more than ours, in microseconds."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int]] = deque(maxlen=16)

    def answered(self, pong: Pong, now: int) -> None:
        """An answer to a ping has come."""
        round_trip = now - pong.sent
        if round_trip >= 0:
            self._samples.append((round_trip, pong.answered - (pong.sent + now) // 2))

    @property
    def offset(self) -> int | None:
        """None before the first answer."""
        return min(self._samples)[1] if self._samples else None

    @property
    def round_trip(self) -> int | None:
        """The shortest of late, in microseconds."""
        return min(self._samples)[0] if self._samples else None


class Delays:
    """From mouth to ear, of the newest frames."""

    __slots__ = ("_delays",)

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=3_000)

    def heard(self, spoken: int, heard: int, offset: int) -> None:
        """A frame is heard. Both in microseconds, each by the clock of where it happened."""
        self._delays.append((heard - (spoken - offset)) / _MILLION + LOOKAHEAD)

    def quantiles(self, *parts: float) -> Iterable[float | None]:
        """Milliseconds that are not exceeded in these parts of all frames."""
        ordered = sorted(self._delays)
        for part in parts:
            yield round(ordered[int((len(ordered) - 1) * part)] * 1e3, 1) if ordered else None
