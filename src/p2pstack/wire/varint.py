"""Unsigned varints: 7 bits a byte, least significant first, the high bit set in all bytes but the last.

At most 9 bytes, which is 63 bits, and of each number the shortest encoding only. Source: multiformats, unsigned-varint.
"""

from p2pstack.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["MAX_SIZE", "MAX_VALUE", "decode", "encode"]

#: bytes of the longest encoding
MAX_SIZE = 9
#: the largest number that has an encoding
MAX_VALUE = (1 << 63) - 1

_SINGLE = tuple(bytes((n,)) for n in range(0x80))


def encode(n: int) -> bytes:
    """The encoding of `n`.

    :raises LocalProtocolError: `n` is negative, or above `MAX_VALUE`
    """
    if 0 <= n < 0x80:
        return _SINGLE[n]
    if not 0 < n <= MAX_VALUE:
        raise LocalProtocolError(f"a varint holds numbers from 0 to 2**63 - 1, not {n}")
    encoded = bytearray()
    while n >= 0x80:
        encoded.append((n & 0x7F) | 0x80)
        n >>= 7
    encoded.append(n)
    return bytes(encoded)


def decode(data: bytes | bytearray | memoryview, offset: int = 0) -> tuple[int, int] | None:
    """The number that begins at `offset`, and the offset behind it; None if `data` ends within the number.

    :raises RemoteProtocolError: more than `MAX_SIZE` bytes, or not the shortest encoding
    """
    end = offset
    value = shift = 0
    for byte in data[offset : offset + MAX_SIZE]:
        end += 1
        if byte < 0x80:
            if byte == 0 and shift:
                raise RemoteProtocolError(f"varint: expected the shortest encoding, got {data[offset:end].hex()}")
            return value | byte << shift, end
        value |= (byte & 0x7F) << shift
        shift += 7
    if end - offset == MAX_SIZE:
        raise RemoteProtocolError(f"varint: expected at most {MAX_SIZE} bytes, got more: {data[offset:end].hex()}...")
    return None
