"""Counts the messages of a topic in place of printing them."""

import time


def microseconds() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


class Counter:
    def __init__(self) -> None:
        self.received = 0
        self.seen: set[int] = set()
        #: of those seen for the first time
        self.latencies: list[int] = []
        self.published = self.first = self.last = 0

    def add(self, data: bytes) -> None:
        now = microseconds()
        number, stamp = int.from_bytes(data[:8]), int.from_bytes(data[8:16])
        self.received += 1
        if number in self.seen:
            return
        self.seen.add(number)
        self.latencies.append(now - stamp)
        self.first = self.first or now
        self.last = now
        self.published = min(self.published or stamp, stamp)

    def result(self, *, latencies: bool) -> dict[str, object]:
        return {
            "received": self.received,
            "distinct": len(self.seen),
            "published_us": self.published,
            "first_us": self.first,
            "last_us": self.last,
            **({"latencies_us": self.latencies} if latencies else {}),
        }
