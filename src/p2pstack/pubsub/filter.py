"""Which topics may be joined, by us and by our peers. Pure.

Whatever a peer says it has joined, we remember: so it may join a hundred topics, of names that are not long, and of the
kind that the application cares for.

Source: libp2p specs, pubsub, "The RPC"; go-libp2p-pubsub has a filter of the same name.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from p2pstack.errors import LocalProtocolError
from p2pstack.pubsub.rpc import Subscribe

__all__ = ["SubscriptionFilter"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SubscriptionFilter:
    """Which topics are of interest, and how many of them to a peer."""

    #: The topics that there are; None: no list.
    topics: Collection[str] | None = None
    #: What the whole name of a topic must match; None: anything. It meets names that strangers send: a pattern that
    #: backtracks without end would stop the node.
    pattern: str | re.Pattern[str] | None = None
    #: Topics that one peer may have joined at a time.
    max_topics: int = 100
    #: Characters of a topic's name.
    max_length: int = 1_024

    def __post_init__(self) -> None:
        if self.max_topics < 1 or self.max_length < 1:
            raise LocalProtocolError(
                f"expected room for at least one topic of one character, got {self.max_topics} of {self.max_length}"
            )
        if isinstance(self.topics, str):
            raise LocalProtocolError(f"expected a collection of topics, got the text {self.topics!r}: put it in a list")
        if self.topics is not None:
            object.__setattr__(self, "topics", frozenset(self.topics))
        if isinstance(self.pattern, str):
            object.__setattr__(self, "pattern", re.compile(self.pattern))

    def allows(self, topic: str) -> bool:
        """Whether a topic may be joined. Where there are both a list and a pattern, it needs one of them."""
        if not 0 < len(topic) <= self.max_length:
            return False
        if self.topics is None and self.pattern is None:
            return True
        if self.topics is not None and topic in self.topics:
            return True
        return isinstance(self.pattern, re.Pattern) and self.pattern.fullmatch(topic) is not None

    def admit(self, subscriptions: Iterable[Subscribe], joined: Collection[str]) -> tuple[Sequence[Subscribe], int]:
        """What counts of the subscriptions that a peer sends.

        :param joined: the topics that it has joined so far
        :returns: those that change something, in order, and how many topics it was refused for being too many; what is
            of no interest, or said twice, is left out
        """
        topics = dict.fromkeys(joined)
        admitted: list[Subscribe] = []
        refused = 0
        for subscription in subscriptions:
            topic = subscription.topic
            if not subscription.subscribe:
                if topic in topics:
                    del topics[topic]
                    admitted.append(subscription)
            elif topic in topics:
                # It may ask for parts now, and for whole messages before.
                admitted.append(subscription)
            elif self.allows(topic):
                if len(topics) < self.max_topics:
                    topics[topic] = None
                    admitted.append(subscription)
                else:
                    refused += 1
        return admitted, refused
