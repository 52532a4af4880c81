"""Messages in parts: peers tell each other which parts of a message they have, and send those that are missing.

Where both sides can do it, and one of them requests it for a topic, a peer gets parts in place of whole messages: its
place in the mesh stays what it is, but what goes there are RPCs with parts and with *parts metadata* (who has what).
Parts of one message make a group.

=========================  =========================================================================================
what happens               what follows
=========================  =========================================================================================
we publish a group, again  every peer of the mesh, and every one that spoke of the group before, is sent the parts that
or for the first time      it lacks, as far as we know, and our metadata where that changed. Of whom nothing is known
                           gets what the application wants pushed eagerly
a peer tells its metadata  it is merged with what was known; the peer is sent what it lacks, if we published the group
a peer sends parts         they go to the application, which publishes the group again
a peer begins a group      it is remembered, and answered once we publish it: 255 of a topic, 8 of a topic and peer
a peer leaves the topic    it is told nothing more, unless it speaks of a group again, and then not the same again
metadata above 64 KiB, or  what comes with it is not looked at, and the peer pays: it would be kept for each peer and
a group's id above 1 KiB   each group
metadata beyond 1 MiB in   it is not kept, nor what comes with it looked at, and the peer pays for more of it than an
all groups of a peer       honest one would send
a heartbeat                who is new in the mesh, and some outside it, are told our metadata of what we published
5 heartbeats without news  the group is forgotten
=========================  =========================================================================================

=====================  =======================================  ==========================================
between us and a peer  that requests parts                      that only can send them
=====================  =======================================  ==========================================
we request parts       parts and metadata both ways             it sends parts and metadata, we metadata
we can send them       we send parts and metadata, it metadata  whole messages
=====================  =======================================  ==========================================

The wire is that of go-libp2p-pubsub and rust-libp2p. Source: libp2p specs, pubsub/gossipsub, "Partial Messages"
(draft).
"""

from collections.abc import Iterable

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.pubsub.actions import DeliverPartial
from p2pstack.pubsub.events import Rejected
from p2pstack.pubsub.gossipsub.groups import Group, Groups
from p2pstack.pubsub.gossipsub.parts import PartialMessage, PartialTopic
from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.shared import Shared
from p2pstack.pubsub.rpc import Partial, Subscribe

__all__ = ["Partials"]


