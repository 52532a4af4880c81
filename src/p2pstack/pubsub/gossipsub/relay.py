"""What becomes of messages: taken in, handed on.

====================  ==================================  ==========================================================
a message             goes to                             but not to
====================  ==================================  ==========================================================
of another, accepted  the mesh                            who brought it, its author; who does not want it; who gets
                                                          parts of it instead
of our own            all of the topic whose score        the same
                      reaches the `publish` threshold
... and no            the mesh; where there is none, the  the same
`flood_publish`       fanout
any                   direct peers of the topic, and      the same
                      those who speak floodsub and whose
                      score reaches the threshold
====================  ==================================  ==========================================================

Of a large message the others in the mesh are told that they need not send it, once its signature is good. Not sooner: a
forged copy would have them hold back the true one.

Who brought a message that is accepted is credited for it; who brought one that is refused pays. What decides both, for
one and the same id, are the bytes that were brought (`admission`).

Source: libp2p specs, pubsub/gossipsub 1.0, "Message Publishing" and "Message Processing"; 1.1, "Flood Publishing".
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Action, Deliver, Forward, Validate
from p2pstack.pubsub.admission import BLACKLISTED
from p2pstack.pubsub.events import Delivered, Duplicate, Rejected
from p2pstack.pubsub.gossipsub.fanout import Fanout
from p2pstack.pubsub.gossipsub.idontwant import Unwanted
from p2pstack.pubsub.gossipsub.mesh import Mesh
from p2pstack.pubsub.gossipsub.partial import Partials
from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.shared import Shared
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.rpc import RawMessage

__all__ = ["Relay"]


class Relay:
    """Takes messages in, and hands them on."""

    __slots__ = (
        "_admission",
        "_called_off",
        "_config",
        "_fanout",
        "_mesh",
        "_messages",
        "_outgoing",
        "_partials",
        "_peers",
        "_promises",
        "_score",
        "_unwanted",
    )

    def __init__(self, shared: Shared, *, fanout: Fanout, mesh: Mesh, partials: Partials, unwanted: Unwanted) -> None:
        self._config = shared.config
        #: ids of messages that were called off, and that the application has still to check
        self._called_off: set[bytes] = set()
        self._outgoing = shared.outgoing
        self._peers = shared.peers
        self._score = shared.score
        self._admission = shared.admission
        self._fanout = fanout
        self._mesh = mesh
        self._messages = shared.messages
        self._partials = partials
        self._promises = shared.promises
        self._unwanted = unwanted

    # --- ours

    def publish(self, message: Message, now: float) -> Sequence[Action]:
        """Send a message of our own."""
        topic = message.topic
        if not self._admission.publish(message, now):
            return [Duplicate(message.id, topic, message.received_from)]
        self._promises.keep(message.id)
        self._score.deliver(message, now)
        self._messages.put(message)
        if self._config.flood_publish:
            least, score = self._score.thresholds.publish, self._score.score
            chosen = {peer for peer in self._peers.in_topic(topic) if peer.direct or score(peer.id) >= least}
        else:
            chosen = self.members(topic, now)
        forward = Forward(message, self._recipients(message, chosen, ()))
        return [Delivered(message), Deliver(message), forward] if topic in self._mesh.topics else [forward]

    def members(self, topic: str, now: float) -> AbstractSet[Peer]:
        """Who gets our messages where not everybody does."""
        members = self._mesh.topics.get(topic)
        return self._fanout.publish(topic, now) if members is None else members

    # --- those of others

    def take(self, peer: Peer, messages: Sequence[RawMessage], now: float) -> None:
        """A peer brings messages."""
        topics, admit, do = self._mesh.topics, self._admission.admit, self._outgoing.do
        for raw in messages:
            topic = raw.topic
            if topic not in topics:
                continue
            action = admit(raw, peer.id, now)
            do(action)
            if isinstance(action, Validate):
                self._promises.keep(action.message.id)
            elif isinstance(action, Duplicate):
                # It need not have come before: it may be one of ours, of an earlier life.
                self._promises.keep(action.id)
                self._score.duplicate(peer.id, topic, action.id, now)
            elif action.reason is not BLACKLISTED:
                self._score.reject_untracked(peer.id, topic)
            elif action.id is not None:
                # It was asked for by an id that does not tell its author.
                self._promises.keep(action.id)

    def verified(self, message: Message) -> Sequence[Action]:
        """The application will take its time to check a message; nobody need send it again meanwhile."""
        members, called_off = self._mesh.topics.get(message.topic), self._called_off
        large = len(message.data) >= self._config.idontwant_threshold
        if large and members is not None and message.id not in called_off:
            called_off.add(message.id)
            self._call_off(message, members, (message.received_from,))
        return self._outgoing.take()

    def accept(self, message: Message, now: float) -> Sequence[Action]:
        """A message is valid."""
        called_off = self._checked(message)
        senders = self._admission.accept(message, now)
        topic, received_from = message.topic, message.received_from
        if senders is None:
            self._score.duplicate(received_from, topic, message.id, now)
            return [Duplicate(message.id, topic, received_from)]
        self._score.deliver(message, now)
        for other in senders[1:]:
            self._score.duplicate(other, topic, message.id, now)
        self._messages.put(message)
        members = self._mesh.topics.get(topic)
        if members is None:
            # We left the topic while the message was checked.
            return []
        forward = Forward(message, self._recipients(message, members, senders))
        actions: list[Action] = [Delivered(message), Deliver(message), forward]
        if len(message.data) >= self._config.idontwant_threshold and not called_off:
            self._call_off(message, members, senders)
            return self._outgoing.take() + actions
        return actions

    def reject(self, message: Message, reason: str, now: float) -> Sequence[Action]:
        """A message is invalid."""
        self._checked(message)
        for sender in self._admission.reject(message, now):
            self._score.reject_untracked(sender, message.topic)
        return [Rejected(message.id, message.topic, message.received_from, reason)]

    def ignore(self, message: Message, reason: str, now: float) -> Sequence[Action]:
        """A message is of no use."""
        self._checked(message)
        self._admission.ignore(message, now)
        return [Rejected(message.id, message.topic, message.received_from, reason)]

    def _checked(self, message: Message) -> bool:
        """A message has been checked: whether it was called off before."""
        called_off = message.id in self._called_off
        self._called_off.discard(message.id)
        return called_off

    def _call_off(self, message: Message, members: AbstractSet[Peer], senders: Sequence[PeerId]) -> None:
        """Tell the others that they need not send a message."""
        topic, partials = message.topic, self._partials
        others = [peer for peer in members if peer.id not in senders]
        if partials:
            others = [peer for peer in others if not partials.replaces_theirs(peer, topic)]
        self._unwanted.call_off([message.id], others)

    def _recipients(self, message: Message, members: AbstractSet[Peer], senders: Sequence[PeerId]) -> list[PeerId]:
        """Who gets a message: members, and those of the topic who are in no mesh; nobody who has it already."""
        topic, get = message.topic, self._peers.get
        meshless = self._peers.meshless
        if meshless:
            least, score = self._score.thresholds.publish, self._score.score
            in_topic = {peer for peer in meshless if topic in peer.topics}
            members = members | {peer for peer in in_topic if peer.direct or score(peer.id) >= least}
        having = {get(sender) for sender in senders}
        if message.source is not None:
            having.add(get(message.source))
        chosen = [peer for peer in members if peer not in having]
        if self._unwanted:
            chosen = [peer for peer in chosen if not self._unwanted(peer, message.id)]
        if self._partials:
            chosen = [peer for peer in chosen if not self._partials.replaces_whole(peer, topic)]
        return [peer.id for peer in chosen]
