"""IHAVE and IWANT: what the mesh misses, gossip finds.

At each heartbeat some peers outside the mesh are told what was seen lately; who lacks any of it asks. So a message gets
round a part of the mesh that is cut off, or held by somebody who forwards nothing.

======================  ============================================================================================
what                    where
======================  ============================================================================================
IHAVE goes              to `d_lazy` peers of the topic outside the mesh, or a quarter of them if that is more, by
                        chance, whose score reaches the `gossip` threshold
an IHAVE is looked at   from peers whose score reaches it; 10 RPCs a heartbeat; in topics that we are in
IWANT goes              for ids that are not here, of 1 KiB at most; 5,000 a heartbeat; one of them is remembered as the
                        peer's promise
an IWANT is answered    to peers whose score reaches the threshold; 3 times a message
======================  ============================================================================================

Source: libp2p specs, pubsub/gossipsub 1.0, "Control Messages"; 1.1, "Adaptive Gossip Dissemination" and "Spam
Protection Measures".
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import cycle

from p2pstack.pubsub.actions import Forward
from p2pstack.pubsub.gossipsub.choice import pick
from p2pstack.pubsub.gossipsub.idontwant import Unwanted
from p2pstack.pubsub.gossipsub.mesh import Mesh
from p2pstack.pubsub.gossipsub.partial import Partials
from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.shared import Shared
from p2pstack.pubsub.rpc import IHave, IWant

__all__ = ["Gossip"]


class Gossip:
    """Announces messages, asks for those that others announce, and gives what is asked for."""

    __slots__ = (
        "_admission",
        "_config",
        "_mesh",
        "_messages",
        "_outgoing",
        "_partials",
        "_peers",
        "_promises",
        "_quotas",
        "_random",
        "_score",
        "_unwanted",
    )

    def __init__(self, shared: Shared, *, mesh: Mesh, partials: Partials, unwanted: Unwanted) -> None:
        self._config = shared.config
        self._outgoing = shared.outgoing
        self._peers = shared.peers
        self._quotas = shared.quotas
        self._random = shared.random
        self._score = shared.score
        self._admission = shared.admission
        self._mesh = mesh
        self._messages = shared.messages
        self._partials = partials
        self._promises = shared.promises
        self._unwanted = unwanted

    def emit(self, topic: str, members: AbstractSet[Peer], mute: AbstractSet[Peer]) -> None:
        """Announce what was seen lately in a topic.

        :param members: who gets its messages anyway
        :param mute: who gets no gossip
        """
        ids = self._messages.announced(topic)
        partials = self._partials
        if not ids and not partials.has_news(topic):
            return
        pool = self._peers.in_topic(topic) - members - mute
        config, most = self._config, self._config.max_ihave_ids
        chosen = pick(self._random, pool, max(config.d_lazy, int(config.gossip_factor * len(pool))))
        if partials:
            partials.gossip(topic, (*members, *chosen))
            chosen = [peer for peer in chosen if not partials.replaces_whole(peer, topic)]
        # Where there are too many for one, each peer is told of others.
        lists = [IHave(topic, ids[start : start + most]) for start in range(0, len(ids), most)]
        to = self._outgoing.to
        for peer, ihave in zip(chosen, cycle(lists)):
            (peer.draft or to(peer)).ihave.append(ihave)

    def announced(self, peer: Peer, lists: Sequence[IHave], now: float) -> None:
        """A peer announces messages: ask for those that are not here."""
        quotas = self._quotas
        if self._score.score(peer.id) < self._score.thresholds.gossip or not quotas.take(quotas.ihave, peer):
            return
        known, topics, partials = self._admission.known, self._mesh.topics, self._partials
        if partials:
            lists = [ihave for ihave in lists if not partials.replaces_theirs(peer, ihave.topic)]
        longest = self._config.max_id_bytes
        news = {
            id_: ihave.topic
            for ihave in lists
            if ihave.topic in topics
            for id_ in ihave.ids
            if len(id_) <= longest and not known(id_)
        }
        asked = quotas.take(quotas.asked, peer, len(news))
        if asked:
            ids = list(news)
            if asked < len(ids):
                ids = self._random.sample(ids, asked)
            promised = self._random.sample(ids, 1)[0]
            self._promises.add(peer.id, promised, news[promised], now)
            self._outgoing.to(peer).iwant.append(IWant(ids))

    def leave(self, topic: str) -> None:
        """We left a topic: nobody owes its messages any more."""
        self._promises.leave(topic)

    def asked(self, peer: Peer, lists: Sequence[IWant]) -> None:
        """A peer asks for messages: send those that are here."""
        if self._score.score(peer.id) < self._score.thresholds.gossip:
            return
        quotas, messages, longest, insisted = self._quotas, self._messages, self._config.max_id_bytes, 0
        ids = dict.fromkeys(id_ for iwant in lists for id_ in iwant.ids)
        for id_ in list(ids)[: quotas.take(quotas.iwant, peer, len(ids))]:
            message = messages.get(id_) if len(id_) <= longest else None
            if message is None or self._unwanted(peer, id_):
                continue
            if messages.asked(id_, peer.id) > self._config.gossip_retransmission:
                insisted += 1
            else:
                self._outgoing.do(Forward(message, (peer.id,)))
        if insisted:
            quotas.take(quotas.insisted, peer, insisted)
