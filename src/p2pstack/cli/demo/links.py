"""What is known of who fetched a file from whom, from the lines that members print."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Link", "Links"]


@dataclass(slots=True)
class Link:
    """One host's connection to another, and the file that comes over it."""

    caller: str
    callee: str
    #: where the callee was reached; None until it is
    addr: str | None = None
    security: str = ""
    muxer: str = ""
    #: round trip in seconds, as ping measured it before any file moved
    rtt: float | None = None
    #: bytes here so far, in so many seconds
    received: int = 0
    seconds: float = 0.0
    #: whether the SHA-256 of what came is that of the callee's file; None until all is there
    equal: bool | None = None

    @property
    def over(self) -> str:
        """What it is secured and multiplexed by, in short."""
        return " ".join(protocol.strip("/").partition("/")[0] for protocol in (self.security, self.muxer) if protocol)

    @property
    def rate(self) -> float:
        """Bytes per second."""
        return self.received / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class Links:
    """All links of a demo, in a circle: each host calls the next ones. Up to seven hosts, every two share one
    connection; where there are more, nobody knows all the others."""

    names: tuple[str, ...]
    #: how many others a host calls at most
    calls: int = 3
    links: dict[tuple[str, str], Link] = field(init=False)

    def __post_init__(self) -> None:
        size = len(self.names)
        pairs = [
            (caller, (index + step) % size)
            for index, caller in enumerate(self.names)
            for step in range(1, min(self.calls, size // 2) + 1)
            if 2 * step < size or index < step  # opposite hosts would call each other
        ]
        self.links = {(caller, self.names[callee]): Link(caller, self.names[callee]) for caller, callee in pairs}

    def __iter__(self) -> Iterator[Link]:
        return iter(self.links.values())

    def called_by(self, name: str) -> list[Link]:
        """The links to those that a host calls."""
        return [link for link in self if link.caller == name]

    def update(self, caller: str, event: Mapping[str, Any]) -> Link:
        """Take in what a member said of one of its links."""
        link = self.links[caller, event["to"]]
        match event["event"]:
            case "connected":
                link.addr, link.security, link.muxer = event["addr"], event["security"], event["muxer"]
                link.rtt = event["rtt_ms"] / 1e3
            case "received":
                link.received, link.seconds, link.equal = event["bytes"], event["seconds"], event["equal"]
            case _:
                link.received, link.seconds = event["bytes"], event["seconds"]
        return link
