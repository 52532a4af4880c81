"""The side that proposes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalProtocolError, NegotiationError, RemoteProtocolError
from p2pstack.negotiation.dialer import Dialer
from p2pstack.negotiation.messages import HEADER, encode, encode_list

NA = encode("na")


def test_header_and_first_proposal_go_out_together() -> None:
    dialer = Dialer(["/a", "/b"])
    assert dialer.data_to_send() == HEADER + encode("/a")
    assert dialer.data_to_send() == b""


def test_the_first_protocol_is_agreed_on() -> None:
    dialer = Dialer(["/a", "/b"])
    dialer.data_to_send()
    assert dialer.receive_data(HEADER) is None
    assert dialer.protocol is None
    assert dialer.receive_data(encode("/a")) == "/a"
    assert dialer.protocol == "/a"
    assert dialer.data_to_send() == b""
    assert dialer.surplus == b""


def test_proposals_follow_in_order_until_one_is_accepted() -> None:
    dialer = Dialer(["/a", "/b", "/c"])
    dialer.data_to_send()
    assert dialer.receive_data(HEADER + NA) is None
    assert dialer.data_to_send() == encode("/b")
    assert dialer.receive_data(NA) is None
    assert dialer.data_to_send() == encode("/c")
    assert dialer.receive_data(encode("/c") + b"rest") == "/c"
    assert dialer.surplus == b"rest"


def test_when_all_are_refused_the_error_tells_what_was_proposed() -> None:
    dialer = Dialer(["/a", "/b"])
    assert dialer.receive_data(HEADER + NA) is None
    with pytest.raises(NegotiationError, match="none of the protocols proposed: /a, /b") as caught:
        dialer.receive_data(NA)
    assert caught.value.proposed == ("/a", "/b")
    assert dialer.protocol is None


@pytest.mark.parametrize(
    "data",
    [
        encode("/multistream/2.0.0"),
        encode("/a"),
        NA,
        b"\x01\n",
        b"\x00",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n" * 10,
    ],
)
def test_a_wrong_header_is_fatal(data: bytes) -> None:
    dialer = Dialer(["/a"])
    with pytest.raises(RemoteProtocolError):
        dialer.receive_data(data)
    assert dialer.receive_data(HEADER + encode("/a")) is None
    assert dialer.protocol is None


@pytest.mark.parametrize("answer", [encode("/b"), encode("ls"), HEADER, encode_list(["/a"])])
def test_an_answer_to_another_question_is_fatal(answer: bytes) -> None:
    dialer = Dialer(["/a", "/b"])
    with pytest.raises(RemoteProtocolError, match=r"expected /a or na|newline"):
        dialer.receive_data(HEADER + answer)


@pytest.mark.parametrize("data", [b"", HEADER, HEADER + b"\x03/"])
def test_the_end_of_the_stream_is_a_refusal(data: bytes) -> None:
    dialer = Dialer(["/a", "/b"])
    dialer.receive_data(data)
    with pytest.raises(NegotiationError, match="ended the stream while /a was proposed") as caught:
        dialer.receive_eof()
    assert caught.value.proposed == ("/a", "/b")


@pytest.mark.parametrize("protocols", [[], ["x" * 1024], ["/a\n"], ["/a", "na"], ["ls"], ["/multistream/1.0.0"]])
def test_what_cannot_be_proposed_is_the_callers_error(protocols: list[str]) -> None:
    with pytest.raises(LocalProtocolError):
        Dialer(protocols)


ANSWERS = HEADER + NA + NA + encode("/c") + b"surplus"


@given(cuts=st.lists(st.integers(0, len(ANSWERS))))
def test_it_does_not_matter_how_the_answers_are_cut(feed, cuts: list[int]) -> None:
    assert feed(Dialer(["/a", "/b", "/c"]), ANSWERS, cuts) == feed(Dialer(["/a", "/b", "/c"]), ANSWERS, ())


def test_a_byte_at_a_time_is_the_same_as_all_at_once(feed) -> None:
    every = range(len(ANSWERS))
    expected = ("/c", HEADER + encode("/a") + encode("/b") + encode("/c"), b"surplus")
    assert feed(Dialer(["/a", "/b", "/c"]), ANSWERS, every) == expected


@given(
    parts=st.lists(st.sampled_from([HEADER, NA, encode("/a"), encode("/b")]) | st.binary(max_size=40), max_size=8),
    cuts=st.lists(st.integers(0, 200)),
)
def test_any_bytes_give_a_protocol_or_an_error_of_its_kind(feed, parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    try:
        protocol, _, surplus = feed(Dialer(["/a", "/b"]), data, cuts)
    except (RemoteProtocolError, NegotiationError):
        return
    assert protocol in (None, "/a", "/b")
    assert data.endswith(surplus)
