"""Unsigned varints. Examples are those of the multiformats unsigned-varint specification."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.wire import varint


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, "00"),
        (1, "01"),
        (127, "7f"),
        (128, "8001"),
        (255, "ff01"),
        (300, "ac02"),
        (16384, "808001"),
        (2**63 - 1, "ffffffffffffffff7f"),
    ],
)
def test_the_specification_s_examples(number: int, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert varint.encode(number) == data
    assert varint.decode(data) == (number, len(data))


@given(st.integers(0, varint.MAX_VALUE), st.binary(max_size=4), st.binary(max_size=12))
def test_a_number_is_found_where_it_was_put(number: int, before: bytes, after: bytes) -> None:
    encoded = varint.encode(number)
    data = before + encoded + after
    assert varint.decode(data, len(before)) == (number, len(before) + len(encoded))
    assert varint.decode(bytearray(data), len(before)) == varint.decode(memoryview(data), len(before))


@given(st.integers(0, varint.MAX_VALUE))
def test_a_number_cut_short_asks_for_more(number: int) -> None:
    encoded = varint.encode(number)
    for size in range(len(encoded)):
        assert varint.decode(encoded[:size]) is None


def test_an_offset_behind_the_data_asks_for_more() -> None:
    assert varint.decode(b"\x01", 1) is None
    assert varint.decode(b"\x01", 7) is None


@pytest.mark.parametrize("encoded", ["8000", "808000", "ff00", "808080808080808000"])
def test_a_longer_encoding_than_needed_is_refused(encoded: str) -> None:
    with pytest.raises(RemoteProtocolError, match=f"shortest encoding, got {encoded}"):
        varint.decode(bytes.fromhex(encoded))


@pytest.mark.parametrize("encoded", ["80" * 9, "80" * 1000, "ff" * 9 + "01"])
def test_the_tenth_byte_is_not_waited_for(encoded: str) -> None:
    assert varint.decode(bytes.fromhex(encoded)[:8]) is None
    with pytest.raises(RemoteProtocolError, match="at most 9 bytes"):
        varint.decode(bytes.fromhex(encoded))


@pytest.mark.parametrize("number", [-1, 2**63, 2**64])
def test_a_number_that_has_no_encoding_is_the_caller_s_fault(number: int) -> None:
    with pytest.raises(LocalProtocolError, match=str(number)):
        varint.encode(number)


@given(st.binary(max_size=20))
def test_any_bytes_are_a_number_or_a_protocol_error(data: bytes) -> None:
    try:
        decoded = varint.decode(data)
    except RemoteProtocolError:
        return
    if decoded is not None:
        number, end = decoded
        assert varint.encode(number) == data[:end]
