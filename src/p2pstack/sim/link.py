"""What happens to bytes on their way between two machines.

A connection is TCP, so nothing is lost for good and nothing overtakes: what is lost comes later, by the rules TCP sends
it again, and all behind it waits.

==============  ===================================================================================================
what            how
==============  ===================================================================================================
latency         a draw for each send from a normal distribution, never below a fifth of its mean
bandwidth       a queue: bytes leave when those before them have left, on the link and on the sender's uplink
loss            each segment is lost with the same chance; a round trip later it is sent again where others follow
                it (RFC 5681, fast retransmit), else when the timer of RFC 6298 runs out: at least 0.2 s (Linux), twice
                as long each time
a cut           nothing arrives; when the link is whole again what waits comes at the next retransmission. TCP gives up
                after `give_up` seconds
==============  ===================================================================================================
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Self

from p2pstack.errors import LocalProtocolError
from p2pstack.sim.units import parse_rate, parse_seconds

__all__ = ["Bottleneck", "Lane", "Latency", "Link", "LinkConfig"]

#: the least time before a retransmission by timer, in seconds (Linux)
_LEAST_RTO = 0.2
#: ... and the most
_MOST_RTO = 120.0
#: segments that have to follow a lost one, for the receiver to tell (RFC 5681)
_DUPLICATES = 3


@dataclass(frozen=True, slots=True)
class Latency:
    """How long bytes take, in one direction.

    :param mean: seconds
    :param spread: standard deviation, in seconds
    """

    mean: float
    spread: float = 0.0

    @classmethod
    def parse(cls, value: "Latency | str | float") -> Self:
        """Of seconds, `"20ms"` or `"20ms±5ms"`.

        :raises LocalProtocolError: not a latency
        """
        if isinstance(value, Latency):
            return cls(value.mean, value.spread)
        if isinstance(value, str) and "±" in value:
            mean, _, spread = value.partition("±")
            return cls(parse_seconds(mean), parse_seconds(spread))
        return cls(parse_seconds(value))


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkConfig:
    """How a link between two machines is, in both directions alike."""

    latency: Latency | str | float = 0.02
    """In one direction: seconds, or text such as `"20ms±5ms"`."""

    loss: float = 0.0
    """The chance of a segment to be lost, from 0 to below 1."""

    bandwidth: str | float | None = None
    """In each direction: bytes a second, or text such as `"8Mbit/s"`. None: no limit."""

    segment: int = 1_460
    """Bytes in a segment: what fits into a packet of an Ethernet."""

    buffer: int = 1 << 20
    """Bytes of one direction of a connection that are on their way or not read yet: a send waits for room."""

    give_up: float = 120.0
    """Seconds without getting a segment through, after which a connection breaks."""

    def __post_init__(self) -> None:
        Latency.parse(self.latency)
        if self.bandwidth is not None and parse_rate(self.bandwidth) <= 0:
            raise LocalProtocolError(f"expected a bandwidth above 0, or None, got {self.bandwidth!r}")
        if not 0 <= self.loss < 1:
            raise LocalProtocolError(f"expected a loss from 0 to below 1, got {self.loss!r}: to cut a link, cut it")
        if self.segment < 1 or self.buffer < 1 or self.give_up <= 0:
            raise LocalProtocolError("LinkConfig: expected segment, buffer and give_up above 0")


class Bottleneck:
    """Bytes leave one after the other.

    :param rate: bytes a second
    """

    __slots__ = ("_free_at", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._free_at = 0.0

    def leave(self, when: float, size: int) -> float:
        """When the last of `size` bytes has left that come at `when`."""
        self._free_at = when = max(when, self._free_at) + size / self.rate
        return when


class Lane:
    """One direction of a link, which all connections over it share.

    :param bottlenecks: what bytes pass one after the other
    """

    __slots__ = ("_bottlenecks", "_loss", "_mean", "_random", "_spread", "_until_loss", "link", "piece")

    def __init__(self, link: "Link", bottlenecks: tuple[Bottleneck, ...], random: Random) -> None:
        self.link = link
        self._random = random
        self._bottlenecks = bottlenecks
        self.apply(link.config)

    def apply(self, config: LinkConfig) -> None:
        """Be as `config` says from now on."""
        latency = Latency.parse(config.latency)
        self._mean, self._spread = latency.mean, latency.spread
        self._loss = config.loss
        self._until_loss = self._draw_loss() if config.loss else 0
        #: bytes that travel together: a segment, or what leaves within a millisecond; 0: all that is sent at once
        self.piece = 0
        if self._bottlenecks:
            rate = min(bottleneck.rate for bottleneck in self._bottlenecks)
            self.piece = max(int(rate / 1_000) // config.segment, 1) * config.segment

    def loses(self) -> bool:
        """Whether a packet that is sent alone is lost."""
        if not self._loss or self._random.random() >= self._loss:
            return False
        self.link.lost += 1
        return True

    @property
    def round_trip(self) -> float:
        """Seconds there and back, without queues."""
        return 2 * self._mean

    def arrival(self, now: float, size: int, behind: int = 0) -> float:
        """When bytes arrive that are sent now.

        :param behind: further bytes that follow at once
        """
        when = now
        for bottleneck in self._bottlenecks:
            when = bottleneck.leave(when, size)
        if self._spread:
            when += max(self._random.gauss(self._mean, self._spread), 0.2 * self._mean)
        else:
            when += self._mean
        if self._loss:
            self._until_loss -= -(-size // self.link.config.segment)
            if self._until_loss <= 0:
                when += self._recovery(size + behind)
                self._until_loss = self._draw_loss()
        return when

    def retransmission(self, stalled_at: float, now: float) -> float:
        """When what did not arrive at `stalled_at` arrives, if it can be sent from `now` on."""
        rto = max(_LEAST_RTO, 2 * self.round_trip)
        when = stalled_at + rto
        while when < now:
            rto = min(2 * rto, _MOST_RTO)
            when += rto
        return when + self._mean

    def _recovery(self, size: int) -> float:
        """How much later a lost segment arrives."""
        link, rto = self.link, max(_LEAST_RTO, 2 * self.round_trip)
        link.lost += 1
        fast = size > _DUPLICATES * link.config.segment
        delay = self.round_trip if fast else rto
        while self._random.random() < self._loss and delay < link.config.give_up:
            link.lost += 1
            delay += rto
            rto = min(2 * rto, _MOST_RTO)
        return delay

    def _draw_loss(self) -> int:
        """How many segments to the next that is lost."""
        return 1 + int(self._random.expovariate(self._loss))


class Link:
    """Between two machines.

    :param uplinks: of the one and the other: what all that a machine sends passes
    """

    __slots__ = ("config", "cut", "lanes", "lost", "severed", "stalled")

    def __init__(
        self, config: LinkConfig, uplinks: tuple[Bottleneck | None, Bottleneck | None], random: Random
    ) -> None:
        self.config = config
        #: nothing gets through
        self.cut = False
        #: ... as somebody cut it
        self.severed = False
        #: what waits for it to be whole again
        self.stalled: list[Callable[[], None]] = []
        #: segments that were lost so far
        self.lost = 0
        rate = None if config.bandwidth is None else parse_rate(config.bandwidth)
        self.lanes = tuple(
            Lane(self, tuple(part for part in (uplink, Bottleneck(rate) if rate else None) if part), random)
            for uplink in uplinks
        )

    def set_cut(self, *, cut: bool) -> None:
        """Cut it, or make it whole."""
        self.cut = cut
        if not cut and self.stalled:
            stalled, self.stalled = self.stalled, []
            for resume in stalled:
                resume()
