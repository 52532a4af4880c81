"""The side that proposes.

Both sides say first that they speak multistream-select. The dialer need not wait for that of the listener: its own
header and its first proposal go out together. The listener repeats a proposal to accept it and says `na` to refuse it;
after a refusal the next proposal goes out, until none is left. Anything else ends the negotiation, a wrong header
above all: the other side speaks something else, and what it sends means nothing here.

=========  ==================  =====================================  ========
state      the listener says   then                                   state
=========  ==================  =====================================  ========
HEADER     its header          nothing to send                        PROPOSED
HEADER     anything else       `RemoteProtocolError`                  FAILED
PROPOSED   the proposal        result; bytes behind it are surplus    SELECTED
PROPOSED   `na`, one is left   propose the next                       PROPOSED
PROPOSED   `na`, none is left  `NegotiationError`                     FAILED
PROPOSED   anything else       `RemoteProtocolError`                  FAILED
any        end of stream       `NegotiationError`                     FAILED
=========  ==================  =====================================  ========

With a single protocol there is nothing to wait for either: whatever is to be said in that protocol can follow the
proposal at once, and the answer be read when it comes (`optimistic.py`). The table is the same.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import NoReturn

from p2pstack.errors import LocalProtocolError, NegotiationError, RemoteProtocolError
from p2pstack.negotiation.messages import (
    HEADER,
    MULTISTREAM,
    NOT_AVAILABLE,
    RESERVED,
    LineDecoder,
    check_beginning,
    encode,
)

__all__ = ["Dialer"]


class _State(Enum):
    HEADER = auto()
    PROPOSED = auto()
    SELECTED = auto()
    FAILED = auto()


class Dialer:
    """Proposes protocols in order until one is accepted: an `Exchange` whose result is the protocol.

    :param protocols: at least one, the best first
    :raises LocalProtocolError: no protocol, or one that multistream-select cannot carry
    """

    __slots__ = ("_decoder", "_index", "_outgoing", "_protocols", "_state")

    def __init__(self, protocols: Sequence[str]) -> None:
        if not protocols:
            raise LocalProtocolError("expected at least one protocol to propose, got none")
        if not RESERVED.isdisjoint(protocols):
            raise LocalProtocolError(
                f"expected protocols to propose, got one of {', '.join(RESERVED)}: these are not protocols"
            )
        self._protocols = protocols
        self._index = 0
        self._outgoing = HEADER + encode(protocols[0])
        self._decoder = LineDecoder()
        self._state = _State.HEADER

    def data_to_send(self) -> bytes:
        """Takes what is to be sent now; at first the header and the first proposal."""
        outgoing, self._outgoing = self._outgoing, b""
        return outgoing

    def receive_data(self, data: bytes) -> str | None:
        """The protocol agreed on; None while that is open.

        :raises NegotiationError: the listener speaks none of the protocols
        :raises RemoteProtocolError: the listener does not speak multistream-select
        """
        self._decoder.receive_data(data)
        while self._state in (_State.HEADER, _State.PROPOSED):
            try:
                line = self._decoder.next_line()
                if line is None:
                    if self._state is _State.HEADER:
                        check_beginning(self._decoder.surplus, "the listener")
                    return None
                self._receive_line(line)
            except (NegotiationError, RemoteProtocolError):
                self._state = _State.FAILED
                raise
        return self.protocol

    def receive_eof(self) -> NoReturn:
        """:raises NegotiationError: always: the listener ended the stream without an answer"""
        self._state = _State.FAILED
        raise NegotiationError(
            f"the listener ended the stream while {self._proposal} was proposed to it", proposed=self._protocols
        )

    @property
    def protocol(self) -> str | None:
        """The protocol agreed on, if one was."""
        return self._proposal if self._state is _State.SELECTED else None

    @property
    def surplus(self) -> bytes:
        """The bytes behind the listener's acceptance: they are of the protocol agreed on."""
        return self._decoder.surplus

    @property
    def _proposal(self) -> str:
        return self._protocols[self._index]

    def _receive_line(self, line: str) -> None:
        if self._state is _State.HEADER:
            if line != MULTISTREAM:
                raise RemoteProtocolError(f"expected the header {MULTISTREAM} from the listener, got {line[:80]!r}")
            self._state = _State.PROPOSED
        elif line == self._proposal:
            self._state = _State.SELECTED
        elif line == NOT_AVAILABLE:
            if self._index + 1 == len(self._protocols):
                raise NegotiationError(
                    f"the listener speaks none of the protocols proposed: {', '.join(self._protocols)}",
                    proposed=self._protocols,
                )
            self._index += 1
            self._outgoing += encode(self._proposal)
        else:
            raise RemoteProtocolError(
                f"expected {self._proposal} or {NOT_AVAILABLE} from the listener, got {line[:80]!r}"
            )
