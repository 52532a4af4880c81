"""What is known of who published and received how many messages, from the lines that members print."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

__all__ = ["Share", "Tally"]


@dataclass(slots=True)
class Share:
    """One host's part in the messages."""

    #: how many it has published
    published: int = 0
    #: how many of each host's it has received, its own among them
    received: Counter[str] = field(default_factory=Counter[str])
    #: how many came twice: none should
    twice: int = 0
    #: peers in its mesh
    mesh: int = 0
    #: seconds from publishing to receiving, for each message of others
    delays: list[float] = field(default_factory=list[float])

    @property
    def delay(self) -> float | None:
        """The median of its delays, in seconds."""
        return median(self.delays) if self.delays else None


class Tally:
    """The shares of all hosts."""

    def __init__(self) -> None:
        self.shares: dict[str, Share] = {}

    def update(self, name: str, event: Mapping[str, Any]) -> Share:
        """Take in what a member said of its messages."""
        share = self.shares.setdefault(name, Share())
        share.published = event["published"]
        share.received = Counter(event["received"])
        share.twice = event["twice"]
        share.mesh = event["mesh"]
        share.delays += (delay / 1e3 for delay in event["delays_ms"])
        return share

    def mesh(self, name: str) -> int:
        """How many peers a host has in its mesh, as far as is known."""
        return self._share(name).mesh

    def missing(self, authors: Iterable[str], readers: Iterable[str]) -> int:
        """How many messages of these authors have not come to one or another of these readers, as far as is known."""
        readers = tuple(readers)
        return sum(
            max(self._share(author).published - self._share(reader).received[author], 0)
            for author in authors
            for reader in readers
        )

    def _share(self, name: str) -> Share:
        return self.shares.get(name) or Share()

    @property
    def received(self) -> int:
        """How many messages have come to applications."""
        return sum(share.received.total() for share in self.shares.values())

    def delays(self, readers: Iterable[str]) -> tuple[float, float]:
        """The median, and what 99 of 100 are below, of the delays of these readers, in seconds."""
        delays = sorted(delay for reader in readers for delay in self._share(reader).delays)
        return (median(delays), delays[len(delays) * 99 // 100]) if delays else (0.0, 0.0)
