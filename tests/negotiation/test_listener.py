"""The side that accepts."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import NegotiationError, RemoteProtocolError
from p2pstack.negotiation.listener import MAX_LISTINGS, MAX_REFUSALS, Listener
from p2pstack.negotiation.messages import HEADER, encode, encode_list

NA = encode("na")


def test_header_and_acceptance_go_out_together() -> None:
    listener = Listener({"/a", "/b"})
    assert listener.data_to_send() == b""
    assert listener.receive_data(HEADER + encode("/b")) == "/b"
    assert listener.protocol == "/b"
    assert listener.data_to_send() == HEADER + encode("/b")
    assert listener.data_to_send() == b""


def test_a_dialer_that_waits_for_the_header_gets_it() -> None:
    listener = Listener(["/a"])
    assert listener.receive_data(HEADER) is None
    assert listener.data_to_send() == HEADER
    assert listener.receive_data(encode("/a")) == "/a"
    assert listener.data_to_send() == encode("/a")


def test_data_behind_the_proposal_is_surplus() -> None:
    """What rust-libp2p does with `V1Lazy`, and this side's own dialer: data in the same write."""
    listener = Listener(["/a"])
    assert listener.receive_data(HEADER + encode("/a") + b"data\x00\xff") == "/a"
    assert listener.receive_data(b", and more") == "/a"
    assert listener.surplus == b"data\x00\xff, and more"


def test_an_unknown_protocol_is_answered_with_na_and_the_next_may_come() -> None:
    listener = Listener(["/a"])
    assert listener.receive_data(HEADER + encode("/x")) is None
    assert listener.data_to_send() == HEADER + NA
    assert listener.receive_data(encode("") + encode("/a/")) is None
    assert listener.data_to_send() == NA + NA
    assert listener.receive_data(encode("/a")) == "/a"


def test_the_list_is_given() -> None:
    listener = Listener(["/a", "/b"])
    assert listener.receive_data(HEADER + encode("ls")) is None
    assert listener.data_to_send() == HEADER + encode_list(["/a", "/b"])
    assert listener.receive_data(encode("/b")) == "/b"


def test_the_list_is_not_given_without_end() -> None:
    listener = Listener(["/a"])
    listener.receive_data(HEADER + encode("ls") * 10)
    assert listener.data_to_send() == HEADER + encode_list(["/a"]) * MAX_LISTINGS + NA * (10 - MAX_LISTINGS)


def test_protocols_can_be_matched_by_a_function() -> None:
    listener = Listener(["/chat/1.0.0"], matches=lambda protocol: protocol.startswith("/chat/1."))
    assert listener.receive_data(HEADER + encode("/chat/2.0.0") + encode("/chat/1.7.0")) == "/chat/1.7.0"
    assert listener.data_to_send() == HEADER + NA + encode("/chat/1.7.0")


def test_its_own_words_are_never_protocols() -> None:
    listener = Listener(["/a"], matches=lambda _: True)
    assert listener.receive_data(HEADER + encode("na") + HEADER + encode("ls")) is None
    assert listener.data_to_send() == HEADER + NA + NA + encode_list(["/a"])


def test_protocols_added_later_are_known() -> None:
    protocols = {"/a": 1}
    listener = Listener(protocols.keys())
    protocols["/b"] = 2
    assert listener.receive_data(HEADER + encode("/b")) == "/b"


@pytest.mark.parametrize(
    "data",
    [
        encode("/a"),
        encode("ls"),
        encode("/multistream/0.7.0"),
        b"\x00",
        b"\x81\x08",
        b"\x80" * 9,
        b"GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: something that is long enough for a line\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
    ],
)
def test_a_wrong_header_is_fatal_and_answered_with_nothing(data: bytes) -> None:
    listener = Listener(["/a"])
    with pytest.raises(RemoteProtocolError):
        listener.receive_data(data)
    assert listener.data_to_send() == b""
    assert listener.receive_data(HEADER + encode("/a")) is None


def test_proposals_are_refused_only_so_often() -> None:
    listener = Listener(["/a"])
    listener.receive_data(HEADER + encode("/x") * MAX_REFUSALS)
    assert listener.data_to_send() == HEADER + NA * MAX_REFUSALS
    with pytest.raises(RemoteProtocolError, match="within 1000 proposals, got '/y'"):
        listener.receive_data(encode("/y"))


def test_the_end_of_the_stream_tells_what_was_tried() -> None:
    listener = Listener(["/a"])
    with pytest.raises(NegotiationError, match="before it proposed a protocol"):
        listener.receive_eof()
    listener = Listener(["/a"])
    listener.receive_data(HEADER + b"".join(encode(f"/{number}") for number in range(9)))
    with pytest.raises(NegotiationError, match=r"proposed .*'/3'") as caught:
        listener.receive_eof()
    assert caught.value.proposed == ("/0", "/1", "/2", "/3")


PROPOSALS = HEADER + encode("/x") + encode("ls") + encode("/a") + b"surplus"


@given(cuts=st.lists(st.integers(0, len(PROPOSALS))))
def test_it_does_not_matter_how_the_proposals_are_cut(feed, cuts: list[int]) -> None:
    assert feed(Listener(["/a"]), PROPOSALS, cuts) == feed(Listener(["/a"]), PROPOSALS, ())


def test_a_byte_at_a_time_is_the_same_as_all_at_once(feed) -> None:
    expected = ("/a", HEADER + NA + encode_list(["/a"]) + encode("/a"), b"surplus")
    assert feed(Listener(["/a"]), PROPOSALS, range(len(PROPOSALS))) == expected


@given(
    parts=st.lists(
        st.sampled_from([HEADER, NA, encode("ls"), encode("/a"), encode("/x")]) | st.binary(max_size=40), max_size=8
    ),
    cuts=st.lists(st.integers(0, 200)),
)
def test_any_bytes_give_a_protocol_or_an_error_of_its_kind(
    feed: Callable[..., tuple[str | None, bytes, bytes]], parts: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(parts)
    try:
        protocol, sent, surplus = feed(Listener(["/a"]), data, cuts)
    except (RemoteProtocolError, NegotiationError):
        return
    assert protocol in (None, "/a")
    assert data.endswith(surplus)
    assert not sent or sent.startswith(HEADER)
