"""A message as applications see it."""

from dataclasses import field

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.values import value

__all__ = ["Message"]


@value
class Message:
    """One published message. Two are equal where their ids and topics are.

    Source: libp2p specs, pubsub, "The Message".
    """

    #: Who wrote it; None where the network's messages carry no author (StrictNoSign).
    source: PeerId | None = field(compare=False)
    #: What it was published to.
    topic: str
    #: What was published.
    data: bytes = field(compare=False, repr=False)
    #: The author's sequence number, as bytes of the wire (8 of them where the author keeps to the specification); None
    #: where there is none.
    sequence: bytes | None = field(compare=False)
    #: What tells it from others: made by the message id function of the network.
    id: bytes
    #: Who handed it to us; ourselves where it is our own.
    received_from: PeerId = field(compare=False)
    #: The protobuf message as it is forwarded, signature and all.
    encoded: bytes = field(compare=False, repr=False)
