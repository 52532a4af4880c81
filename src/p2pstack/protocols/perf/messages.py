"""The one message of perf: how many bytes the server is to send back, as 8 bytes, the most significant first.

Source: libp2p specs, perf: any number is valid, up to 2**64 - 1. Then the client sends what it likes and closes its
direction, then the server sends what was asked for.
"""

from p2pstack.errors import LocalProtocolError

__all__ = ["HEADER_SIZE", "MAX_BYTES", "PERF", "decode_header", "encode_header"]

PERF = "/perf/1.0.0"
#: bytes of the header
HEADER_SIZE = 8
#: the most that can be asked for
MAX_BYTES = (1 << 64) - 1


def encode_header(download_bytes: int) -> bytes:
    """The header that asks for `download_bytes`.

    :raises LocalProtocolError: below 0 or above `MAX_BYTES`
    """
    if not 0 <= download_bytes <= MAX_BYTES:
        raise LocalProtocolError(f"perf: expected 0 to 2**64 - 1 bytes to download, got {download_bytes}")
    return download_bytes.to_bytes(HEADER_SIZE, "big")


def decode_header(header: bytes) -> int:
    """How many bytes a header asks for."""
    return int.from_bytes(header, "big")
