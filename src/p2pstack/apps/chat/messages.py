"""What travels and what is kept: lines that their authors sign, announcements, and the messages that fetch history.

=============  ===============================  ========================================================================
message        where                            what
=============  ===============================  ========================================================================
`Sealed`       pubsub, history protocol, disk   a line of a room, with its author's key and signature
`Presence`     pubsub                           "I am here", signed by pubsub; with a `ttl` of 0: "I leave"
`Ask`          history protocol, first message  what have you that I have not? Here is a digest of what I have
`Ids`          ... the answer                   the ids of all that is kept; none where the digests are equal
`Want`         ... then                         the ids to be sent: as many `Sealed` follow at most
`Hand`         history protocol, first message  please keep the `Sealed` that follow
`Kept`         ... the answer                   the ids of those that are now kept
`Private`      private protocol                 a line for one peer alone; `Kept` answers it
=============  ===============================  ========================================================================

All is msgpack: an array whose first element says which message it is. Every text, list and number has its limit in the
type, so that what is decoded is within it.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, TypeAlias, TypeVar, Union

from msgspec import Meta, Struct
from msgspec.msgpack import Decoder, Encoder

from p2pstack import LocalProtocolError, PeerId, PrivateKey, PublicKey, RemoteProtocolError
from p2pstack.apps.malformed import MALFORMED

__all__ = [
    "MAX_AHEAD", "MAX_BATCH", "MAX_HISTORY", "MAX_MESSAGE", "MAX_TEXT", "Ask", "Entry", "Hand", "Ids", "Kept", "Line",
    "Presence", "Private", "Sealed", "Want", "checked_name", "decode", "encode", "open_sealed", "seal",
]  # fmt: skip

#: entries of a room that are kept, and so ids in a message
MAX_HISTORY = 2_000
#: characters of a line
MAX_TEXT = 2_000
#: bytes of a message
MAX_MESSAGE = 65_536
#: entries that one stream brings to be kept
MAX_BATCH = 64
#: milliseconds that the time of a line may be ahead of our clock
MAX_AHEAD = 300_000
#: what tells signatures over lines from all others made by the same key
_DOMAIN = b"p2pstack chat line 1\0"

Nick: TypeAlias = Annotated[str, Meta(min_length=1, max_length=32)]
RoomName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Id: TypeAlias = Annotated[bytes, Meta(min_length=16, max_length=16)]
IdList: TypeAlias = Annotated[tuple[Id, ...], Meta(max_length=MAX_HISTORY)]


class _Message(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An array, of exactly these elements."""


class Line(_Message, frozen=True):
    """What an author signs. `time` is in milliseconds since 1970."""

    room: RoomName
    time: Annotated[int, Meta(ge=0, lt=1 << 53)]
    nick: Nick
    text: Text


class Sealed(_Message, frozen=True, tag="line"):
    """A `Line` as it was signed, who signed it (a public key's protobuf message), and the signature."""

    author: Annotated[bytes, Meta(max_length=1_200)]
    line: Annotated[bytes, Meta(max_length=16_384)]
    signature: Annotated[bytes, Meta(max_length=1_200)]


class Presence(_Message, frozen=True, tag="here"):
    """For how many seconds somebody is here, under which name, and where to call them."""

    nick: Nick
    ttl: Annotated[float, Meta(ge=0, le=3_600)]
    addrs: Annotated[tuple[Annotated[str, Meta(max_length=256)], ...], Meta(max_length=8)] = ()


class Ask(_Message, frozen=True, tag="ask"):
    """What is there to know of a room?"""

    room: RoomName
    digest: Annotated[bytes, Meta(min_length=32, max_length=32)]


class Ids(_Message, frozen=True, tag="ids"):
    """The newest first."""

    ids: IdList


class Want(_Message, frozen=True, tag="want"):
    """Those of `Ids` that are missing."""

    ids: IdList


class Hand(_Message, frozen=True, tag="hand"):
    """Here are lines of a room to be kept."""

    room: RoomName


class Kept(_Message, frozen=True, tag="kept"):
    """What is now on disk."""

    ids: IdList


class Private(_Message, frozen=True, tag="private"):
    """For nobody else."""

    nick: Nick
    text: Text


M = TypeVar("M", bound=Struct)
_encoder = Encoder()
_decoders: dict[tuple[type[Struct], ...], Decoder[Any]] = {}


def encode(message: _Message) -> bytes:
    """A message as bytes."""
    return _encoder.encode(message)


def decode(data: bytes, *kinds: type[M]) -> M:
    """The message, of one of these kinds.

    :raises RemoteProtocolError: it is none, or beyond its limits
    """
    decoder = _decoders.get(kinds)
    if decoder is None:
        decoder = _decoders[kinds] = Decoder(Union[kinds])  # noqa: UP007
    try:
        return decoder.decode(data)
    except MALFORMED as error:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise RemoteProtocolError(f"chat: expected {names}, got {len(data)} bytes that are not: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line whose author is known."""

    id: bytes
    author: PeerId
    line: Line
    sealed: Sealed

    @property
    def place(self) -> tuple[int, bytes]:
        """Where it stands in its room: the same on all nodes."""
        return self.line.time, self.id


def seal(key: PrivateKey, line: Line) -> Entry:
    """Sign a line."""
    data = encode(line)
    author = key.public_key.to_protobuf()
    sealed = Sealed(author, data, key.sign(_DOMAIN + data))
    return Entry(id=_id_of(sealed), author=key.peer_id, line=line, sealed=sealed)


def open_sealed(sealed: Sealed, *, room: str, trusted: bool = False) -> Entry:
    """The line, once it is certain who wrote it.

    :param room: where it has to belong
    :param trusted: it was checked before, as all that is on our disk
    :raises RemoteProtocolError: malformed, of another room, or not signed by its author
    """
    line = decode(sealed.line, Line)
    key = PublicKey.from_protobuf(sealed.author)
    if line.room != room:
        raise RemoteProtocolError(f"chat: expected a line of the room {room}, got one of {line.room!r:.80}")
    if not trusted and not key.verify(_DOMAIN + sealed.line, sealed.signature):
        raise RemoteProtocolError(f"chat: a line that {key.peer_id} is said to have written is not signed by it")
    return Entry(id=_id_of(sealed), author=key.peer_id, line=line, sealed=sealed)


def checked_name(name: str, *, limit: int, what: str) -> str:
    """A name of a room or a person, as it may be given here.

    :raises LocalProtocolError: empty, too long, or with spaces or signs that do not print
    """
    if not 1 <= len(name) <= limit or not name.isprintable() or " " in name or name.startswith("/"):
        raise LocalProtocolError(
            f"{what}: expected 1 to {limit} characters without spaces, and no / in front; got {name!r:.100}"
        )
    return name


def _id_of(sealed: Sealed) -> bytes:
    return sha256(sealed.author + b"\0" + sealed.line).digest()[:16]
