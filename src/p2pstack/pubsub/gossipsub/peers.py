"""Who is connected, and in which topics.

The rest of gossipsub has peers as objects and not as ids: they hash by a number of their own, so that what is chosen
from a set of them depends on the order in which they came and on nothing else (the same seed, the same run), and they
carry what would otherwise be looked up again and again.
"""

from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from itertools import count
from sys import intern

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.draft import Draft
from p2pstack.pubsub.gossipsub.features import FEATURES, FLOODSUB
from p2pstack.pubsub.router import Link
from p2pstack.pubsub.rpc import Extensions, Subscribe

__all__ = ["Peer", "Peers"]

_NOBODY: AbstractSet["Peer"] = frozenset()


class Peer:
    """A peer that is connected."""

    __slots__ = (
        "_number",
        "direct",
        "draft",
        "extensions",
        "features",
        "greeted",
        "id",
        "outbound",
        "partial",
        "score",
        "topics",
    )

    def __init__(self, number: int, peer: PeerId, link: Link, *, direct: bool) -> None:
        self._number = number
        self.id = peer
        self.features = FEATURES.get(link.protocol, FEATURES[FLOODSUB])
        self.outbound = link.outbound
        self.direct = direct
        self.topics: set[str] = set()
        #: how it subscribed to topics where it said something of messages in parts
        self.partial: dict[str, Subscribe] = {}
        #: what it said in its first RPC, and whether that has come
        self.extensions = Extensions()
        self.greeted = False
        #: its score as of the last heartbeat
        self.score = 0.0
        #: what is to be said to it (`outgoing`)
        self.draft: Draft | None = None

    def __hash__(self) -> int:
        return self._number

    def __repr__(self) -> str:
        return f"<Peer {self.id}>"

    @property
    def meshes(self) -> bool:
        """Whether it can be in a mesh with us."""
        return self.features.mesh and not self.direct


class Peers:
    """The table of peers.

    :param direct: those that are peers by agreement
    """

    __slots__ = ("_by_id", "_direct", "_numbers", "_topics", "meshless")

    def __init__(self, direct: Collection[PeerId] = ()) -> None:
        self._direct = frozenset(direct)
        self._by_id: dict[PeerId, Peer] = {}
        self._topics: dict[str, set[Peer]] = {}
        self._numbers = count()
        #: those that are in no mesh, and so are sent every message
        self.meshless: set[Peer] = set()

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def ids(self) -> AbstractSet[PeerId]:
        """The ids of all."""
        return self._by_id.keys()

    @property
    def missing(self) -> Collection[PeerId]:
        """Direct peers that are not connected."""
        return sorted(self._direct - self._by_id.keys())

    def get(self, peer: PeerId) -> Peer | None:
        """The peer with an id; None where it is not connected."""
        return self._by_id.get(peer)

    def in_topic(self, topic: str) -> AbstractSet[Peer]:
        """The peers that are subscribed to a topic."""
        return self._topics.get(topic, _NOBODY)

    def add(self, peer: PeerId, link: Link) -> Peer:
        """A peer is connected."""
        added = Peer(next(self._numbers), peer, link, direct=peer in self._direct)
        self._by_id[peer] = added
        if not added.meshes:
            self.meshless.add(added)
        return added

    def remove(self, peer: Peer) -> None:
        """A peer is gone."""
        for topic in tuple(peer.topics):
            self.leave(peer, topic)
        self.meshless.discard(peer)
        del self._by_id[peer.id]

    def join(self, peer: Peer, subscription: Subscribe) -> bool:
        """A peer subscribed to a topic; False where it was before."""
        # One text a topic, not one for each peer that is in it.
        topic = intern(subscription.topic)
        if subscription.requests_partial or subscription.supports_partial:
            peer.partial[topic] = subscription
        else:
            peer.partial.pop(topic, None)
        if topic in peer.topics:
            return False
        peer.topics.add(topic)
        self._topics.setdefault(topic, set()).add(peer)
        return True

    def leave(self, peer: Peer, topic: str) -> bool:
        """A peer left a topic; False where it was not in it."""
        if topic not in peer.topics:
            return False
        peer.topics.discard(topic)
        peer.partial.pop(topic, None)
        members = self._topics[topic]
        members.discard(peer)
        if not members:
            del self._topics[topic]
        return True
