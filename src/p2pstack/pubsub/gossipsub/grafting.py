"""What becomes of a GRAFT or a PRUNE that comes.

A GRAFT that is refused is answered by PRUNE, or the peer would believe that we forward to it. The first row that fits
holds:

==================================  ===========  ==========  =======================  ==============================
GRAFT                               answer       backoff     names of peers in PRUNE  the sender pays
==================================  ===========  ==========  =======================  ==============================
for a topic we are not in           none [1]                                          for more than 100 a heartbeat
from a peer that is in the mesh     none [2]
for a topic it is not subscribed    PRUNE        begins      no
from a direct peer                  PRUNE        begins      no
before the backoff is over          PRUNE        anew        no                       P7; twice within
                                                                                      `graft_flood_threshold`;
                                                                                      not in its last second
from a peer with a score below 0    PRUNE        begins      no
where the mesh is full [3]          PRUNE        begins      yes
else                                taken in
==================================  ===========  ==========  =======================  ==============================

[1] no state either, so that topics that are made up cost nothing
[2] both sides grafted at the same time
[3] `d_high` peers; those that we dialled come in nevertheless, for strangers cannot make us do that

A PRUNE takes the peer out of the mesh and begins the backoff that it asks for, with bounds. One for a topic that we are
not in is passed over, unless we have just left it: should we join again, the peer expects us to heed it.

A peer of the mesh that leaves the topic and says no PRUNE did not know, as it left, that we had grafted it: our GRAFT
was on its way. It may have joined again by the time that it arrives, and would then have us in its mesh, but we not it.
So it is told, with the shortest backoff that there is.

Source: libp2p specs, pubsub/gossipsub 1.0, "Control Messages"; 1.1, "Prune Backoff and Peer Exchange", "Flood
Publishing" and "Spam Protection Measures".
"""

from p2pstack.pubsub.gossipsub.exchange import Exchange
from p2pstack.pubsub.gossipsub.mesh import Mesh
from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.shared import Shared
from p2pstack.pubsub.rpc import Prune

__all__ = ["Grafting"]

#: Who counts in whole seconds, as py-libp2p does, may come this much too early: it is refused, and pays nothing.
_A_SECOND = 1.0


class Grafting:
    """Judges what peers want of our meshes."""

    __slots__ = ("_backoff", "_config", "_exchange", "_mesh", "_quotas", "_score")

    def __init__(self, shared: Shared, mesh: Mesh, exchange: Exchange) -> None:
        self._config = shared.config
        self._quotas = shared.quotas
        self._score = shared.score
        self._mesh = mesh
        self._backoff = shared.backoff
        self._exchange = exchange

    def grafted(self, peer: Peer, topic: str, now: float) -> None:
        """A peer has us in its mesh, and wants to be in ours."""
        mesh = self._mesh
        members = mesh.topics.get(topic)
        if members is None:
            self._quotas.take(self._quotas.unknown_grafts, peer)
        elif peer in members:
            pass
        elif topic not in peer.topics or not peer.meshes:
            mesh.refuse(peer, topic, now, name_peers=False)
        elif (end := self._backoff.end(topic, peer.id, now)) is not None:
            backoff = self._config.prune_backoff
            soon = now < end - backoff + self._config.graft_flood_threshold
            if end - now > min(_A_SECOND, backoff / 10):
                self._score.add_penalty(peer.id, 2 if soon else 1)
            mesh.refuse(peer, topic, now, name_peers=False)
        elif self._score.score(peer.id) < 0:
            mesh.refuse(peer, topic, now, name_peers=False)
        elif len(members) >= self._config.d_high and not peer.outbound:
            mesh.refuse(peer, topic, now)
        else:
            mesh.add(peer, topic, now)

    def deserted(self, peer: Peer, topic: str, now: float) -> None:
        """A peer leaves a topic, and pruned nobody."""
        if peer in self._mesh.topics.get(topic, ()):
            self._mesh.remove(peer, topic, "the peer left the topic")
            # If it is not there any more it passes the PRUNE over: it does not know of a backoff, nor must we.
            self._mesh.refuse(peer, topic, now, name_peers=False, backoff=0.0)

    def pruned(self, peer: Peer, prune: Prune, now: float) -> None:
        """A peer has us no longer in its mesh."""
        topic = prune.topic
        if not self._mesh.concerns(topic, now):
            return
        self._mesh.forget(peer, topic, "the peer pruned us")
        self._backoff.add(topic, peer.id, prune.backoff or self._config.prune_backoff, now)
        self._exchange.received(peer, prune)
