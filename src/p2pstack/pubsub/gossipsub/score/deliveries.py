"""Valid messages of late, and who brought each: a further copy counts once for a peer, and only within the window.

There are two generations of them: what is new goes to the young one; the old one goes as a whole when the young one has
had its time, or its number. So to forget costs nothing, and what is held is bounded.

Source: libp2p specs, pubsub/gossipsub 1.1, "P3 and P3b: Mesh Message Delivery".
"""

from p2pstack.pubsub.gossipsub.score.counters import PeerCounters

__all__ = ["Deliveries", "ValidMessage"]


class ValidMessage:
    """Who brought a message, and when it was found valid."""

    __slots__ = ("senders", "validated_at")

    def __init__(self, validated_at: float) -> None:
        self.senders: set[PeerCounters] = set()
        self.validated_at = validated_at


class Deliveries:
    """The messages of which copies may still count: for `window` seconds at least, and never more than `limit`."""

    __slots__ = ("_half", "_old", "_turn", "_young", "window")

    def __init__(self, window: float, limit: int) -> None:
        self.window = window
        self._half = limit // 2
        self._young: dict[bytes, ValidMessage] = {}
        self._old: dict[bytes, ValidMessage] = {}
        self._turn = 0.0

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._young) + len(self._old)

    def add(self, message_id: bytes, now: float) -> ValidMessage:
        """A message was found valid."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        message = self._young[message_id] = ValidMessage(now)
        return message

    def get(self, message_id: bytes) -> ValidMessage | None:
        """A message that was found valid of late."""
        message = self._young.get(message_id)
        return self._old.get(message_id) if message is None else message

    def expire(self, now: float) -> None:
        """Forget those that have had their time."""
        if now >= self._turn:
            self._old, self._young = self._young, {}
            self._turn = now + self.window
