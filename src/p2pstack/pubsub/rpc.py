"""What peers say to each other, as values. `codec` turns them into bytes and back.

Source: libp2p specs, pubsub, "The RPC", and pubsub/gossipsub, "Protobuf" of 1.0 to 1.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from p2pstack.identity.peer_id import PeerId

__all__ = ["RPC", "Extensions", "Graft", "IDontWant", "IHave", "IWant", "Partial", "Prune", "RawMessage", "Subscribe"]


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A topic that a peer has joined, or left."""

    topic: str
    subscribe: bool = True
    #: Wants partial messages in place of whole ones.
    requests_partial: bool = False
    #: Can send partial messages.
    supports_partial: bool = False


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as it came: nothing of it is checked. None stands for a field that is not there."""

    topic: str
    data: bytes
    source: bytes | None = None
    sequence: bytes | None = None
    signature: bytes | None = None
    key: bytes | None = None
    #: The protobuf message whole, as it is forwarded.
    encoded: bytes = b""
    #: The bytes that the signature is about, behind their prefix; empty where there is none.
    signed: bytes = b""


@dataclass(frozen=True, slots=True)
class IHave:
    """Messages of a topic that a peer has seen."""

    topic: str
    ids: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class IWant:
    """Messages that a peer asks for."""

    ids: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class IDontWant:
    """Messages that a peer has already."""

    ids: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Graft:
    """The peer has us in its mesh for a topic."""

    topic: str


@dataclass(frozen=True, slots=True)
class Prune:
    """The peer has us no longer in its mesh for a topic, and wants no graft for `backoff` seconds."""

    topic: str
    #: Seconds; None where the peer named none (1.0).
    backoff: int | None = None
    #: Others to turn to, each with its signed peer record where there is one.
    peers: Sequence[tuple[PeerId, bytes | None]] = ()


@dataclass(frozen=True, slots=True)
class Extensions:
    """What a peer can do beyond gossipsub 1.2; only in its first RPC."""

    partial_messages: bool = False
    test_extension: bool = False


@dataclass(frozen=True, slots=True)
class Partial:
    """Parts of a group of parts, or which parts the sender has."""

    topic: str
    group_id: bytes
    #: Encoded parts, in the application's own format; None where there are none.
    message: bytes | None = None
    #: Which parts the sender has or wants, in the application's own format; None where they are not told.
    parts_metadata: bytes | None = None


@dataclass(frozen=True, slots=True)
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
