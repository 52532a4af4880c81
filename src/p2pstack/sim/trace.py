"""What happened in a simulation, and a hash of it.

The hash covers every arrival of bytes with its time, and everything that is told by `note`: two runs with equal hashes
did the same. The same seed gives the same hash with the same versions of Python and of the packages. What happened is
kept only where a file is to be written of it.
"""

import json
from collections.abc import Iterable
from hashlib import sha256
from struct import Struct
from typing import TextIO

__all__ = ["Trace"]

_ARRIVAL = Struct("<dIBI")
#: bytes that are hashed at a time
_BATCH = 65_536


class Trace:
    """Collects what happens.

    :param keep: keep what is noted, for `events` and `write`; else it only goes into the hash
    :param keep_arrivals: also each arrival of bytes: there are many
    """

    __slots__ = ("_hash", "_keep", "_keep_arrivals", "_pending", "arrivals", "bytes", "events")

    def __init__(self, *, keep: bool = False, keep_arrivals: bool = False) -> None:
        self._hash = sha256()
        self._pending = bytearray()
        self._keep = keep or keep_arrivals
        self._keep_arrivals = keep_arrivals
        #: what was kept, in order
        self.events: list[dict[str, object]] = []
        #: how often bytes arrived, and how many
        self.arrivals = 0
        self.bytes = 0

    def delivered(self, now: float, flow: tuple[int, int], size: int) -> None:
        """Bytes arrived."""
        self.arrivals += 1
        self.bytes += size
        pending = self._pending
        pending += _ARRIVAL.pack(now, flow[0], flow[1], size)
        if len(pending) >= _BATCH:
            self._hash.update(pending)
            pending.clear()
        if self._keep_arrivals:
            self.events.append(
                {"t": now, "kind": "arrival", "connection": flow[0], "back": bool(flow[1]), "size": size}
            )

    def note(self, now: float, kind: str, **facts: object) -> None:
        """Something happened.

        :param facts: what JSON can hold
        """
        event = {"t": now, "kind": kind, **facts}
        self._pending += json.dumps(event, ensure_ascii=False).encode()
        if self._keep:
            self.events.append(event)

    @property
    def hash(self) -> str:
        """Of all that happened so far."""
        now = self._hash.copy()
        now.update(self._pending)
        return now.hexdigest()

    def write(self, file: TextIO) -> None:
        """What was kept, a line of JSON each."""
        file.writelines(json.dumps(event, ensure_ascii=False) + "\n" for event in self.events)

    @staticmethod
    def read(lines: Iterable[str]) -> list[dict[str, object]]:
        """What `write` wrote."""
        return [json.loads(line) for line in lines if line.strip()]
