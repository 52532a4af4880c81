"""Unsigned varints: 7 bits a byte, least significant first, the high bit set on all but the last.

Source: multiformats unsigned-varint. At most 9 bytes (63 bits), and the shortest encoding of a number only.
"""

from p2pstack.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["MAX_SIZE", "MAX_VALUE", "decode", "encode"]

#: bytes in the longest encoding
MAX_SIZE = 9
#: the largest number there is an encoding for
MAX_VALUE = (1 << 63) - 1

_SINGLE = tuple(bytes([n]) for n in range(0x80))


def encode(n: int) -> bytes:
    """The encoding of `n`.

    :raises LocalProtocolError: `n` is negative or above `MAX_VALUE`
    """
    if 0 <= n < 0x80:
        return _SINGLE[n]
    if not 0 <= n <= MAX_VALUE:
        raise LocalProtocolError(f"a varint holds 0 to 2**63 - 1, not {n}")
    encoded = bytearray()
    while n >= 0x80:
        encoded.append(n & 0x7F | 0x80)
        n >>= 7
    encoded.append(n)
    return bytes(encoded)


def decode(data: bytes | bytearray | memoryview, offset: int = 0) -> tuple[int, int] | None:
    """The number that begins at `offset`, and the offset behind it; None if `data` ends within it.

    :raises RemoteProtocolError: longer than `MAX_SIZE` bytes, or not the shortest encoding
    """
    value = 0
    for index, byte in enumerate(data[offset : offset + MAX_SIZE]):
        if byte < 0x80:
            if not byte and index:
                raise RemoteProtocolError(
                    f"expected the shortest varint, got {bytes(data[offset : offset + index + 1]).hex()}"
                )
            return value | byte << 7 * index, offset + index + 1
        value |= (byte & 0x7F) << 7 * index
    if len(data) - offset >= MAX_SIZE:
        raise RemoteProtocolError(f"expected a varint of at most {MAX_SIZE} bytes, got more")
    return None
