"""Messages that peers do not want: they have them already, from others.

A large message costs more to send twice than to call off. So whoever gets one tells the other peers of the mesh, before
the application checks it; these leave it out, also where it already waits in a queue. The signature is checked first,
for an id can be forged, and peers would hold back the true message.

It is a courtesy: nobody pays for a message that comes all the same, and of what peers ask in this way only so much is
remembered, for so long. An id is kept as its hash, so that long ones take no more room than short ones; two that
collide cost no one but the peer that sent them. Those above 1 KiB are passed over.

Source: libp2p specs, pubsub/gossipsub 1.2, "IDONTWANT Message".
"""

from collections.abc import Iterable, Sequence

from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.shared import Shared
from p2pstack.pubsub.rpc import IDontWant

__all__ = ["Unwanted"]


class Unwanted:
    """Who does not want what."""

    __slots__ = ("_longest", "_outgoing", "_quotas", "_said", "_ttl")

    def __init__(self, shared: Shared) -> None:
        self._longest = shared.config.max_id_bytes
        self._ttl = shared.config.idontwant_ttl
        self._quotas = shared.quotas
        self._outgoing = shared.outgoing
        #: what each peer said, by heartbeats, the current one first
        self._said: dict[Peer, list[set[int]]] = {}

    def __bool__(self) -> bool:
        """Whether anybody does not want anything."""
        return bool(self._said)

    def __call__(self, peer: Peer, id_: bytes) -> bool:
        """Whether a peer does not want a message."""
        said = self._said.get(peer)
        return said is not None and any(hash(id_) in ids for ids in said)

    def received(self, peer: Peer, lists: Iterable[IDontWant]) -> Sequence[bytes]:
        """A peer does not want messages: those that are remembered."""
        ids = [id_ for each in lists for id_ in each.ids]
        taken = self._quotas.take(self._quotas.unwanted, peer, len(ids))
        ids = [id_ for id_ in ids[:taken] if len(id_) <= self._longest]
        if ids:
            said = self._said.get(peer)
            if said is None:
                said = self._said[peer] = [set()]
            said[0].update(map(hash, ids))
        return ids

    def call_off(self, ids: Sequence[bytes], peers: Iterable[Peer]) -> None:
        """Tell peers that we have messages."""
        idontwant = IDontWant(ids)
        for peer in peers:
            if peer.features.idontwant:
                self._outgoing.to(peer).idontwant.append(idontwant)

    def shift(self) -> None:
        """Begin a heartbeat."""
        for peer, said in tuple(self._said.items()):
            said.insert(0, set())
            del said[self._ttl :]
            if not any(said):
                del self._said[peer]

    def forget(self, peer: Peer) -> None:
        """A peer is gone."""
        self._said.pop(peer, None)
