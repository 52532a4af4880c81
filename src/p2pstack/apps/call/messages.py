"""What the two sides of a call send each other, each message behind its length; a msgpack array each.

Times are microseconds since 1970, by the sender's own clock.
"""

from typing import Annotated, TypeAlias

from msgspec import Meta, Struct
from msgspec.msgpack import Decoder, Encoder

from p2pstack import RemoteProtocolError
from p2pstack.apps.malformed import MALFORMED

__all__ = [
    "CALL", "FRAME", "MAX_MESSAGE", "Accept", "Bye", "Decline", "Frame", "Message", "Offer", "Ping", "Pong", "Ringing",
    "decode", "encode",
]  # fmt: skip

CALL = "/p2pstack/call/1.0.0"
#: seconds of sound in a frame
FRAME = 0.02
#: bytes of a message; a frame of Opus has at most 1,275 (RFC 6716, section 3.2.1)
MAX_MESSAGE = 2_048

Name: TypeAlias = Annotated[str, Meta(max_length=64)]
Time: TypeAlias = Annotated[int, Meta(ge=0, lt=1 << 53)]


class _Message(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An array, of exactly these elements."""


class Offer(_Message, frozen=True, tag="offer"):
    """The first message, from who calls."""

    name: Name


class Ringing(_Message, frozen=True, tag="ringing"):
    """Somebody is being asked whether to take the call."""


class Accept(_Message, frozen=True, tag="accept"):
    """They take it. From here on both sides send frames, or do not."""

    name: Name


class Decline(_Message, frozen=True, tag="decline"):
    """They do not."""

    reason: Name


class Frame(_Message, frozen=True, tag="frame"):
    """20 ms of sound, in Opus. `at` is when its first sample was spoken; `number` counts all 20 ms since the first,
    those that were not sent too."""

    number: Annotated[int, Meta(ge=0, lt=1 << 32)]
    at: Time
    opus: Annotated[bytes, Meta(min_length=1, max_length=1_275)]


class Ping(_Message, frozen=True, tag="ping"):
    """How late is it?"""

    sent: Time


class Pong(_Message, frozen=True, tag="pong"):
    """So late it is. The answer to the ping that was `sent` then."""

    sent: Time
    answered: Time


class Bye(_Message, frozen=True, tag="bye"):
    """The last message."""


Message: TypeAlias = Offer | Ringing | Accept | Decline | Frame | Ping | Pong | Bye

_encoder = Encoder()
_decoder: Decoder[Message] = Decoder(Message)


def encode(message: Message) -> bytes:
    """A message as bytes."""
    return _encoder.encode(message)


def decode(data: bytes) -> Message:
    """The message in these bytes.

    :raises RemoteProtocolError: there is none, or it is beyond its limits
    """
    try:
        return _decoder.decode(data)
    except MALFORMED as error:
        raise RemoteProtocolError(f"call: expected a message, got {len(data)} bytes that are none: {error}") from None
