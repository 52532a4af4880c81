"""The side that accepts.

It answers the header with its own and then each proposal with the same words or with `na`, as often as the dialer
cares to try, within a bound. A dialer sends its header and first proposal together, as a rule; both answers then go
out in one write as well. `ls` asks for the list of protocols. A wrong header is fatal: the other side speaks
something else.

========  ==========================  =====================================  ========
state     the dialer says             then                                   state
========  ==========================  =====================================  ========
HEADER    its header                  send the header                        OPEN
HEADER    anything else               `RemoteProtocolError`                  FAILED
OPEN      a protocol spoken here      repeat it; result; bytes behind it      SELECTED
                                      are surplus
OPEN      `ls`, the first few times   send the list                          OPEN
OPEN      anything else               send `na`                              OPEN
OPEN      ... too often               `RemoteProtocolError`                  FAILED
any       end of stream               `NegotiationError`                     FAILED
========  ==========================  =====================================  ========
"""

from collections.abc import Callable, Collection
from enum import Enum, auto
from typing import NoReturn

from p2pstack.errors import NegotiationError, RemoteProtocolError
from p2pstack.negotiation.messages import (
    HEADER,
    LIST,
    MULTISTREAM,
    NOT_AVAILABLE,
    RESERVED,
    LineDecoder,
    check_beginning,
    encode,
    encode_list,
)

__all__ = ["MAX_LISTINGS", "MAX_REFUSALS", "Listener", "accept_at_once"]

#: how many proposals are refused before the dialer is given up
MAX_REFUSALS = 1000
#: how often the list is given: it is up to some thousand times longer than the question
MAX_LISTINGS = 4

_NOT_AVAILABLE = encode(NOT_AVAILABLE)
_REFUSED_KEPT = 4


def accept_at_once(data: bytes, protocols: Collection[str]) -> tuple[str, int] | None:
    """What nearly every dialer sends, the header and one proposal in one piece, taken without a `Listener`, which costs
    as much as the rest of a short stream: the protocol, and how many bytes of `data` that was. The answer is just these
    bytes. None for whatever else it is.
    """
    begin = len(HEADER) + 1
    if len(data) <= begin or not data.startswith(HEADER):
        return None
    size = data[begin - 1]
    end = begin + size
    if size >= 0x80 or len(data) < end or data[end - 1] != 0x0A:
        return None
    protocol = data[begin : end - 1].decode("utf-8", "replace")
    return (protocol, end) if protocol in protocols else None


class _State(Enum):
    HEADER = auto()
    OPEN = auto()
    SELECTED = auto()
    FAILED = auto()


class Listener:
    """Accepts the first proposal of a protocol spoken here: an `Exchange` whose result is the protocol.

    :param protocols: what is spoken here, and what `ls` is told; read when a proposal comes
    :param matches: decides on a proposal in place of membership in `protocols`
    """

    __slots__ = (
        "_decoder",
        "_listings",
        "_matches",
        "_outgoing",
        "_protocol",
        "_protocols",
        "_refusals",
        "_refused",
        "_state",
    )

    def __init__(self, protocols: Collection[str], *, matches: Callable[[str], bool] | None = None) -> None:
        self._protocols = protocols
        self._matches = protocols.__contains__ if matches is None else matches
        self._decoder = LineDecoder()
        self._outgoing = b""
        self._state = _State.HEADER
        self._protocol: str | None = None
        self._refusals = 0
        self._refused: list[str] = []  # the first few, to tell of
        self._listings = 0

    def data_to_send(self) -> bytes:
        """Takes what is to be sent now; nothing before the dialer spoke."""
        outgoing, self._outgoing = self._outgoing, b""
        return outgoing

    def receive_data(self, data: bytes) -> str | None:
        """The protocol agreed on; None while that is open.

        :raises RemoteProtocolError: the dialer does not speak multistream-select, or proposed too often
        """
        self._decoder.receive_data(data)
        while self._state in (_State.HEADER, _State.OPEN):
            try:
                line = self._decoder.next_line()
                if line is None:
                    if self._state is _State.HEADER:
                        check_beginning(self._decoder.surplus, "the dialer")
                    return None
                self._receive_line(line)
            except RemoteProtocolError:
                self._state = _State.FAILED
                raise
        return self._protocol

    def receive_eof(self) -> NoReturn:
        """:raises NegotiationError: always: the dialer gave up"""
        self._state = _State.FAILED
        tried = f"after it proposed {self._refused} in vain" if self._refused else "before it proposed a protocol"
        raise NegotiationError(f"the dialer ended the stream {tried}", proposed=self._refused)

    @property
    def protocol(self) -> str | None:
        """The protocol agreed on, if one was."""
        return self._protocol

    @property
    def surplus(self) -> bytes:
        """The bytes behind the accepted proposal: they are of that protocol."""
        return self._decoder.surplus

    def _receive_line(self, line: str) -> None:
        if self._state is _State.HEADER:
            if line != MULTISTREAM:
                raise RemoteProtocolError(f"expected the header {MULTISTREAM} from the dialer, got {line[:80]!r}")
            self._outgoing += HEADER
            self._state = _State.OPEN
        elif line not in RESERVED and self._matches(line):
            self._outgoing += encode(line)
            self._protocol = line
            self._state = _State.SELECTED
        elif line == LIST and self._listings < MAX_LISTINGS:
            self._listings += 1
            self._outgoing += encode_list(self._protocols)
        elif self._refusals < MAX_REFUSALS:
            self._refusals += 1
            if len(self._refused) < _REFUSED_KEPT:
                self._refused.append(line)
            self._outgoing += _NOT_AVAILABLE
        else:
            raise RemoteProtocolError(
                f"expected a protocol spoken here within {MAX_REFUSALS} proposals, got {line[:80]!r} after as many"
            )
