"""Which piece to fetch from whom.

==============  =====================================================================================================
rarest first    of the pieces that a peer has and we have neither got nor asked for, one that the fewest of our peers
                have; what the peer suggests if that is among those, else by chance. What only one has is copied before
                that one goes, and peers that all want everything have different things to give to each other
endgame         when every missing piece has been asked for, one that has been on its way for long is asked of a second
                peer as well, so that the slowest does not decide when we are done
crowded         when as much is on its way as there is room for, the same: so those that are slow, or send nothing, do
                not keep the others from sending. One of several peers gets no more than a part of the room
a peer leaves   what was asked of it is as if it had not been
==============  =====================================================================================================

Sets of pieces are numbers, a bit a piece: with 65,536 of them, a question costs microseconds.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeVar

__all__ = ["Picker", "bits_of"]

P = TypeVar("P")

#: peers that a piece is asked of at a time, at most
_COPIES = 2
#: what part of the room one peer may take where there are others
_SHARE = 4
#: a piece is late when it has taken so many times as long as others did
_LATE = 3.0
#: ... but not before so many seconds
_LATE_AT_LEAST = 1.0
#: how much the newest piece counts for how long they take
_SMOOTHING = 0.1


@dataclass(slots=True)
class _Peer:
    """What is known of a peer."""

    has: int = 0
    wanted: int = 0  # asked for a turn, and not got it yet
    asked: dict[int, float] = field(default_factory=dict[int, float])  # pieces, and when


def bits_of(bits: int) -> list[int]:
    """The pieces in a set, in their order."""
    return [index for index, bit in enumerate(reversed(f"{bits:b}")) if bit == "1"]


class Picker(Generic[P]):
    """Chooses what is fetched.

    :param count: pieces in all
    :param have: those that are here
    :param window: pieces wanted of one peer at a time
    :param room: pieces on their way from all peers at a time
    """

    __slots__ = ("_asked", "_copies", "_count", "_peers", "_random", "_ranks", "_room", "_usual", "_window", "missing")

    def __init__(self, count: int, have: int, *, window: int, room: int, random: Random) -> None:
        self._count = count
        #: pieces that are not here
        self.missing = ((1 << count) - 1) & ~have
        self._window = window
        self._room = room
        self._random = random
        self._peers: dict[P, _Peer] = {}
        self._ranks = [(1 << count) - 1]  # the pieces that nobody has, that one has, that two have, ...
        self._asked = 0
        self._copies: dict[int, int] = {}  # of each piece that was asked for, how many are on their way
        self._usual = 0.0  # seconds that pieces take

    # --- what peers have

    def join(self, peer: P) -> None:
        """A peer is there, and has nothing yet."""
        self._peers[peer] = _Peer()

    def gain(self, peer: P, has: int) -> None:
        """A peer has these, too."""
        known = self._peers[peer]
        new = has & ~known.has
        known.has |= new
        self._promote(new)

    def leave(self, peer: P) -> None:
        """A peer has gone."""
        known = self._peers.pop(peer, None)
        if known is not None:
            for index in list(known.asked):
                self._forget(known, index)
            self._demote(known.has)

    def _promote(self, bits: int) -> None:
        ranks = self._ranks
        carried = 0
        for rank, members in enumerate(ranks):
            moved = members & bits
            ranks[rank] = members & ~moved | carried
            carried = moved
        if carried:
            ranks.append(carried)

    def _demote(self, bits: int) -> None:
        ranks = self._ranks
        for rank in range(1, len(ranks)):
            moved = ranks[rank] & bits
            ranks[rank] ^= moved
            ranks[rank - 1] |= moved
        while len(ranks) > 1 and not ranks[-1]:
            ranks.pop()

    # --- what is asked for

    def wants(self, peer: P, now: float) -> int:
        """For how many more turns to ask a peer. They count as asked for."""
        known = self._peers[peer]
        outstanding = known.wanted + len(known.asked)
        window = self._window if len(self._peers) == 1 else min(self._window, max(self._room // _SHARE, 1))
        if outstanding >= window:
            return 0
        useful = known.has & self.missing
        fresh = 0 if self.crowded else useful & ~self._asked
        pieces = fresh.bit_count() if fresh else len(self._late(known, useful, now))
        count = max(min(pieces - known.wanted, window - outstanding), 0)
        known.wanted += count
        return count

    def granted(self, peer: P, count: int) -> bool:
        """It is our turn; False if we did not ask for it so often."""
        known = self._peers[peer]
        known.wanted -= count
        return known.wanted >= 0

    def pick(self, peer: P, now: float, *, suggestion: int = -1) -> int | None:
        """The piece to ask a peer for, in a turn; None where it has nothing that is worth it.

        :param suggestion: what the peer would rather send than others, where it makes no difference to us
        """
        known = self._peers[peer]
        useful = known.has & self.missing
        fresh = 0 if self.crowded else useful & ~self._asked
        if fresh:
            rarest = next(rare for members in self._ranks if (rare := members & fresh))
            index = suggestion if suggestion >= 0 and rarest >> suggestion & 1 else self._one_of(rarest)
        elif late := self._late(known, useful, now):
            index = self._random.choice(late)
        else:
            return None
        known.asked[index] = now
        self._copies[index] = self._copies.get(index, 0) + 1
        self._asked |= 1 << index
        return index

    def _late(self, known: _Peer, useful: int, now: float) -> list[int]:
        """What this peer could be asked for although somebody has been."""
        if not useful or (self.missing & ~self._asked and not self.crowded):
            return []
        since = now - max(_LATE_AT_LEAST, _LATE * self._usual)
        latest: dict[int, float] = {}
        for other in self._peers.values():
            for index, when in other.asked.items():
                latest[index] = max(when, latest.get(index, when))
        return [
            index
            for index, when in latest.items()
            if useful >> index & 1 and when <= since and self._copies[index] < _COPIES and index not in known.asked
        ]

    def _one_of(self, bits: int) -> int:
        """A piece by chance."""
        start = self._random.randrange(self._count)
        bits = bits >> start << start or bits
        return (bits & -bits).bit_length() - 1

    # --- what comes

    def expects(self, peer: P, index: int) -> bool:
        """Whether a peer was asked for a piece."""
        return index in self._peers[peer].asked

    def expects_any(self, peer: P) -> bool:
        """Whether a peer was asked for anything that has not come."""
        return bool(self._peers[peer].asked)

    def arrived(self, peer: P, index: int, now: float) -> bool:
        """A piece has come and is right; False where it had come from another peer before."""
        new = self.missing >> index & 1
        self.missing &= ~(1 << index)
        known = self._peers.get(peer)
        if known is not None and index in known.asked:
            took = now - known.asked[index]
            self._usual += _SMOOTHING * (took - self._usual) if self._usual else took
            self._forget(known, index)
        return bool(new)

    def _forget(self, known: _Peer, index: int) -> None:
        del known.asked[index]
        self._copies[index] -= 1
        if not self._copies[index]:
            del self._copies[index]
            self._asked &= ~(1 << index)

    @property
    def crowded(self) -> bool:
        """Whether as many pieces are on their way as may be: not counting those that have come from somebody else."""
        return (self._asked & self.missing).bit_count() >= self._room
