"""The fields of a protobuf message, one by one and counted, before anything is made of them. Pure.

A protobuf library builds all that a message holds before anybody can count it: 500,000 empty subscriptions fit one
megabyte. Here each is counted as it is met.

Source: Protocol Buffers documentation, "Encoding".
"""

from collections.abc import Iterator

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.wire import varint

__all__ = ["FieldReader", "encode_field", "name_of_topic", "read_varint", "text_of"]

#: How many fields other than repeated ones a message has free: more than any here needs. Each further one counts as an
#: element, so that nobody can send them without end.
_FREE_FIELDS = 8


class FieldReader:
    """Reads the messages of one RPC.

    :param max_elements: of all of them together: repeated fields, and others beyond the first eight of a message
    """

    __slots__ = ("_left", "_max_elements")

    def __init__(self, max_elements: int) -> None:
        self._max_elements = self._left = max_elements

    def count(self) -> None:
        """One more element.

        :raises RemoteProtocolError: one too many
        """
        self._left -= 1
        if self._left < 0:
            raise RemoteProtocolError(f"pubsub RPC: expected at most {self._max_elements} elements, got more")

    def uncount(self) -> None:
        """One less: the last one only holds others."""
        self._left += 1

    def fields(self, data: bytes, repeated: tuple[int, ...] = ()) -> Iterator[tuple[int, bytes, int, int]]:
        """Each field: its key (number << 3 | wire type), its bytes, its number where it is one, and where it ends.

        :param repeated: the keys of those that count as elements
        :raises RemoteProtocolError: no protobuf, or too many elements
        :raises IndexError: `data` ends before a number does
        """
        free = _FREE_FIELDS
        pos, end = 0, len(data)
        while pos < end:
            key = data[pos]
            pos += 1
            if key > 0x7F:
                key, pos = read_varint(data, pos - 1)
            if free and key not in repeated:
                free -= 1
            else:
                self.count()
            kind = key & 7
            number = size = 0
            if kind == 2:
                size = data[pos]
                pos += 1
                if size > 0x7F:
                    size, pos = read_varint(data, pos - 1)
            elif kind == 0:
                number, pos = read_varint(data, pos)
            elif kind == 1:
                size = 8
            elif kind == 5:
                size = 4
            stop = pos + size
            if stop > end or key < 8 or kind in (3, 4, 6, 7):
                raise RemoteProtocolError(
                    f"pubsub RPC: expected a field of protobuf, got number {key >> 3} of wire type {kind} "
                    f"with {size} bytes where {end - pos} are left"
                )
            yield key, data[pos:stop], number, stop
            pos = stop


def read_varint(data: bytes, pos: int) -> tuple[int, int]:
    """The number at `pos`, and where it ends. As protobuf has it: 64 bits in up to 10 bytes, also in more of them than
    it needs; those of multiformats, which `wire.varint` reads, have 63 bits and one encoding only.

    :raises RemoteProtocolError: longer
    :raises IndexError: `data` ends before
    """
    value = shift = 0
    while shift < 70:
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, pos
        shift += 7
    raise RemoteProtocolError(f"pubsub RPC: expected numbers of at most 10 bytes, got {data[pos - 10 : pos].hex()}...")


def encode_field(key: bytes, value: bytes) -> bytes:
    """A field of bytes: `key` as it is encoded, the length, the bytes."""
    return b"%b%b%b" % (key, varint.encode(len(value)), value)


def text_of(value: bytes) -> str:
    """The name of a topic.

    :raises RemoteProtocolError: not UTF-8
    """
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise RemoteProtocolError(f"pubsub RPC: expected a topic in UTF-8, got {value[:64].hex()}") from None


def name_of_topic(topic: str) -> bytes:
    """A topic of ours as it is sent.

    :raises LocalProtocolError: it is no text that can be sent: it has half a surrogate pair
    """
    try:
        return topic.encode()
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"expected a topic that is Unicode text, got {topic!r:.100}: {error.reason}") from None
