"""Whom not to graft for a time, because there was a PRUNE.

===============================  ===================================================================================
a backoff lasts                  where
===============================  ===================================================================================
`prune_backoff`                  we pruned, or were pruned by a peer that told no time (1.0)
`unsubscribe_backoff`            we left the topic
what the peer asks for           it pruned us: at most `max_backoff`, however absurd the figure is
the longer of two                there is one already
===============================  ===================================================================================

A peer that grafts before the end breaks the rule. We ourselves wait `backoff_slack` longer. Backoffs outlast a
connection: otherwise nobody would need to keep them.

Source: libp2p specs, pubsub/gossipsub 1.1, "Prune Backoff and Peer Exchange".
"""

from collections.abc import Set as AbstractSet

from p2pstack.identity.peer_id import PeerId

__all__ = ["Backoff"]

#: in how many heartbeats all topics are cleaned
_ROUNDS = 15
_NOBODY: AbstractSet[PeerId] = frozenset()


class Backoff:
    """The backoffs of all topics.

    :param longest: seconds that a backoff lasts at most
    :param slack: seconds that we wait longer
    :param limit: backoffs remembered of a topic
    """

    __slots__ = ("_ends", "_limit", "_longest", "_slack")

    def __init__(self, *, longest: float, slack: float, limit: int) -> None:
        self._longest = longest
        self._slack = slack
        self._limit = limit
        self._ends: dict[str, dict[PeerId, float]] = {}

    def add(self, topic: str, peer: PeerId, seconds: float, now: float) -> None:
        """Begin a backoff, or prolong it."""
        ends = self._ends.setdefault(topic, {})
        end = now + min(seconds, self._longest)
        before = ends.get(peer)
        if before is None and len(ends) >= self._limit:
            del ends[next(iter(ends))]
        if before is None or before < end:
            ends[peer] = end

    def end(self, topic: str, peer: PeerId, now: float) -> float | None:
        """Until when a peer must not graft us; None where it may."""
        end = self._ends.get(topic, {}).get(peer)
        return end if end is not None and end > now else None

    def blocked(self, topic: str, now: float) -> AbstractSet[PeerId]:
        """Whom we must not graft."""
        ends = self._ends.get(topic)
        if not ends:
            return _NOBODY
        due = now - self._slack
        return {peer for peer, end in ends.items() if end > due}

    def clean(self, now: float) -> None:
        """Forget what is over in one of fifteen parts of the topics: to be called at each heartbeat."""
        due = now - self._slack
        for topic in tuple(self._ends)[: -(-len(self._ends) // _ROUNDS)]:
            left = {peer: end for peer, end in self._ends.pop(topic).items() if end > due}
            if left:
                # It is the last again: the others come first.
                self._ends[topic] = left

    def __len__(self) -> int:
        """How many are remembered."""
        return sum(map(len, self._ends.values()))
