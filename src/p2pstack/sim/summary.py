"""What came out of a run, in figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Outcome", "histogram", "quantile"]


def quantile(values: Sequence[float], part: float) -> float | None:
    """What `part` of the values (0 to 1) do not exceed: the nearest rank. None where there are none.

    :param values: sorted
    """
    if not values:
        return None
    return values[max(-int(-part * len(values) // 1) - 1, 0)]


def histogram(values: Sequence[float], *, bins: int) -> list[tuple[float, float, int]]:
    """How many values are where: the bounds of each bin, and how many are in it. The last bin is closed, and ends with
    the largest value; the first one begins with 0."""
    top = max(values, default=0.0)
    if top <= 0:
        return [(0.0, 0.0, len(values))] if values else []
    counts = [0] * bins
    for value in values:
        counts[min(int(value / top * bins), bins - 1)] += 1
    return [(top * (index / bins), top * ((index + 1) / bins), count) for index, count in enumerate(counts)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came out of a run."""

    #: its scenario, by name, and what it was given
    scenario: str
    nodes: int
    seed: int
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    #: of all that happened; the same seed gives the same one
    trace_hash: str = ""
    #: messages
    published: int = 0
    #: readers that they were meant for, all together, but for those that ended first
    expected: int = 0
    #: ... and those of them that got it
    delivered: int = 0
    #: messages that came to a reader twice: none should
    twice: int = 0
    #: seconds of virtual time from publishing to each delivery, sorted
    delays: Sequence[float] = ()
    #: what the scenario found out
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    #: arrivals of bytes at the end of a connection, and how many bytes
    arrivals: int = 0
    bytes: int = 0
    #: seconds that the run took: by its own clock, and by ours
    virtual_s: float = 0.0
    real_s: float = 0.0
    #: an expectation of the scenario that did not come true
    failure: str | None = None

    @property
    def coverage(self) -> float:
        """The part of expected deliveries that were made, from 0 to 1."""
        return self.delivered / self.expected if self.expected else 1.0

    def quantile_ms(self, part: float) -> float | None:
        """Milliseconds in which `part` of the deliveries were made (0 to 1); None where there were none."""
        value = quantile(self.delays, part)
        return None if value is None else round(value * 1e3, 3)

    def record(self) -> dict[str, Any]:
        """All of it as JSON can hold it, with quantiles in place of the delays."""
        fields = asdict(self)
        del fields["delays"]
        fields |= {f"p{round(100 * part)}_ms": self.quantile_ms(part) for part in (0.5, 0.99, 1.0)}
        return {**fields, "virtual_s": round(self.virtual_s, 6), "real_s": round(self.real_s, 3)}
