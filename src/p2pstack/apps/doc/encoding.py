"""The encoding that Yjs' messages are written in: unsigned varints, and bytes and text behind their lengths.

Source: lib0, `encoding.js` and `decoding.js`, as the Yjs protocols use them.
"""

from p2pstack import RemoteProtocolError

__all__ = ["Reader", "blob", "uint"]

#: the largest whole number that an editor in a browser can hold
_MAX_UINT = 2**53 - 1


def uint(number: int) -> bytes:
    """An unsigned varint: 7 bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def blob(data: bytes) -> bytes:
    """Bytes behind their length."""
    return uint(len(data)) + data


class Reader:
    """Reads what a peer has written. All that is not as it should be raises `RemoteProtocolError`."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def uint(self) -> int:
        """A number up to 2^53 - 1."""
        data, at, number, shift = self._data, self._at, 0, 0
        try:
            while (byte := data[at]) > 0x7F:
                number |= (byte & 0x7F) << shift
                shift += 7
                at += 1
                if shift > 49:
                    break
            number |= data[at] << shift
        except IndexError:
            raise RemoteProtocolError(f"expected a number at byte {self._at}, got the end") from None
        if number > _MAX_UINT:
            raise RemoteProtocolError(f"expected a number up to 2^53 - 1 at byte {self._at}, got a larger one")
        self._at = at + 1
        return number

    def byte(self) -> int:
        """One byte."""
        if self._at >= len(self._data):
            raise RemoteProtocolError("expected another byte, got the end")
        self._at += 1
        return self._data[self._at - 1]

    def blob(self) -> bytes:
        """Bytes behind their length."""
        size, at = self.uint(), self._at
        if size > len(self._data) - at:
            raise RemoteProtocolError(f"expected {size} bytes at byte {at}, got {len(self._data) - at}")
        self._at = at + size
        return self._data[at : at + size]

    def text(self) -> str:
        """Text behind the length of its UTF-8."""
        try:
            return self.blob().decode()
        except UnicodeDecodeError as error:
            raise RemoteProtocolError(f"expected UTF-8 before byte {self._at}: {error}") from None

    def end(self) -> None:
        """Make sure that there is nothing more."""
        if self._at != len(self._data):
            raise RemoteProtocolError(f"expected the end at byte {self._at}, got {len(self._data) - self._at} more")
