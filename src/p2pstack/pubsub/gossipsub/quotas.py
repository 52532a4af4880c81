"""How much a peer may do between two heartbeats.

What is beyond a limit is not looked at. What is beyond a further one, that no honest peer comes near, is a breach of
rules (P7), once a heartbeat. What a peer did is remembered by its id until the heartbeat is over: to connect anew gives
it nothing more.

============================  ==================  ==================================================================
what                          taken               penalised beyond
============================  ==================  ==================================================================
RPCs with IHAVE               10                  1,000: some have one for each topic
ids we ask for                5,000               - (it is for us to stop asking)
ids in IWANT                  10,000              10,000: nobody announces more in two heartbeats
ids in IDONTWANT              1,000               100,000: a network may have many messages
GRAFTs of topics we lack      none                100: we may have left as many just now
changes of subscriptions      all                 1,000
subscriptions not taken       -                   1,000
messages asked for too often  none                5: some copies are lost
groups of parts not taken     none                100: so many peers may begin one at the same time
metadata, group ids too long  none                none: nobody has as much to tell
metadata beyond what is kept  none                100: many groups may be large at the same time
============================  ==================  ==================================================================

Source: libp2p specs, pubsub/gossipsub 1.1, "Spam Protection Measures", and 1.2, "Parameters"; the second limits are
ours.
"""

from collections import Counter
from dataclasses import dataclass

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.scorer import BREACH, Scorer

__all__ = ["Limit", "Quotas"]


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of something is taken from a peer in a heartbeat, and from where on it is a breach of rules."""

    what: str
    taken: int | None
    breach: int | None


class Quotas:
    """What each peer did since the last heartbeat."""

    __slots__ = (
        "_score",
        "_used",
        "asked",
        "breaches",
        "groups",
        "hoarded",
        "ihave",
        "insisted",
        "iwant",
        "overlong",
        "refused",
        "subscribed",
        "unknown_grafts",
        "unwanted",
    )

    def __init__(self, config: GossipSubConfig, score: Scorer) -> None:
        self._score = score
        self._used: dict[Limit, Counter[PeerId]] = {}
        #: how often a peer broke a limit, by what it is of
        self.breaches = Counter[str]()
        ids, unwanted = config.max_ihave_ids, config.max_idontwant_ids
        messages = config.max_ihave_messages
        self.ihave = Limit("RPCs with IHAVE", messages, 100 * messages)
        self.asked = Limit("ids we ask for", ids, None)
        self.iwant = Limit("ids in IWANT", 2 * ids, 2 * ids)
        self.unwanted = Limit("ids in IDONTWANT", unwanted, 100 * unwanted)
        self.unknown_grafts = Limit("GRAFTs of topics we are not in", 0, 100)
        self.subscribed = Limit("changes of subscriptions", None, 1_000)
        self.refused = Limit("subscriptions not taken", None, 1_000)
        self.insisted = Limit("messages asked for too often", 0, 5)
        self.groups = Limit("groups of parts not taken", 0, 100)
        self.hoarded = Limit("parts metadata beyond what is kept of a peer", 0, 100)
        self.overlong = Limit("parts metadata or group ids too long", 0, 0)

    def take(self, limit: Limit, peer: Peer, amount: int = 1) -> int:
        """Use up some of a limit: how much of `amount` is within it."""
        used = self._used.setdefault(limit, Counter[PeerId]())
        before = used[peer.id]
        after = used[peer.id] = before + amount
        if limit.breach is not None and before <= limit.breach < after:
            self.breaches[limit.what] += 1
            self._score.add_penalty(peer.id, BREACH)
        return amount if limit.taken is None else max(min(amount, limit.taken - before), 0)

    def reset(self) -> None:
        """Begin a heartbeat."""
        self._used.clear()
