"""Peer exchange: who prunes a peer names others that it may turn to.

It is how a node that knows one bootstrap peer comes to know the network; and a way for an attacker to choose whom
others meet, or to have them call at addresses of its choice. Hence these rules:

=======================  ===========================================================================================
we name                  where `peer_exchange` is on, and only to peers that are pruned for no fault of their own:
                         at most `exchange_peers` of the topic, none with a score below 0, with their signed records
we connect to            peers named with a record, by a peer from the score `accept_px` on that we share the topic
                         with; at most `exchange_peers` a PRUNE. That a record is signed by the peer that it is about
                         is checked by whoever connects
=======================  ===========================================================================================

Source: libp2p specs, pubsub/gossipsub 1.1, "Prune Backoff and Peer Exchange"; RFC 0003, "Peer Routing Records".
"""

from collections.abc import Callable, Sequence
from math import ceil

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Connect
from p2pstack.pubsub.gossipsub.choice import pick
from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.shared import Shared
from p2pstack.pubsub.rpc import Prune

__all__ = ["Exchange"]


class Exchange:
    """Names peers, and takes names.

    :param records: the signed record of a peer, sealed; None where we have none
    """

    __slots__ = ("_config", "_outgoing", "_peers", "_random", "_records", "_score")

    def __init__(self, shared: Shared, records: Callable[[PeerId], bytes | None]) -> None:
        self._config = shared.config
        self._peers = shared.peers
        self._score = shared.score
        self._random = shared.random
        self._outgoing = shared.outgoing
        self._records = records

    def prune(self, peer: Peer, topic: str, backoff: float, *, name_peers: bool) -> Prune:
        """The PRUNE for a peer, in the form that it understands."""
        if not peer.features.exchange:
            return Prune(topic)
        named = self._named(peer, topic) if name_peers and self._config.peer_exchange else ()
        # To many, 0 is as good as nothing said, and means their own.
        return Prune(topic, max(ceil(backoff), 1), named)

    def _named(self, peer: Peer, topic: str) -> Sequence[tuple[PeerId, bytes | None]]:
        score = self._score.score
        pool = [other for other in self._peers.in_topic(topic) if other is not peer and score(other.id) >= 0]
        chosen = pick(self._random, pool, self._config.exchange_peers)
        return [(other.id, record) for other in chosen if (record := self._records(other.id)) is not None]

    def received(self, peer: Peer, prune: Prune) -> None:
        """A peer that pruned us names others."""
        if not prune.peers or self._score.score(peer.id) < self._score.thresholds.accept_px:
            return
        known = self._peers.ids
        pool = [(other, record) for other, record in prune.peers if record is not None and other not in known]
        for other, record in pick(self._random, pool, self._config.exchange_peers):
            self._outgoing.do(Connect(other, record))
