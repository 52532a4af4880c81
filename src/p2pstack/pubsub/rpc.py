"""What peers say to each other, as values. `codec` turns them into bytes and back.

Source: libp2p specs, pubsub, "The RPC", and pubsub/gossipsub, "Protobuf" of 1.0 to 1.3.
"""

from collections.abc import Sequence

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.values import value

__all__ = ["RPC", "Extensions", "Graft", "IDontWant", "IHave", "IWant", "Partial", "Prune", "RawMessage", "Subscribe"]


@value
class Subscribe:
    """A topic that a peer has joined, or left."""

    topic: str
    subscribe: bool = True
    #: Wants partial messages in place of whole ones.
    requests_partial: bool = False
    #: Can send partial messages.
    supports_partial: bool = False


@value
class RawMessage:
    """A message as it came: nothing of it is checked. None stands for a field that is not there."""

    #: Empty where it is missing, or is no text.
    topic: str
    data: bytes
    source: bytes | None = None
    sequence: bytes | None = None
    signature: bytes | None = None
    key: bytes | None = None
    #: The protobuf message whole, as it is forwarded: to the byte as it came.
    encoded: bytes = b""
    #: What the signature is about: `libp2p-pubsub:`, then the message without signature and key, its fields in order of
    #: their numbers. Empty where there is no signature.
    signed: bytes = b""


@value
class IHave:
    """Messages of a topic that a peer has seen."""

    topic: str
    ids: Sequence[bytes]


@value
class IWant:
    """Messages that a peer asks for."""

    ids: Sequence[bytes]


@value
class IDontWant:
    """Messages that a peer has already."""

    ids: Sequence[bytes]


@value
class Graft:
    """The peer has us in its mesh for a topic."""

    topic: str


@value
class Prune:
    """The peer has us no longer in its mesh for a topic, and wants no graft for `backoff` seconds."""

    topic: str
    #: Seconds; None where the peer named none (1.0).
    backoff: int | None = None
    #: Others to turn to, each with its signed peer record where there is one.
    peers: Sequence[tuple[PeerId, bytes | None]] = ()


@value
class Extensions:
    """What a peer can do beyond gossipsub 1.2; only in its first RPC."""

    partial_messages: bool = False
    test_extension: bool = False


@value
class Partial:
    """Parts of a group of parts, or which parts the sender has."""

    topic: str
    group_id: bytes
    #: Encoded parts, in the application's own format; None where there are none.
    message: bytes | None = None
    #: Which parts the sender has or wants, in the application's own format; None where they are not told.
    parts_metadata: bytes | None = None


@value
class RPC:
    """All that one RPC says. Each field is empty where it says nothing of the kind."""

    subscriptions: Sequence[Subscribe] = ()
    messages: Sequence[RawMessage] = ()
    ihave: Sequence[IHave] = ()
    iwant: Sequence[IWant] = ()
    graft: Sequence[Graft] = ()
    prune: Sequence[Prune] = ()
    idontwant: Sequence[IDontWant] = ()
    extensions: Extensions | None = None
    partial: Partial | None = None
