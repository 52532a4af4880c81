"""The groups of parts that are remembered, and how much each peer makes us remember.

A group is begun by whoever speaks of it first. It lasts `partial_ttl` heartbeats after we published it, or after a peer
began it. What peers told of their parts stays as long; a peer has so many bytes for that, in all groups of all topics
together, so that many groups with long metadata are no way to fill our memory.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.parts import PartialMessage
from p2pstack.pubsub.gossipsub.peers import Peer

__all__ = ["Group", "Groups", "Known"]


class Known:
    """What is known between us and a peer of a group."""

    __slots__ = ("away", "charged", "has", "told")

    def __init__(self) -> None:
        #: what the peer has, by its metadata and by what we sent; None: neither
        self.has: bytes | None = None
        #: bytes of it that the peer made us keep
        self.charged = 0
        #: whether it left the topic since, and has not spoken of the group again
        self.away = False
        #: our metadata as we told it last
        self.told: bytes | None = None


class Group:
    """The parts of one message."""

    __slots__ = ("begun_by", "left", "message", "peers")

    def __init__(self, begun_by: Peer | None, left: int) -> None:
        #: who spoke of it first; None: we did, or have published it since
        self.begun_by = begun_by
        #: what we have of it
        self.message: PartialMessage | None = None
        self.peers: dict[Peer, Known] = {}
        #: heartbeats until it is forgotten
        self.left = left

    def known(self, peer: Peer) -> Known:
        """What is known between us and a peer that is there: nothing yet, where it was not spoken to before."""
        known = self.peers.get(peer)
        if known is None:
            known = self.peers[peer] = Known()
        known.away = False
        return known

    @property
    def audience(self) -> Sequence[Peer]:
        """Who is told of news."""
        return [peer for peer, known in self.peers.items() if not known.away]


class Groups:
    """All groups, by topic and id."""

    __slots__ = ("_config", "_held", "_topics")

    def __init__(self, config: GossipSubConfig) -> None:
        self._config = config
        self._topics: dict[str, dict[bytes, Group]] = {}
        #: bytes of metadata that are kept for a peer
        self._held: Counter[Peer] = Counter()

    def enable(self, topic: str) -> None:
        """A topic has messages in parts."""
        self._topics.setdefault(topic, {})

    def of(self, topic: str) -> Mapping[bytes, Group]:
        """The groups of a topic."""
        return self._topics.get(topic, {})

    def ours(self, topic: str, message: PartialMessage) -> Group:
        """The group of a message that we publish."""
        groups = self._topics[topic]
        group = groups.get(message.group_id)
        if group is None:
            group = groups[message.group_id] = Group(None, self._config.partial_ttl)
        group.message = message
        group.begun_by = None
        group.left = self._config.partial_ttl
        return group

    def theirs(self, peer: Peer, topic: str, group_id: bytes) -> Group | None:
        """The group that a peer speaks of; None where there are too many that peers, or this one, have begun."""
        groups = self._topics[topic]
        group = groups.get(group_id)
        if group is None:
            begun = [group.begun_by for group in groups.values() if group.begun_by is not None]
            config = self._config
            if len(begun) >= config.max_partial_groups or begun.count(peer) >= config.max_partial_groups_per_peer:
                return None
            group = groups[group_id] = Group(peer, config.partial_ttl)
        return group

    def remember(self, peer: Peer, known: Known, has: bytes | None) -> bool:
        """Keep what a peer says it has; False, and nothing is changed, where that would be too much of one peer. What
        we sent is bounded by what we publish, and costs the peer nothing."""
        more = -known.charged if has is None else max(len(has) - len(known.has or b""), -known.charged)
        if more > 0 and self._held[peer] + more > self._config.max_partial_bytes_per_peer:
            return False
        self._release(peer, -more)
        known.charged += more
        known.has = has
        return True

    def age(self) -> None:
        """A heartbeat is over."""
        for groups in self._topics.values():
            for group_id, group in tuple(groups.items()):
                group.left -= 1
                if not group.left:
                    self._drop(groups, group_id)

    def leave(self, peer: Peer, topic: str) -> None:
        """A peer left a topic. What it was sent of messages that we published is still known if it comes back: to leave
        and to come back is no way to be sent it all again."""
        self._remove(peer, self._topics.get(topic, {}), comes_back=True)

    def forget(self, peer: Peer) -> None:
        """A peer is gone."""
        for groups in self._topics.values():
            self._remove(peer, groups, comes_back=False)

    def _remove(self, peer: Peer, groups: dict[bytes, Group], *, comes_back: bool) -> None:
        for group_id, group in tuple(groups.items()):
            known = group.peers.get(peer)
            if known is not None:
                if comes_back and group.message is not None:
                    known.away = True
                else:
                    self._release(peer, group.peers.pop(peer).charged)
            if group.begun_by is peer:
                self._drop(groups, group_id)

    def _drop(self, groups: dict[bytes, Group], group_id: bytes) -> None:
        for peer, known in groups.pop(group_id).peers.items():
            self._release(peer, known.charged)

    def _release(self, peer: Peer, size: int) -> None:
        self._held[peer] -= size
        if not self._held[peer]:
            del self._held[peer]
