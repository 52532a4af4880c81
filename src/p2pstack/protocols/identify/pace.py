"""How often somebody may do something: some times at once, then once in a while.

What is kept of each is the time at which all its turns will have come back: in the past it tells nothing, and goes.
"""

from collections.abc import Hashable

__all__ = ["Pace"]

_PRUNE_AT = 1_024


class Pace:
    """Counts turns, by a clock in seconds.

    :param burst: turns at once
    :param interval: seconds in which one comes back
    """

    __slots__ = ("_full_at", "_prune_at", "burst", "interval")

    def __init__(self, *, burst: int, interval: float) -> None:
        self.burst = burst
        self.interval = interval
        self._full_at: dict[Hashable, float] = {}
        self._prune_at = _PRUNE_AT

    def delay(self, who: Hashable, now: float) -> float:
        """Seconds until there is a turn for `who`; 0 where there is one."""
        return max(0.0, self._full_at.get(who, now) - now - (self.burst - 1) * self.interval)

    def take(self, who: Hashable, now: float) -> bool:
        """Use up a turn; False where there is none."""
        if self.delay(who, now):
            return False
        self._full_at[who] = max(self._full_at.get(who, now), now) + self.interval
        if len(self._full_at) >= self._prune_at:
            self._full_at = {one: at for one, at in self._full_at.items() if at > now}
            self._prune_at = max(_PRUNE_AT, 2 * len(self._full_at))
        return True
