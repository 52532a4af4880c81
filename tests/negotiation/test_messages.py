"""The lines of multistream-select, and the list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.negotiation.messages import (
    HEADER,
    MAX_LINE,
    MAX_LIST,
    LineDecoder,
    encode,
    encode_list,
    parse_line,
    parse_list,
)
from p2pstack.wire.framing import FrameDecoder


def test_the_example_of_the_specification() -> None:
    assert encode("na") == bytes.fromhex("036e610a")


def test_the_header_as_everybody_sends_it() -> None:
    assert HEADER == b"\x13/multistream/1.0.0\n"


def test_a_long_line_has_two_bytes_of_length() -> None:
    assert encode("/" + "x" * 199) == b"\xc9\x01/" + b"x" * 199 + b"\n"


def test_the_longest_line_and_one_longer() -> None:
    decoder = LineDecoder()
    decoder.receive_data(encode("x" * (MAX_LINE - 1)))
    assert decoder.next_line() == "x" * (MAX_LINE - 1)
    with pytest.raises(LocalProtocolError, match="at most 1023 bytes, not 1024"):
        encode("x" * MAX_LINE)


def test_a_protocol_with_a_newline_in_it_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="one line"):
        encode("/echo/1.0.0\nls")


@pytest.mark.parametrize("line", [b"", b"na", b"/echo/1.0.0\r", b"\xff\n"])
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="multistream message"):
        parse_line(line)


def test_a_length_above_the_limit_is_refused_before_its_body() -> None:
    decoder = LineDecoder()
    decoder.receive_data(b"\x81\x08")
    with pytest.raises(RemoteProtocolError, match="at most 1024 bytes, got a length of 1025"):
        decoder.next_line()


def test_an_endless_length_is_refused_at_nine_bytes() -> None:
    decoder = LineDecoder()
    decoder.receive_data(b"\x80" * 8)
    assert decoder.next_line() is None
    decoder.receive_data(b"\x80")
    with pytest.raises(RemoteProtocolError, match="varint"):
        decoder.next_line()


def test_the_list_nests_lines_as_rust_and_javascript_do() -> None:
    assert encode_list(["/a", "/bc"]) == b"\x0a" + b"\x03/a\n" + b"\x04/bc\n" + b"\n"
    assert encode_list([]) == b"\x01\n"


def test_a_list_holds_what_fits() -> None:
    protocols = [f"/{number:0>1000}" for number in range(40)]
    answer = encode_list(protocols)
    decoder = FrameDecoder(limit=MAX_LIST, what="list")
    decoder.receive_data(answer)
    body = decoder.next_frame()
    assert body is not None
    assert parse_list(body) == protocols[:16]


@pytest.mark.parametrize("answer", [b"", b"\x03/a\n", b"\x09/a\n\n", b"\x80", b"\x03/ab\n", b"\x00\n"])
def test_what_is_no_list_is_refused(answer: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_list(answer)


@given(st.lists(st.text(max_size=30).filter(lambda text: "\n" not in text), max_size=30))
def test_what_is_listed_is_read_back(protocols: list[str]) -> None:
    decoder = FrameDecoder(limit=MAX_LIST, what="list")
    decoder.receive_data(encode_list(protocols))
    body = decoder.next_frame()
    assert body is not None
    assert parse_list(body) == protocols


@given(st.binary(max_size=60))
def test_any_bytes_are_a_list_or_refused(answer: bytes) -> None:
    try:
        protocols = parse_list(answer)
    except RemoteProtocolError:
        return
    assert all(protocol >= "\x00" or not protocol for protocol in protocols)
