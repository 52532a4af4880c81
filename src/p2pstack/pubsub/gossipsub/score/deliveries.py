"""Who sent copies of a message, until it is known what the message is worth.

==============  ==============================================  ====================================================
a message is    a further copy                                  is remembered
==============  ==============================================  ====================================================
in validation   waits for the outcome with the others           until there is one, for `ttl` at least
valid           counts as one more delivery, once for a peer    for `window`, and where somebody counts deliveries
invalid         is one more invalid message                     for `ttl`
ignored         means nothing                                   not at all
==============  ==============================================  ====================================================

Each of the three has two generations: what is new goes to the young one; the old one goes as a whole when the young one
has had its time, or its number. So to forget costs nothing, and what is held is bounded.

Source: libp2p specs, pubsub/gossipsub 1.1, "P3 and P3b: Mesh Message Delivery".
"""

from typing import Generic, TypeVar

from p2pstack.pubsub.gossipsub.score.counters import PeerCounters

__all__ = ["Deliveries", "ValidMessage"]

V = TypeVar("V")


class ValidMessage:
    """Who brought a valid message, and when it was found valid."""

    __slots__ = ("senders", "validated_at")

    def __init__(self, senders: set[PeerCounters], validated_at: float) -> None:
        self.senders = senders
        self.validated_at = validated_at


class Deliveries:
    """The messages that peers may still be credited or charged for."""

    __slots__ = ("invalid", "valid", "validating")

    def __init__(self, ttl: float, limit: int) -> None:
        #: who sent copies so far
        self.validating: Generations[set[PeerCounters]] = Generations(ttl, limit)
        self.valid: Generations[ValidMessage] = Generations(0.0, limit)
        self.invalid: Generations[None] = Generations(ttl, limit)

    def __len__(self) -> int:
        """How many messages are remembered."""
        return len(self.validating) + len(self.valid) + len(self.invalid)

    def widen(self, window: float) -> None:
        """Remember valid messages for at least that many seconds."""
        self.valid.ttl = max(self.valid.ttl, window)

    def expire(self, now: float) -> None:
        """Forget what has had its time."""
        self.validating.expire(now)
        self.valid.expire(now)
        self.invalid.expire(now)


class Generations(Generic[V]):
    """A mapping whose entries live from one to two times `ttl` seconds, and are at most `limit`."""

    __slots__ = ("_half", "_old", "_turn", "_young", "ttl")

    def __init__(self, ttl: float, limit: int) -> None:
        self.ttl = ttl
        self._half = (limit + 1) // 2
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}
        self._turn = 0.0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def __contains__(self, key: bytes) -> bool:
        return key in self._young or key in self._old

    def __setitem__(self, key: bytes, value: V) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def get(self, key: bytes) -> V | None:
        value = self._young.get(key)
        return self._old.get(key) if value is None else value

    def pop(self, key: bytes) -> V | None:
        old = self._old.pop(key, None)
        return self._young.pop(key, old)

    def expire(self, now: float) -> None:
        if now >= self._turn:
            self._old, self._young = self._young, {}
            self._turn = now + self.ttl
