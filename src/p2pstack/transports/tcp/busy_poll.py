"""Whether to sleep until something arrives, or to stay awake for it.

To be put to sleep by the kernel and woken again takes longer than to read, decrypt and answer a small message: within
one machine, or one rack, that is two thirds of a round trip. Who expects an answer so soon does better to look again
and again until it is there; the schedulers of Go and of tokio do so before they let a thread sleep.

It must cost nobody anything who gains nothing by it. So it takes place only where the last arrival came soon, only
where little is moved at a time, not for long, and the less often the more often it was in vain:

==============================  =================================================================================
what happens                    effect
==============================  =================================================================================
something small arrives soon    awake for `patience` seconds; while attempts are to be skipped, that many go by
something small is sent         awake as long from there on, if awake
something large moves           asleep: many small reads cost more than they save
nothing comes in time           asleep; the next 1, 2, 4, ... 64 attempts are skipped
something comes in time         no attempt is skipped
an upgrade begins, peer near    awake for 10 x `patience`, whatever moves: a handshake is some work for either side
another upgrade begins          no longer awake for this one: one at a time in an event loop
nothing comes of it in time     asleep; the next 1, 2, 4, ... 64 upgrades of the event loop are slept through
something comes of it           no upgrade is slept through
an upgrade is over              asleep, as at first
==============================  =================================================================================
"""

from collections.abc import Callable
from time import perf_counter

__all__ = ["BusyPoll", "Upgrades"]

#: Bytes up to which a message is small: one of a dialogue, not of a transfer.
_SMALL = 4_096
#: An arrival came soon where it took less than so many times `patience`: it may have had to wake us.
_SOON = 2.0
_MOST_SKIPPED = 64
#: So many times `patience` for the messages of an upgrade.
_UPGRADE = 10.0


class Attempts:
    """How often it is tried: the less often the more often it was in vain."""

    __slots__ = ("_left", "_skips")

    def __init__(self) -> None:
        self._skips = 0  # how many are skipped for the last one
        self._left = 0  # how many of them are left

    def begin(self) -> bool:
        """Whether this one is made."""
        if self._left:
            self._left -= 1
            return False
        return True

    def succeeded(self) -> None:
        """It was worth while."""
        self._skips = self._left = 0

    def failed(self) -> None:
        """It was in vain."""
        self._skips = self._left = min(2 * self._skips or 1, _MOST_SKIPPED)


class Upgrades(Attempts):
    """The upgrades of an event loop: of many at once only the latest stays awake."""

    __slots__ = ("latest",)

    def __init__(self) -> None:
        super().__init__()
        #: the number of the latest, from 1
        self.latest = 0


class BusyPoll:
    """How one connection waits.

    :param patience: seconds to stay awake at a time; 0: never
    :param clock: gives seconds; not those of the event loop, which may count in whole milliseconds
    """

    __slots__ = ("_attempts", "_clock", "_moved_at", "_patience", "_until", "_upgrade", "_upgrades", "awake")

    def __init__(self, patience: float, clock: Callable[[], float] = perf_counter) -> None:
        self._patience = patience
        self._clock = clock
        #: look again before you sleep
        self.awake = False
        self._until = 0.0
        self._moved_at = float("-inf")
        self._attempts = Attempts()
        self._upgrades: Upgrades | None = None  # while there is an upgrade
        self._upgrade = 0  # its number

    def upgrade_begins(self, upgrades: Upgrades) -> None:
        """The peer is near, and will answer as soon as it has done its part."""
        if self._patience:
            upgrades.latest += 1
            self._upgrades, self._upgrade = upgrades, upgrades.latest
            self._until = self._clock() + _UPGRADE * self._patience
            self.awake = upgrades.begin()

    def upgrade_over(self) -> None:
        """What comes from here on is a dialogue or a transfer. Does nothing where no upgrade began."""
        if self._upgrades is not None:
            self._upgrades = None
            self.awake = False

    def received(self, size: int) -> bool:
        """Bytes arrived. Whether to stay awake for what follows."""
        now = self._clock()
        soon = now - self._moved_at < _SOON * self._patience
        self._moved_at = now
        if self._upgrades is not None:
            if now < self._until:
                self._upgrades.succeeded()
            return self.awake
        if self.awake:
            self._attempts.succeeded()
        self.awake = soon and size <= _SMALL and self._attempts.begin()
        if self.awake:
            self._until = now + self._patience
        return self.awake

    def sent(self, size: int) -> None:
        """Bytes were sent."""
        if self._upgrades is not None:
            self._moved_at = self._clock()
        elif size > _SMALL:
            self.awake = False
        else:
            self._moved_at = now = self._clock()
            self._until = now + self._patience

    def goes_on(self) -> bool:
        """Nothing is there yet. Whether to look again."""
        if self.awake:
            if self._upgrades is not None and self._upgrade != self._upgrades.latest:
                self.awake = False
            elif self._clock() >= self._until:
                self.awake = False
                (self._upgrades or self._attempts).failed()
        return self.awake
