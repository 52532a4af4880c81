"""What is done at each heartbeat, every second, and in which order.

====  ==============================================================================================================
1     every `direct_connect_ticks`, the first time among them: direct peers that are missing are connected to
2     what peers may do until the next heartbeat begins anew (`quotas`)
3     what is over is forgotten: ids, backoffs, what peers did not want
4     broken promises are charged
5     scores are read, once for each peer: the rest goes by what they are now
6     for each topic that we are in: its mesh is brought into shape, and what was seen lately is announced outside it
7     the same for topics that we only publish to
8     messages, and groups of parts, are a heartbeat older
====  ==============================================================================================================

Source: libp2p specs, pubsub/gossipsub 1.0, "Heartbeat", and 1.1.
"""

from p2pstack.pubsub.actions import Connect
from p2pstack.pubsub.gossipsub.fanout import Fanout
from p2pstack.pubsub.gossipsub.gossip import Gossip
from p2pstack.pubsub.gossipsub.idontwant import Unwanted
from p2pstack.pubsub.gossipsub.maintenance import Maintenance
from p2pstack.pubsub.gossipsub.mesh import Mesh
from p2pstack.pubsub.gossipsub.partial import Partials
from p2pstack.pubsub.gossipsub.shared import Shared

__all__ = ["Heartbeat"]


class Heartbeat:
    """Beats."""

    __slots__ = ("_fanout", "_gossip", "_maintenance", "_mesh", "_partials", "_shared", "_ticks", "_unwanted", "due")

    def __init__(
        self,
        shared: Shared,
        *,
        fanout: Fanout,
        gossip: Gossip,
        maintenance: Maintenance,
        mesh: Mesh,
        partials: Partials,
        unwanted: Unwanted,
    ) -> None:
        self._shared = shared
        self._fanout = fanout
        self._gossip = gossip
        self._maintenance = maintenance
        self._mesh = mesh
        self._partials = partials
        self._unwanted = unwanted
        self._ticks = 0
        #: when the next one is due; the first one at once
        self.due = float("-inf")

    def beat(self, now: float) -> None:
        """Do what is due."""
        shared = self._shared
        config, peers, score = shared.config, shared.peers, shared.score
        # Those that were missed are not made up for.
        self.due = max(self.due + config.heartbeat_interval, now + config.heartbeat_interval / 2)
        if self._ticks % config.direct_connect_ticks == 0:
            for missing in peers.missing:
                shared.outgoing.do(Connect(missing))
        self._ticks += 1
        shared.quotas.reset()
        shared.admission.expire(now)
        shared.backoff.clean(now)
        self._unwanted.shift()
        for peer, count in shared.promises.broken(now).items():
            if peers.get(peer) is not None:
                score.add_penalty(peer, count)
        mute = set(peers.meshless)
        for peer in peers:
            peer.score = score.score(peer.id)
            if peer.score < score.thresholds.gossip:
                mute.add(peer)
        for topic, members in self._mesh.topics.items():
            self._maintenance.maintain(topic, self._ticks, now)
            self._gossip.emit(topic, members, mute)
        self._fanout.maintain(now)
        for topic, members in self._fanout:
            self._gossip.emit(topic, members, mute)
        shared.messages.shift()
        self._partials.age()
