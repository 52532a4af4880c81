"""What two nodes say to each other about pieces. One opens a stream to fetch from the other:

=====================  ======  =========================================================================================
`Have`                 <-      first: a bit for each piece that can be had here; the lowest of the first byte: piece 0
`Gained`               <-      these can now be had, too
`Want`                 ->      I should like to fetch so many pieces from you
`Grant`                <-      it is your turn, so many times; and a piece for each that I have long not suggested
`Request` or `Pass`    ->      this one; or none, for I have got it elsewhere
`Piece`                <-      what was requested: its proof, then the bytes of the piece themselves
=====================  ======  =========================================================================================

Which piece it is gets decided when its bytes can leave at once, and not when somebody joins a queue: so nobody waits in
one place for what can be had in another. Each message is msgpack behind its length in 4 bytes, the highest first.
"""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct, msgpack

from p2pstack.apps.share.manifest import MAX_PIECES
from p2pstack.apps.share.merkle import HASH

__all__ = [
    "MAX_ASKED",
    "MAX_GAINED",
    "MAX_REPLY",
    "MAX_WINDOW",
    "Gained",
    "Grant",
    "Have",
    "Pass",
    "Piece",
    "Reply",
    "Request",
    "Want",
    "Wish",
    "decode_reply",
    "decode_wish",
    "encode",
]

#: pieces that one node wants of another at a time
MAX_WINDOW = 64
#: pieces in one `Gained`
MAX_GAINED = 1_024
#: bytes of a message of who fetches, and of who serves
MAX_ASKED, MAX_REPLY = 64, MAX_PIECES // 8 + 64

Index: TypeAlias = Annotated[int, Meta(ge=0, lt=MAX_PIECES)]
Few: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_WINDOW)]


class Want(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    count: Few


class Request(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    index: Index


class Pass(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    pass


class Have(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    bits: Annotated[bytes, Meta(max_length=MAX_PIECES // 8)]


class Gained(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    indices: Annotated[list[Index], Meta(max_length=MAX_GAINED)]


class Grant(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=6):
    suggestions: Annotated[list[Index], Meta(min_length=1, max_length=MAX_WINDOW)]


class Piece(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=7):
    index: Index
    proof: Annotated[bytes, Meta(max_length=16 * HASH)]


Wish: TypeAlias = Want | Request | Pass
Reply: TypeAlias = Have | Gained | Grant | Piece

_wishes: msgpack.Decoder[Wish] = msgpack.Decoder(Wish)
_replies: msgpack.Decoder[Reply] = msgpack.Decoder(Reply)
decode_wish = _wishes.decode
decode_reply = _replies.decode
_encode = msgpack.Encoder().encode


def encode(message: Wish | Reply) -> bytes:
    """A message as it goes over the wire."""
    data = _encode(message)
    return len(data).to_bytes(4, "big") + data
