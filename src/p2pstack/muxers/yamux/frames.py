"""The frame of yamux: a header of 12 bytes, and for data its body.

=======  ==========  ======  ============  ====================================================================
version  type        flags   stream id     length
=======  ==========  ======  ============  ====================================================================
8 bits   8 bits      16      32            32, big endian: of the body (data), added to the window (window
                                           update), an opaque value (ping), a reason (go away)
=======  ==========  ======  ============  ====================================================================

Source: libp2p/specs, yamux/README.md, "Framing".
"""

from enum import IntEnum
from struct import Struct

__all__ = [
    "ACK",
    "DATA",
    "FIN",
    "GO_AWAY",
    "HEADER",
    "HEADER_SIZE",
    "PING",
    "RST",
    "SYN",
    "WINDOW_UPDATE",
    "GoAwayCode",
]

HEADER = Struct(">BBHII")
HEADER_SIZE = 12

DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8


class GoAwayCode(IntEnum):
    """Why a session ends ("Session termination")."""

    NORMAL = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
