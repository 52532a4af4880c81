"""What waits to be sent: whole frames, in records, in turns."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.muxers.yamux.frames import DATA, FIN, HEADER, PING, WINDOW_UPDATE
from p2pstack.muxers.yamux.outbox import Outbox
from p2pstack.muxers.yamux.state import StreamState

Frames = Callable[[bytes], list[tuple[int, int, int, int, bytes]]]


def _stream(number: int) -> StreamState:
    return StreamState(number, outbound=True)


def _add(outbox: Outbox, stream: StreamState, data: bytes) -> None:
    """As `Session.write` does."""
    stream.outbox.append(data)
    stream.queued += len(data)
    outbox.queued += len(data)
    if not stream.scheduled:
        outbox.schedule(stream)


def _drain(outbox: Outbox, limit: int = 131_000) -> list[bytes]:
    chunks: list[bytes] = []
    while outbox:
        chunks += outbox.take(limit)[0]
    return chunks


def test_small_writes_merge_into_one_frame(frames: Frames) -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    stream = _stream(1)
    for letter in b"abc":
        _add(outbox, stream, bytes([letter]))
    assert outbox.queued == 3
    (chunk,) = outbox.take(1000)[0]
    assert frames(chunk) == [(DATA, 0, 1, 3, b"abc")]
    assert (outbox.queued, stream.queued, bool(outbox)) == (0, 0, False)


def test_control_frames_overtake_data(frames: Frames) -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    _add(outbox, _stream(1), b"data")
    outbox.control += HEADER.pack(0, PING, 1, 0, 7)
    (chunk,) = outbox.take(1000)[0]
    assert [kind for kind, *_ in frames(chunk)] == [PING, DATA]


def test_control_frames_are_never_split_over_records() -> None:
    outbox = Outbox(record_size=100, max_frame=65_507)
    for number in range(20):
        outbox.control += HEADER.pack(0, PING, 1, 0, number)
    chunks, _ = outbox.take(1)
    assert [len(chunk) for chunk in chunks] == [96, 96, 48]


def test_one_frame_fills_one_record() -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    _add(outbox, _stream(1), bytes(65_507 * 3))
    assert [len(chunk) for chunk in outbox.take(1 << 20)[0]] == [65_519] * 3


@pytest.mark.parametrize("at_a_time", [None, 1 << 20])
def test_streams_take_turns_of_two_records(frames: Frames, at_a_time: int | None) -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    for number in (1, 3, 5):
        _add(outbox, _stream(number), bytes(5 * 65_507))
    chunks = _drain(outbox) if at_a_time is None else _drain(outbox, at_a_time)
    order = [(stream_id, size) for chunk in chunks for _, _, stream_id, size, _ in frames(chunk)]
    assert order == [(n, 65_507) for n in (1, 1, 3, 3, 5, 5) * 2 + (1, 3, 5)]


def test_small_messages_go_first_but_not_for_ever(frames: Frames) -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    bulk = _stream(1)
    _add(outbox, bulk, bytes(1 << 20))
    for number in range(3, 203, 2):
        _add(outbox, _stream(number), b"small")
    order = [stream_id for chunk in outbox.take(131_000)[0] for _, _, stream_id, _, _ in frames(chunk)]
    assert sorted(order[:32]) == list(range(3, 67, 2))
    assert set(order[32:]) == {1}
    order = [stream_id for chunk in outbox.take(131_000)[0] for _, _, stream_id, _, _ in frames(chunk)]
    assert order[:68] == list(range(67, 203, 2))
    assert set(order[68:]) == {1}


def test_turns_go_on_where_the_last_batch_stopped(frames: Frames) -> None:
    outbox = Outbox(record_size=2_048, max_frame=1_000)
    for number in (1, 3, 5):
        _add(outbox, _stream(number), bytes(4_000))
    seen = [frames(b"".join(outbox.take(1)[0]))[0][2] for _ in range(6)]
    assert sorted(seen[:3]) == sorted(seen[3:]) == [1, 3, 5]


def test_the_rest_of_a_write_goes_with_the_next_where_its_writer_waits(frames: Frames) -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    first, second = _stream(1), _stream(3)
    for stream in (first, second):
        _add(outbox, stream, bytes(65_536))
        stream.wants_room = True
    sizes = [[frame[2:4] for frame in frames(chunk)] for chunk in outbox.take(131_000)[0]]
    assert sizes == [[(1, 65_507)], [(3, 65_507)]]
    _add(outbox, first, bytes(65_536))
    sizes = [[frame[2:4] for frame in frames(chunk)] for chunk in outbox.take(131_000)[0]]
    assert sizes == [[(1, 65_507)]]
    assert [(frame[2], frame[3]) for chunk in _drain(outbox) for frame in frames(chunk)] == [(1, 58), (3, 29)]


@pytest.mark.parametrize("reason", ["no writer waits", "the window is shut"])
def test_the_rest_of_a_write_waits_for_nothing_else(frames: Frames, reason: str) -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    for stream in (_stream(1), _stream(3)):
        _add(outbox, stream, bytes(65_536))
        if reason == "the window is shut":
            stream.wants_room = True
            stream.send_credit = 0
    sent = [(frame[2], frame[3]) for chunk in outbox.take(1 << 20)[0] for frame in frames(chunk)]
    assert sent == [(1, 65_507), (1, 29), (3, 65_466), (3, 70)]


def test_a_batch_is_about_as_large_as_asked() -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    _add(outbox, _stream(1), bytes(1 << 20))
    assert sum(map(len, outbox.take(131_000)[0])) == 2 * 65_519


def test_the_end_is_a_window_update_of_its_own_behind_all_data(frames: Frames) -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    stream = _stream(1)
    _add(outbox, stream, bytes(100_000))
    outbox.finish(stream)
    chunks, finished = outbox.take(1 << 20)
    sent = [frame for chunk in chunks for frame in frames(chunk)]
    assert [(kind, flags, length) for kind, flags, _, length, _ in sent] == [
        (DATA, 0, 65_507),
        (DATA, 0, 34_493),
        (WINDOW_UPDATE, FIN, 0),
    ]
    assert finished == [stream]
    assert not outbox


@pytest.mark.parametrize("left", range(14))
def test_an_end_that_has_no_room_in_the_record_opens_the_next(left: int, frames: Frames) -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    stream = _stream(1)
    _add(outbox, stream, bytes(65_507 - left))
    outbox.finish(stream)
    chunks, finished = outbox.take(1 << 20)
    assert all(len(chunk) <= 65_519 for chunk in chunks)
    assert [kind for chunk in chunks for kind, *_ in frames(chunk)] == [DATA, WINDOW_UPDATE]
    assert finished == [stream]
    assert not outbox


def test_an_end_that_does_not_fit_the_batch_goes_with_the_next(frames: Frames) -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    stream = _stream(1)
    _add(outbox, stream, bytes(65_507))
    outbox.finish(stream)
    _, finished = outbox.take(65_519)
    assert not finished
    assert outbox
    chunks, finished = outbox.take(65_519)
    assert frames(b"".join(chunks)) == [(WINDOW_UPDATE, FIN, 1, 0, b"")]
    assert finished == [stream]


def test_many_ends_at_once_fill_records(frames: Frames) -> None:
    outbox = Outbox(record_size=2_048, max_frame=65_507)
    for number in range(1, 2_001, 2):
        outbox.finish(_stream(number))
    chunks = _drain(outbox)
    assert all(len(chunk) <= 2_048 for chunk in chunks)
    assert [f[2] for chunk in chunks for f in frames(chunk)] == [*range(63, 0, -2), *range(65, 2_001, 2)]


def test_what_is_dropped_is_not_sent(frames: Frames) -> None:
    outbox = Outbox(record_size=65_519, max_frame=65_507)
    gone, stays = _stream(1), _stream(3)
    _add(outbox, gone, b"gone")
    _add(outbox, stays, b"stays")
    outbox.finish(gone)
    outbox.drop(gone)
    outbox.drop(gone)
    assert outbox.queued == 5
    assert [frame[2] for chunk in _drain(outbox) for frame in frames(chunk)] == [3]


@given(
    record_size=st.sampled_from([64, 600, 1_100, 2_048, 65_519]),
    max_frame=st.sampled_from([1, 100, 1_500, 65_507]),
    limit=st.sampled_from([1, 1_000, 131_000]),
    control=st.integers(0, 300),
    writes=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3_000)), max_size=30),
    finish=st.sets(st.integers(0, 3)),
)
def test_every_byte_goes_once_in_order_in_whole_frames_within_records(
    record_size: int,
    max_frame: int,
    limit: int,
    control: int,
    writes: list[tuple[int, int]],
    finish: set[int],
    frames: Frames,
) -> None:
    outbox = Outbox(record_size=record_size, max_frame=max_frame)
    streams = [_stream(number) for number in (1, 3, 5, 7)]
    expected = {stream.id: b"" for stream in streams}
    outbox.control += HEADER.pack(0, PING, 1, 0, 1) * control
    for number, (which, size) in enumerate(writes):
        data = bytes([number]) * size
        _add(outbox, streams[which], data)
        expected[streams[which].id] += data
    for which in finish:
        outbox.finish(streams[which])
    received = {stream.id: b"" for stream in streams}
    ended: list[int] = []
    pings = 0
    for chunk in _drain(outbox, limit):
        assert 0 < len(chunk) <= record_size
        for kind, _, stream_id, size, body in frames(chunk):
            if kind == PING:
                pings += 1
            elif kind == DATA:
                assert 0 < size <= max_frame
                assert stream_id not in ended
                received[stream_id] += body
            else:
                ended.append(stream_id)
    assert received == expected
    assert pings == control
    assert sorted(ended) == sorted(streams[which].id for which in finish)
    assert outbox.queued == 0
