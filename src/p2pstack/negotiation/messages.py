"""Messages of multistream-select: a line of text behind its length.

    message   = uvarint(length of line) line
    line      = text "\\n"
    answer to `ls` = uvarint(length of list) list
    list      = *( uvarint(length of line) line ) "\\n"

Source: the specification of connections ("multistream-select") and, for the answer to `ls`, which it leaves out, what
the implementations in Rust and JavaScript send.
"""

from collections.abc import Iterable

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.wire import varint
from p2pstack.wire.framing import FrameDecoder, encode_frame

__all__ = [
    "HEADER",
    "LIST",
    "MAX_LINE",
    "MAX_LIST",
    "MULTISTREAM",
    "NOT_AVAILABLE",
    "RESERVED",
    "LineDecoder",
    "check_beginning",
    "encode",
    "encode_list",
    "parse_line",
    "parse_list",
]

#: the protocol itself: the first line of both sides
MULTISTREAM = "/multistream/1.0.0"
#: the line that refuses a proposal
NOT_AVAILABLE = "na"
#: the line that asks which protocols there are
LIST = "ls"
#: lines that are no protocol one could speak after this
RESERVED = frozenset({MULTISTREAM, NOT_AVAILABLE, LIST})

#: bytes of the longest line, with its newline
MAX_LINE = 1024
#: bytes of the longest answer to `ls`: what two bytes of length can tell, as much as the implementation in Rust accepts
MAX_LIST = (1 << 14) - 1


def encode(text: str) -> bytes:
    """The message that says `text`.

    :raises LocalProtocolError: `text` is longer than a line may be, or more than one line
    """
    line = text.encode() + b"\n"
    if len(line) > MAX_LINE:
        raise LocalProtocolError(
            f"a protocol id has at most {MAX_LINE - 1} bytes, not {len(line) - 1}: {text[:40]!r}..."
        )
    if "\n" in text:
        raise LocalProtocolError(f"a protocol id is one line, without a newline: {text!r}")
    return encode_frame(line)


def encode_list(protocols: Iterable[str]) -> bytes:
    """The answer to `ls`. Those that fit into `MAX_LIST` bytes, the first ones first: it is for people who look around,
    nothing depends on it."""
    answer = bytearray()
    for protocol in protocols:
        message = encode(protocol)
        if len(answer) + len(message) >= MAX_LIST:
            break
        answer += message
    return encode_frame(bytes(answer + b"\n"))


def parse_line(line: bytes) -> str:
    """The text of a line.

    :raises RemoteProtocolError: no newline at its end, or not UTF-8
    """
    if not line.endswith(b"\n"):
        raise RemoteProtocolError(f"expected a multistream message that ends in a newline, got {line[:40]!r}")
    try:
        return line[:-1].decode()
    except UnicodeDecodeError as error:
        raise RemoteProtocolError(f"expected a multistream message in UTF-8, got {line[:40]!r}") from error


def parse_list(answer: bytes) -> list[str]:
    """The protocols in an answer to `ls`, given without its own length.

    :raises RemoteProtocolError: it is no such list
    """
    protocols: list[str] = []
    position = 0
    while answer[position:] != b"\n":
        head = varint.decode(answer, position)
        if head is None or head[1] + head[0] > len(answer):
            raise RemoteProtocolError(
                f"expected a list of protocols, got one that ends within: {answer[position:][:40]!r}"
            )
        size, begin = head
        position = begin + size
        protocols.append(parse_line(answer[begin:position]))
    return protocols


class LineDecoder(FrameDecoder):
    """Cuts what arrives into the texts of lines."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(limit=MAX_LINE, what="multistream message")

    def next_line(self) -> str | None:
        """The next text; None where more bytes are needed.

        :raises RemoteProtocolError: what came is no line, or too long a one
        """
        frame = self.next_frame()
        return None if frame is None else parse_line(frame)


#: the message both sides begin with
HEADER = encode(MULTISTREAM)


def check_beginning(data: bytes, whose: str) -> None:
    """Nothing, where `data` is the beginning of a header: for the end of what others say (HTTP, TLS, SSH) there is no
    need to wait.

    :param whose: `"the dialer"` or `"the listener"`
    :raises RemoteProtocolError: it is not
    """
    if not HEADER.startswith(data):
        raise RemoteProtocolError(f"expected the header {MULTISTREAM} from {whose}, got {data[:80]!r}")
