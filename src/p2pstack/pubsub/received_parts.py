"""Parts of a message as applications see them."""

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.rpc import Partial
from p2pstack.pubsub.values import value

__all__ = ["ReceivedParts"]


@value
class ReceivedParts:
    """What a peer sent of a group of parts: some of them, or which it has, or both."""

    #: Who sent it.
    peer: PeerId
    #: The topic of the message.
    topic: str
    #: What tells the message from others of its topic.
    group_id: bytes
    #: The parts, in the application's own encoding; empty where only metadata came.
    data: bytes
    #: Which parts the peer has or wants, in the application's own encoding; None where it did not say.
    metadata: bytes | None

    @classmethod
    def of(cls, peer: PeerId, partial: Partial) -> "ReceivedParts":
        """What `peer` sent."""
        return cls(peer, partial.topic, partial.group_id, partial.message or b"", partial.parts_metadata)
