"""What is said about a document, by peers and by the page: the messages of Yjs.

=====================  =======  ======================================================================================
`Kind`                 bytes    what it holds
=====================  =======  ======================================================================================
`STATE`                0 0      a state vector: this is what I have, tell me what I lack
`MISSING`              0 1      an update: this is what you lacked
`UPDATE`               0 2      an update: this has just been done
`PRESENCE`             1        who edits, and where: see `presence.py`
`ASK_PRESENCE`         3        nothing: who edits?
`STATUS`               100      JSON for our page: see `page/server.py`
=====================  =======  ======================================================================================

Each but `ASK_PRESENCE` has its content behind its length. Source: y-protocols, PROTOCOL.md; y-websocket.
"""

from enum import Enum

from p2pstack import RemoteProtocolError
from p2pstack.apps.doc.encoding import Reader, blob

__all__ = ["Kind", "decode", "encode"]


class Kind(Enum):
    """What a message is; its value are the first bytes."""

    STATE = b"\x00\x00"
    MISSING = b"\x00\x01"
    UPDATE = b"\x00\x02"
    PRESENCE = b"\x01"
    ASK_PRESENCE = b"\x03"
    STATUS = b"\x64"


def encode(kind: Kind, content: bytes = b"") -> bytes:
    """A message."""
    return kind.value if kind is Kind.ASK_PRESENCE else kind.value + blob(content)


def decode(message: bytes) -> tuple[Kind, bytes]:
    """The kind of a message, and what it holds.

    :raises RemoteProtocolError: it is none
    """
    try:
        kind = Kind(message[:2] if message[:1] == b"\x00" else message[:1])
    except ValueError:
        raise RemoteProtocolError(f"expected a message of Yjs, got one that begins with {message[:2].hex()}") from None
    reader = Reader(message[len(kind.value) :])
    content = b"" if kind is Kind.ASK_PRESENCE else reader.blob()
    reader.end()
    return kind, content
