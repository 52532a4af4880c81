"""The heartbeat's care for a mesh: every second it is brought back to its shape.

====  ==================================  ==========================================================================
step  where                               then
====  ==================================  ==========================================================================
1     a member's score is below 0         it is pruned, and no peers are named to it
2     fewer than `d_low` are left         others are grafted, by chance, up to `d`
3     fewer than `d_out` of them are      others that we dialled are grafted, up to `d_out`: an attacker who dials us
      peers that we dialled               as often as he likes does not get the mesh for himself
4     each 60th time, the median of       two peers above the median are grafted: a mesh that got stuck with bad
      their scores is below a threshold   peers, none of them bad enough for step 1, gets better by and by
5     more than `d_high` are there        all but `d` are pruned: the `d_score` best stay, the rest stays by chance,
                                          with `d_out` at least that we dialled; who has just come stays too
====  ==================================  ==========================================================================

Nobody is grafted whose backoff lasts, whose score is below 0, or who is a direct peer. What there is to prune comes
last, so that no heartbeat leaves more than `d_high`.

Source: libp2p specs, pubsub/gossipsub 1.0, "Heartbeat", and 1.1, "Outbound Mesh Quotas" and "Opportunistic Grafting".
"""

from p2pstack.pubsub.gossipsub.choice import pick
from p2pstack.pubsub.gossipsub.mesh import Mesh
from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.shared import Shared

__all__ = ["Maintenance"]


class Maintenance:
    """Cares for meshes. Goes by the scores as of the heartbeat (`Peer.score`)."""

    __slots__ = ("_config", "_mesh", "_random", "_score")

    def __init__(self, shared: Shared, mesh: Mesh) -> None:
        self._config = shared.config
        self._score = shared.score
        self._random = shared.random
        self._mesh = mesh

    def maintain(self, topic: str, tick: int, now: float) -> None:
        """Bring the mesh of a topic into shape."""
        config, mesh = self._config, self._mesh
        members = mesh.topics[topic]
        for peer in [peer for peer in members if peer.score < 0]:
            mesh.prune(peer, topic, now, "its score is below 0", name_peers=False)

        fresh: set[Peer] = set()
        if len(members) < config.d_low:
            fresh.update(self._graft(topic, config.d - len(members), now))
        dialled = sum(peer.outbound for peer in members)
        if dialled < config.d_out and len(members) >= config.d_low:
            fresh.update(self._graft(topic, config.d_out - dialled, now, dialled=True))
        if tick % config.opportunistic_graft_ticks == 0 and len(members) > 1:
            median = sorted(peer.score for peer in members)[len(members) // 2]
            if median < self._score.thresholds.opportunistic_graft:
                fresh.update(self._graft(topic, config.opportunistic_graft_peers, now, above=median))
        if len(members) > config.d_high:
            for peer in self._excess(members, fresh):
                mesh.prune(peer, topic, now, "the mesh has too many peers")

    def _graft(
        self, topic: str, count: int, now: float, *, dialled: bool = False, above: float | None = None
    ) -> list[Peer]:
        """Graft at most `count` peers."""
        pool = [
            peer
            for peer in self._mesh.candidates(topic, now)
            if peer.score >= 0 and (above is None or peer.score > above) and (peer.outbound or not dialled)
        ]
        chosen = pick(self._random, pool, count)
        for peer in chosen:
            self._mesh.graft(peer, topic, now)
        return chosen

    def _excess(self, members: set[Peer], fresh: set[Peer]) -> list[Peer]:
        """Whom to prune."""
        config = self._config
        peers = list(members - fresh)
        self._random.shuffle(peers)
        peers.sort(key=lambda peer: -peer.score)
        best, rest = peers[: config.d_score], peers[config.d_score :]
        self._random.shuffle(rest)
        missing = config.d_out - sum(peer.outbound for peer in (*fresh, *best))
        quota = [peer for peer in rest if peer.outbound][: max(missing, 0)]
        rest = [peer for peer in rest if peer not in quota]
        return [*quota, *best, *rest][max(config.d - len(fresh), 0) :]
