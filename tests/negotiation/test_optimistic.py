"""A proposal and what follows it, in one write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import NegotiationError, RemoteProtocolError
from p2pstack.negotiation.dialer import Dialer
from p2pstack.negotiation.messages import HEADER, encode
from p2pstack.negotiation.optimistic import Optimistic


class Greeting:
    """Says hello, and is done when it heard five bytes."""

    def __init__(self) -> None:
        self.outgoing = b"hello"
        self.heard = b""

    def data_to_send(self) -> bytes:
        outgoing, self.outgoing = self.outgoing, b""
        return outgoing

    def receive_data(self, data: bytes) -> bytes | None:
        self.heard += data
        return self.heard[:5] if len(self.heard) >= 5 else None

    def receive_eof(self) -> None:
        raise RemoteProtocolError("no greeting")

    @property
    def surplus(self) -> bytes:
        return self.heard[5:]


ANSWERS = HEADER + encode("/hi") + b"worldrest"


def test_the_proposal_and_the_first_words_go_out_together() -> None:
    exchange = Optimistic(Dialer(["/hi"]), Greeting())
    assert exchange.data_to_send() == HEADER + encode("/hi") + b"hello"
    assert exchange.data_to_send() == b""


@given(cuts=st.lists(st.integers(0, len(ANSWERS))))
def test_the_acceptance_is_taken_off_however_the_answers_are_cut(feed, cuts: list[int]) -> None:
    result = feed(Optimistic(Dialer(["/hi"]), Greeting()), ANSWERS, cuts)
    assert result == (b"world", HEADER + encode("/hi") + b"hello", b"rest")


def test_the_callers_hear_of_a_refusal() -> None:
    exchange = Optimistic(Dialer(["/hi"]), Greeting())
    with pytest.raises(NegotiationError, match="/hi"):
        exchange.receive_data(HEADER + encode("na"))


def test_the_end_is_told_to_the_part_that_was_going_on() -> None:
    exchange = Optimistic(Dialer(["/hi"]), Greeting())
    with pytest.raises(NegotiationError):
        exchange.receive_eof()
    exchange = Optimistic(Dialer(["/hi"]), Greeting())
    exchange.receive_data(HEADER + encode("/hi") + b"wor")
    with pytest.raises(RemoteProtocolError, match="no greeting"):
        exchange.receive_eof()
