"""What a peer must not send, and what may look like it: the error, and the goodbye with code 1."""

from collections.abc import Callable
from struct import pack
from typing import Any

import pytest

from p2pstack.errors import RemoteProtocolError
from p2pstack.muxers.yamux.frames import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE

Frame = Callable[..., bytes]
Frames = Callable[[bytes], list[tuple[int, int, int, int, bytes]]]

WINDOW = 262_144


def _violates(side: Any, data: bytes, match: str, frames: Frames) -> None:
    before = len(side.session.streams)
    with pytest.raises(RemoteProtocolError, match=match):
        side.receive(data)
    assert len(side.session.streams) == before
    assert (GO_AWAY, 0, 0, 1, b"") in frames(side.flush())


def test_another_version(make_side: Any, frames: Frames) -> None:
    _violates(make_side(), pack(">BBHII", 1, 0, SYN, 1, 0), "version 1 of the frame: expected 0", frames)


@pytest.mark.parametrize("kind", [4, 255])
def test_an_unknown_type(make_side: Any, kind: int, frame: Frame, frames: Frames) -> None:
    _violates(make_side(), frame(kind), f"frame of type {kind}: expected 0 to 3", frames)


@pytest.mark.parametrize("kind", [DATA, WINDOW_UPDATE])
@pytest.mark.parametrize("stream_id", [0, 2])
def test_a_stream_opened_with_an_id_that_is_not_the_peers(
    make_side: Any, kind: int, stream_id: int, frame: Frame, frames: Frames
) -> None:
    _violates(make_side(), frame(kind, SYN, stream_id), f"stream {stream_id} opened: expected a new id", frames)


def test_a_stream_opened_twice(make_side: Any, frame: Frame, frames: Frames) -> None:
    side = make_side()
    side.receive(frame(WINDOW_UPDATE, SYN, 1))
    _violates(side, frame(WINDOW_UPDATE, SYN, 1), "stream 1 opened: expected a new id", frames)


@pytest.mark.parametrize("kind", [DATA, WINDOW_UPDATE])
@pytest.mark.parametrize("stream_id", [0, 2, 4])
def test_a_frame_for_a_stream_that_cannot_have_been(
    make_side: Any, kind: int, stream_id: int, frame: Frame, frames: Frames
) -> None:
    _violates(make_side(), frame(kind, FIN, stream_id), f"a frame for stream {stream_id}, which was never", frames)


def test_a_frame_for_a_stream_that_may_have_been_is_dropped(make_side: Any, frame: Frame) -> None:
    side = make_side()
    side.session.reset(side.session.open())
    side.flush()
    side.receive(frame(DATA, 0, 2, body=b"late") + frame(DATA, FIN, 3, body=b"late") + frame(WINDOW_UPDATE, RST, 5))
    assert not side.opened
    assert side.session.bytes_received == 0
    assert not side.session.wants_to_send


def test_a_first_frame_larger_than_the_first_window(make_side: Any, frame: Frame, frames: Frames) -> None:
    side = make_side()
    _violates(side, frame(DATA, SYN, 1, length=WINDOW + 1), "262145 bytes on new stream 1", frames)
    assert not side.opened


def test_a_first_frame_as_large_as_the_first_window(make_side: Any, frame: Frame) -> None:
    side = make_side()
    side.receive(frame(DATA, SYN, 1, body=bytes(WINDOW)))
    assert side.opened[0].unread == WINDOW


def test_a_body_beyond_what_was_granted_is_refused_by_its_header(make_side: Any, frame: Frame, frames: Frames) -> None:
    side = make_side()
    side.receive(frame(DATA, SYN, 1, body=b"x"))
    _violates(side, frame(DATA, 0, 1, length=WINDOW), "262144 bytes on stream 1: 262143 were granted", frames)


def test_a_gigantic_body_is_refused_by_its_header_for_any_stream(make_side: Any, frame: Frame, frames: Frames) -> None:
    side = make_side()
    _violates(side, frame(DATA, 0, 1, length=0xFFFF_FFFF), "4294967295 bytes on stream 1, which is not open", frames)


def test_data_behind_the_end(make_side: Any, frame: Frame, frames: Frames) -> None:
    side = make_side()
    side.receive(frame(DATA, SYN | FIN, 1, body=b"x"))
    side.receive(frame(DATA, 0, 1))
    _violates(side, frame(DATA, 0, 1, body=b"y"), "1 bytes on stream 1 after its end", frames)


def test_a_window_raised_beyond_32_bits(make_side: Any, frame: Frame, frames: Frames) -> None:
    side = make_side()
    side.receive(frame(WINDOW_UPDATE, SYN, 1))
    side.receive(frame(WINDOW_UPDATE, 0, 1, 0xFFFF_FFFF - WINDOW))
    _violates(side, frame(WINDOW_UPDATE, 0, 1, 1), "window of stream 1 raised to 4294967296", frames)


def test_the_error_code_of_a_reset_is_no_window(make_side: Any, frame: Frame) -> None:
    side = make_side()
    side.receive(frame(WINDOW_UPDATE, SYN, 1) + frame(WINDOW_UPDATE, RST, 1, 0xFFFF_FFFF))
    assert side.opened[0].reset_by_peer
    assert side.opened[0].reset_code == 0xFFFF_FFFF


def test_the_length_of_a_reset_data_frame_is_its_body(make_side: Any, frame: Frame) -> None:
    side = make_side()
    side.receive(frame(WINDOW_UPDATE, SYN, 1) + frame(DATA, RST, 1, body=b"abc") + frame(WINDOW_UPDATE, SYN, 3))
    assert [stream.reset_by_peer for stream in side.opened] == [True, False]


def test_flags_that_say_nothing_are_ignored(make_side: Any, frame: Frame) -> None:
    side = make_side()
    side.receive(frame(WINDOW_UPDATE, SYN | ACK | 0xFFF0, 1))
    side.receive(frame(DATA, ACK, 1, body=b"x") + frame(PING, ACK, 0, 99) + frame(GO_AWAY, 0xFFFF, 0, 7))
    assert side.read_all(side.opened[0]) == b"x"
    assert side.session.remote_go_away == 7


def test_a_second_end_is_ignored(make_side: Any, frame: Frame) -> None:
    side = make_side()
    side.receive(frame(WINDOW_UPDATE, SYN, 1) + frame(WINDOW_UPDATE, FIN, 1) * 2)
    assert side.readable == [side.opened[0]]


def test_streams_refused_while_closing_carry_nothing(make_side: Any, frame: Frame) -> None:
    side = make_side(max_inbound_streams=0)
    side.receive(frame(DATA, SYN, 1, body=b"abc") + frame(DATA, 0, 1, body=b"def") + frame(WINDOW_UPDATE, FIN, 1))
    assert not side.opened
    assert side.session.refused == 1
    assert side.session.bytes_received == 0


def test_the_second_violation_says_goodbye_no_more(make_side: Any, frame: Frame, frames: Frames) -> None:
    side = make_side()
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            side.receive(frame(9))
    assert frames(side.flush()) == [(GO_AWAY, 0, 0, 1, b"")]
