"""Length-delimited frames."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import RemoteProtocolError
from p2pstack.wire import varint
from p2pstack.wire.framing import FrameDecoder, encode_frame


def drain(decoder: FrameDecoder) -> list[bytes]:
    return list(iter(decoder.next_frame, None))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(0, 5000), max_size=10))
def test_frames_come_out_as_they_went_in_wherever_the_bytes_are_cut(payloads: list[bytes], places: list[int]) -> None:
    decoder = FrameDecoder(limit=300, what="frame")
    received: list[bytes] = []
    for chunk in cut(b"".join(map(encode_frame, payloads)), places):
        decoder.receive_data(chunk)
        received += drain(decoder)
    assert received == payloads
    assert decoder.surplus == b""


def test_frames_come_out_a_byte_at_a_time() -> None:
    decoder = FrameDecoder(limit=200, what="frame")
    payloads = [b"", b"a", bytes(200)]
    received: list[bytes] = []
    for byte in b"".join(map(encode_frame, payloads)):
        decoder.receive_data(bytes([byte]))
        received += drain(decoder)
    assert received == payloads


def test_the_largest_frame_passes_and_one_byte_more_is_refused_by_its_length() -> None:
    decoder = FrameDecoder(limit=1024, what="identify message")
    decoder.receive_data(encode_frame(bytes(1024)) + varint.encode(1025))
    assert decoder.next_frame() == bytes(1024)
    for _ in range(2):
        with pytest.raises(
            RemoteProtocolError, match="identify message: expected at most 1024 bytes, got a length of 1025"
        ):
            decoder.next_frame()


def test_a_length_beyond_memory_is_refused_at_once() -> None:
    decoder = FrameDecoder(limit=1024, what="frame")
    decoder.receive_data(varint.encode(2**62))
    with pytest.raises(RemoteProtocolError, match=str(2**62)):
        decoder.next_frame()


def test_a_length_that_never_ends_is_refused_at_its_ninth_byte() -> None:
    decoder = FrameDecoder(limit=1024, what="frame")
    for _ in range(8):
        decoder.receive_data(b"\x80")
        assert decoder.next_frame() is None
    decoder.receive_data(b"\x80")
    with pytest.raises(RemoteProtocolError, match="at most 9 bytes"):
        decoder.next_frame()


def test_what_lies_behind_the_last_frame_belongs_to_the_next_protocol() -> None:
    decoder = FrameDecoder(limit=16, what="frame")
    decoder.receive_data(encode_frame(b"one") + b"surplus")
    assert decoder.next_frame() == b"one"
    assert decoder.surplus == b"surplus"


def test_consumed_bytes_are_let_go() -> None:
    decoder = FrameDecoder(limit=4096, what="frame")
    for _ in range(100):
        decoder.receive_data(encode_frame(bytes(4096)) + b"\x80")
        assert decoder.next_frame() == bytes(4096)
        assert decoder.next_frame() is None
        assert len(decoder._buffer) == 1
        decoder.receive_data(b"\x01" + bytes(128))
        assert drain(decoder) == [bytes(128)]
    assert len(decoder._buffer) == 0


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_give_frames_within_the_limit_or_a_protocol_error(chunks: list[bytes]) -> None:
    decoder = FrameDecoder(limit=24, what="frame")
    try:
        for chunk in chunks:
            decoder.receive_data(chunk)
            assert all(len(frame) <= 24 for frame in drain(decoder))
    except RemoteProtocolError:
        pass