class Partials:
    """The groups of all topics that have messages in parts."""

    __slots__ = ("_config", "_groups", "_outgoing", "_quotas", "_score", "_topics")

    def __init__(self, shared: Shared) -> None:
        self._config = shared.config
        self._quotas = shared.quotas
        self._score = shared.score
        self._outgoing = shared.outgoing
        self._topics: dict[str, PartialTopic] = {}
        self._groups = Groups(shared.config)

    def __bool__(self) -> bool:
        """Whether any topic has messages in parts."""
        return bool(self._topics)

    # --- topics

    def enable(self, topic: str, how: PartialTopic) -> None:
        """Have messages in parts in a topic.

        :raises LocalProtocolError: the configuration has them turned off
        """
        if not self._config.partial_messages:
            raise LocalProtocolError(
                f"messages in parts for topic {topic!r}: expected GossipSubConfig.partial_messages to be on, for peers "
                "are told of it when they connect"
            )
        self._topics[topic] = how
        self._groups.enable(topic)

    def subscription(self, topic: str) -> Subscribe:
        """How we subscribe to a topic."""
        how = self._topics.get(topic)
        if how is None:
            return Subscribe(topic)
        return Subscribe(topic, requests_partial=how.requests, supports_partial=True)

    def replaces_whole(self, peer: Peer, topic: str) -> bool:
        """Whether a peer gets parts of us, and so no whole messages."""
        return topic in self._topics and self._requests(peer, topic)

    def replaces_theirs(self, peer: Peer, topic: str) -> bool:
        """Whether we get parts of a peer, and so need none of its whole messages."""
        how = self._topics.get(topic)
        return how is not None and how.requests and self._supports(peer, topic)

    def speaks_with(self, peer: Peer, topic: str) -> bool:
        """Whether anything of messages in parts is told to a peer."""
        return self.replaces_whole(peer, topic) or self.replaces_theirs(peer, topic)

    def _requests(self, peer: Peer, topic: str) -> bool:
        subscription = peer.partial.get(topic)
        return subscription is not None and subscription.requests_partial and peer.extensions.partial_messages

    def _supports(self, peer: Peer, topic: str) -> bool:
        # Whoever requests parts can send them, too: peers only remember (`Peers.join`) who says either.
        return topic in peer.partial and peer.extensions.partial_messages

    # --- groups

    def publish(self, topic: str, message: PartialMessage, members: Iterable[Peer]) -> None:
        """Send what we have of a message to those who lack it.

        :param members: the mesh, or those who get messages in its stead
        :raises LocalProtocolError: the topic has no messages in parts, or the message has an id or metadata too long
        """
        if topic not in self._topics:
            raise LocalProtocolError(f"expected topic {topic!r} to have messages in parts: enable them, then join it")
        self._expect_short(message)
        group = self._groups.ours(topic, message)
        for peer in members:
            if self.speaks_with(peer, topic):
                group.known(peer)
        for peer in group.audience:
            self._send(peer, topic, message, group)

    def received(self, peer: Peer, partial: Partial) -> None:
        """A peer sends parts, or tells which it has."""
        topic = partial.topic
        how = self._topics.get(topic)
        if how is None or not peer.extensions.partial_messages:
            return
        if self._score.score(peer.id) < self._score.thresholds.gossip:
            return
        if self._overlong(partial.group_id, partial.parts_metadata or b""):
            self._quotas.take(self._quotas.overlong, peer)
            return
        group = self._groups.theirs(peer, topic, partial.group_id)
        if group is None:
            self._quotas.take(self._quotas.groups, peer)
            return
        known = group.known(peer)
        if partial.parts_metadata is not None:
            before = known.has
            try:
                merged = partial.parts_metadata if before is None else how.merge(before, partial.parts_metadata)
            except Exception as error:  # noqa: BLE001
                self._failed(peer, topic, error)
                return
            # What the application makes of two may be longer than either: then the newer has to do.
            if not self._groups.remember(
                peer, known, partial.parts_metadata if self._overlong(b"", merged) else merged
            ):
                self._quotas.take(self._quotas.hoarded, peer)
                return
            if known.has == before and partial.message is None:
                return
        self._outgoing.do(DeliverPartial(peer.id, partial))
        if group.message is not None:
            self._send(peer, topic, group.message, group)

    def gossip(self, topic: str, peers: Iterable[Peer]) -> None:
        """Tell peers what we have, of each group once: those that have not been told, or told us, of it before."""
        speaking = [peer for peer in peers if self.speaks_with(peer, topic)]
        for group_id, group in self._groups.of(topic).items():
            if group.message is None:
                continue
            metadata = group.message.parts_metadata
            for peer in speaking:
                if peer not in group.peers:
                    group.known(peer).told = metadata
                    self._outgoing.to(peer).partial.append(Partial(topic, group_id, None, metadata))

    def has_news(self, topic: str) -> bool:
        """Whether there is anything to tell outside the mesh."""
        return any(group.message is not None for group in self._groups.of(topic).values())

    def age(self) -> None:
        """A heartbeat is over."""
        self._groups.age()

    def leave(self, peer: Peer, topic: str) -> None:
        """A peer left a topic."""
        self._groups.leave(peer, topic)

    def forget(self, peer: Peer) -> None:
        """A peer is gone."""
        self._groups.forget(peer)

    def _overlong(self, group_id: bytes, metadata: bytes) -> bool:
        config = self._config
        return len(group_id) > config.max_group_id_bytes or len(metadata) > config.max_parts_metadata_bytes

    def _expect_short(self, message: PartialMessage) -> None:
        """Peers would have us pay for what we would have them pay for."""
        if self._overlong(message.group_id, message.parts_metadata):
            config = self._config
            raise LocalProtocolError(
                f"message in parts: expected a group id of at most {config.max_group_id_bytes:,} bytes and parts "
                f"metadata of at most {config.max_parts_metadata_bytes:,}, got {len(message.group_id):,} and "
                f"{len(message.parts_metadata):,}"
            )

    def _send(self, peer: Peer, topic: str, message: PartialMessage, group: Group) -> None:
        """Send a peer the parts that it lacks, and our metadata where it does not know it."""
        known = group.peers[peer]
        parts = None
        if self._requests(peer, topic):
            try:
                parts = message.parts_for(known.has)
            except Exception as error:  # noqa: BLE001
                self._groups.remember(peer, known, None)
                self._failed(peer, topic, error)
                return
        metadata: bytes | None = message.parts_metadata
        if known.told == metadata:
            metadata = None
        if parts is None and metadata is None:
            return
        encoded = None
        if parts is not None:
            encoded, known.has = parts
        if metadata is not None:
            known.told = metadata
        self._outgoing.to(peer).partial.append(Partial(topic, message.group_id, encoded, metadata))

    def _failed(self, peer: Peer, topic: str, error: Exception) -> None:
        """The application could not make sense of what a peer told, or has an error of its own."""
        if isinstance(error, (ValueError, RemoteProtocolError)):
            self._score.reject_untracked(peer.id, topic)
        self._outgoing.do(Rejected(None, topic, peer.id, f"the application refused its parts metadata: {error!r}"))
