"""Two sessions on a wire of virtual time: streams open, carry bytes, end."""

from collections.abc import Callable
from typing import Any

import pytest

from p2pstack.errors import ConnectionClosed, LimitExceeded, LocalProtocolError
from p2pstack.muxers.budget import ReceiveBudget
from p2pstack.muxers.yamux.config import INITIAL_WINDOW, YamuxConfig
from p2pstack.muxers.yamux.frames import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE, GoAwayCode

Frames = Callable[[bytes], list[tuple[int, int, int, int, bytes]]]


# --- opening


def test_a_stream_opens_with_one_frame_and_is_acknowledged_with_one(link: Any, frames: Frames) -> None:
    stream = link.dialer.session.open()
    assert link.dialer.session.streams.unacknowledged == 1
    syn = link.dialer.flush()
    assert frames(syn) == [(WINDOW_UPDATE, SYN, 1, 0, b"")]
    link.listener.receive(syn)
    assert [opened.id for opened in link.listener.opened] == [1]
    ack = link.listener.flush()
    assert frames(ack) == [(WINDOW_UPDATE, ACK, 1, 0, b"")]
    link.dialer.receive(ack)
    assert stream.acknowledged
    assert link.dialer.slots == 1
    assert link.dialer.session.streams.unacknowledged == 0


def test_the_dialer_counts_odd_and_the_listener_even(link: Any) -> None:
    assert [link.dialer.session.open().id for _ in range(3)] == [1, 3, 5]
    assert [link.listener.session.open().id for _ in range(3)] == [2, 4, 6]
    link.settle()
    assert [stream.id for stream in link.listener.opened] == [1, 3, 5]
    assert [stream.id for stream in link.dialer.opened] == [2, 4, 6]


def test_data_may_follow_before_the_acknowledgement(link: Any) -> None:
    stream = link.dialer.session.open()
    link.dialer.write_all(stream, b"hello")
    link.deliver(link.dialer, link.listener)
    assert link.listener.read_all(link.listener.opened[0]) == b"hello"


def test_the_backlog_of_unacknowledged_streams_is_bounded(make_link: Any) -> None:
    link = make_link(YamuxConfig(ack_backlog=2))
    session = link.dialer.session
    session.open()
    assert session.can_open
    session.open()
    assert not session.can_open
    link.settle()
    assert session.can_open


def test_a_refused_stream_frees_its_slot(make_link: Any) -> None:
    link = make_link(YamuxConfig(ack_backlog=1), YamuxConfig(max_inbound_streams=0))
    link.dialer.session.open()
    link.settle()
    assert link.dialer.session.can_open
    assert link.dialer.slots == 1
    link.assert_at_rest()


def test_streams_above_the_limit_are_reset(make_link: Any) -> None:
    link = make_link(None, YamuxConfig(max_inbound_streams=2))
    streams = [link.dialer.session.open() for _ in range(4)]
    for stream in streams:
        link.dialer.write_all(stream, b"early")
    link.settle()
    assert [stream.reset_by_peer for stream in streams] == [False, False, True, True]
    assert link.listener.session.refused == 2
    assert link.listener.session.streams.inbound == 2
    link.listener.session.reset(link.listener.opened[0])
    link.settle()
    assert not link.open()[0].ended


def test_this_side_opens_no_more_than_it_allows_itself(make_link: Any) -> None:
    link = make_link(YamuxConfig(max_outbound_streams=2))
    link.open()
    link.open()
    with pytest.raises(LimitExceeded, match="streams opened on one connection: limit 2, used 2"):
        link.dialer.session.open()


def test_ids_end_at_32_bits(link: Any) -> None:
    link.dialer.session.streams._next_id = 0xFFFF_FFFF
    assert link.dialer.session.open().id == 0xFFFF_FFFF
    with pytest.raises(LimitExceeded, match="connect anew"):
        link.dialer.session.open()


# --- bytes


def test_bytes_go_both_ways(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.write_all(ours, b"ping")
    link.settle()
    assert link.listener.read_all(theirs) == b"ping"
    link.listener.write_all(theirs, b"pong")
    link.settle()
    assert link.dialer.read_all(ours) == b"pong"
    for side in (link.dialer, link.listener):
        assert (side.session.bytes_sent, side.session.bytes_received) == (4, 4)


def test_a_burst_tells_the_reader_once(link: Any) -> None:
    ours, theirs = link.open()
    for _ in range(10):
        link.dialer.write_all(ours, bytes(2_000))
        link.deliver(link.dialer, link.listener)
    assert link.listener.readable == [theirs]
    assert len(link.listener.read_all(theirs)) == 20_000


def test_reads_as_small_as_asked(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.write_all(ours, b"abcdefg")
    link.settle()
    assert [link.listener.session.read(theirs, 3) for _ in range(4)] == [b"abc", b"def", b"g", b""]


def test_reading_no_byte_at_all_is_an_error_of_the_caller(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.write_all(ours, b"abc")
    link.settle()
    with pytest.raises(LocalProtocolError, match="at least one byte, got max_bytes=0"):
        link.listener.session.read(theirs, 0)
    assert link.listener.session.read(theirs, 3) == b"abc"


def test_small_chunks_are_gathered(link: Any, frame: Callable[..., bytes]) -> None:
    _, theirs = link.open()
    expected = bytes(number & 0xFF for number in range(40_000))
    link.listener.receive(b"".join(frame(DATA, 0, 1, body=expected[i : i + 1]) for i in range(len(expected))))
    assert len(theirs.inbox) < 10
    assert link.listener.session.read(theirs, 7) == expected[:1]  # the first came when there was nothing to add it to
    assert link.listener.session.read(theirs, 7) == expected[1:8]
    assert link.listener.read_all(theirs) == expected[8:]


def test_bytes_that_come_behind_a_chunk_read_in_part(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.write_all(ours, b"abc")
    link.deliver(link.dialer, link.listener)
    link.dialer.write_all(ours, b"def")
    link.deliver(link.dialer, link.listener)
    assert link.listener.session.read(theirs, 4) == b"abc"
    assert link.listener.session.read(theirs, 1) == b"d"
    link.dialer.write_all(ours, b"ghi")
    link.deliver(link.dialer, link.listener)
    assert link.listener.read_all(theirs) == b"efghi"


def test_what_was_unread_comes_first_and_counts_once(link: Any) -> None:
    ours, theirs = link.open()
    session = link.listener.session
    link.dialer.write_all(ours, b"abcdef")
    link.settle()
    data = session.read(theirs, 100)
    session.unread(theirs, b"")
    session.unread(theirs, data[2:])
    assert session._config.budget.used == 4
    assert link.listener.read_all(theirs) == b"cdef"
    assert session._config.budget.used == 0
    assert theirs.window.consumed == 6


def test_what_was_unread_of_a_stream_that_is_over_can_be_read(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.write_all(ours, b"abc")
    link.dialer.session.close_write(ours)
    link.listener.session.close_write(theirs)
    link.settle()
    link.listener.session.read(theirs, 10)
    assert theirs.ended
    link.listener.session.unread(theirs, b"bc")
    assert link.listener.read_all(theirs) == b"bc"
    link.assert_at_rest()


def test_an_empty_write_leaves_nothing_behind(link: Any) -> None:
    ours, _ = link.open()
    for _ in range(3):
        assert link.dialer.session.write(ours, b"") == 0
    assert not ours.outbox
    assert not link.dialer.session.wants_to_send


def test_what_is_left_of_a_turn_fills_the_buffer_once(make_side: Any) -> None:
    buffer = 1 << 20
    side = make_side(initiator=True, send_buffer=buffer, ack_backlog=300)
    streams = [side.session.open() for _ in range(200)]
    left = dict.fromkeys(streams, 132_000)
    waiting = list(streams)
    while any(left.values()):
        for stream in waiting:
            left[stream] -= side.session.write(stream, bytes(left[stream]))
            assert side.session.bytes_queued <= 2 * buffer
        side.writable.clear()
        side.session.data_to_send(0.0)
        side.listen()
        waiting = side.writable
    side.flush()
    for stream in streams * 2:
        side.session.write(stream, bytes(60_000))
        assert side.session.bytes_queued <= 2 * buffer


def test_a_small_message_stands_behind_two_frames_of_each_other_stream(make_side: Any) -> None:
    side = make_side(initiator=True, max_frame=1_024)
    bulk = [side.session.open() for _ in range(4)]
    small = side.session.open()
    side.flush()
    for stream in bulk:
        side.session.write(stream, bytes(200_000))
    side.session.data_to_send(0.0)
    side.session.write(small, b"small")
    assert b"small" in b"".join(side.session.data_to_send(0.0))


# --- windows


def test_the_window_is_never_exceeded(link: Any) -> None:
    ours, theirs = link.open()
    assert link.dialer.session.write(ours, bytes(1 << 20)) == INITIAL_WINDOW
    assert ours.wants_room
    link.settle()
    assert theirs.unread == INITIAL_WINDOW
    assert link.dialer.session.write(ours, b"more") == 0
    assert not link.dialer.writable


def test_an_unread_stream_gets_no_window_and_a_read_one_does(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.session.write(ours, bytes(1 << 20))
    link.settle()
    link.listener.session.read(theirs, 1_000)
    link.settle()
    assert ours.send_credit == 0
    link.listener.read_all(theirs)
    link.settle()
    assert ours.send_credit == INITIAL_WINDOW
    assert link.dialer.writable == [ours]


def test_an_update_comes_with_half_a_window_read(link: Any, frames: Frames) -> None:
    ours, theirs = link.open()
    link.dialer.session.write(ours, bytes(INITIAL_WINDOW))
    link.deliver(link.dialer, link.listener)
    read = 0
    while not link.listener.session.wants_to_send:
        read += len(link.listener.session.read(theirs, 1_000))
    assert 0 <= read - (INITIAL_WINDOW // 2 - 1_024) < 1_000
    sent = frames(link.listener.flush())
    assert (WINDOW_UPDATE, 0, 1, read, b"") in sent


def _pump(link: Any, ours: Any, theirs: Any, total: int) -> None:
    """Send `total` bytes as fast as the windows allow."""
    left = total
    while left or theirs.unread:
        left -= link.dialer.session.write(ours, bytes(min(left, 1 << 20)))
        link.deliver(link.dialer, link.listener)
        link.listener.read_all(theirs)
        link.deliver(link.listener, link.dialer)


def test_a_window_grows_with_the_round_trip_up_to_the_maximum(make_link: Any) -> None:
    link = make_link(YamuxConfig(send_buffer=8 << 20), YamuxConfig(max_window=4 << 20), delay=0.05)
    ours, theirs = link.open()
    _pump(link, ours, theirs, 64 << 20)
    assert theirs.window.size == 4 << 20
    assert ours.send_credit <= 4 << 20
    assert link.listener.session.liveness.rtt == pytest.approx(0.1)


def test_a_window_does_not_grow_while_applications_hold_half_of_the_budget(make_link: Any) -> None:
    budget = ReceiveBudget(8 << 20)
    link = make_link(None, YamuxConfig(budget=budget), delay=0.05)
    ours, theirs = link.open()
    budget.take(5 << 20)
    _pump(link, ours, theirs, 4 << 20)
    assert theirs.window.size == INITIAL_WINDOW
    budget.release(5 << 20)
    _pump(link, ours, theirs, 4 << 20)
    assert theirs.window.size > INITIAL_WINDOW


def test_a_stream_beyond_the_budget_is_reset_and_says_why(make_link: Any) -> None:
    budget = ReceiveBudget(10_000)
    link = make_link(None, YamuxConfig(budget=budget))
    ours, theirs = link.open()
    other, kept = link.open()
    link.dialer.write_all(other, bytes(4_000))
    link.dialer.write_all(ours, bytes(6_001))
    link.settle()
    assert isinstance(theirs.error, LimitExceeded)
    assert theirs.error.__traceback__ is None  # it would hold on to the very bytes there is no room for
    assert theirs.reset_here
    assert ours.reset_by_peer
    assert (budget.used, budget.refused) == (4_000, 1)
    assert len(link.listener.read_all(kept)) == 4_000


# --- ends


@pytest.mark.parametrize("first", ["dialer", "listener"])
def test_half_closes_in_either_order_end_the_stream(link: Any, first: str) -> None:
    streams = dict(zip(("dialer", "listener"), link.open(), strict=True))
    second = "listener" if first == "dialer" else "dialer"
    one, other = getattr(link, first), getattr(link, second)
    one.write_all(streams[first], b"question")
    one.session.close_write(streams[first])
    link.settle()
    assert other.read_all(streams[second]) == b"question"
    assert streams[second].fin_received
    assert not streams[second].ended
    other.write_all(streams[second], b"answer")
    other.session.close_write(streams[second])
    link.settle()
    assert streams[second].ended
    assert not streams[first].ended
    assert one.read_all(streams[first]) == b"answer"
    assert streams[first].ended
    link.assert_at_rest()


def test_a_stream_is_kept_until_all_was_read(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.write_all(ours, b"abc")
    link.dialer.session.close_write(ours)
    link.listener.session.close_write(theirs)
    link.settle()
    assert ours.ended
    assert not theirs.ended
    assert link.listener.session.streams.inbound == 1
    link.listener.read_all(theirs)
    assert theirs.ended


def test_closing_twice_sends_one_end(link: Any, frames: Frames) -> None:
    ours, _ = link.open()
    link.dialer.session.close_write(ours)
    link.dialer.session.close_write(ours)
    assert frames(link.dialer.flush()) == [(WINDOW_UPDATE, FIN, 1, 0, b"")]
    link.dialer.session.close_write(ours)
    assert not link.dialer.session.wants_to_send


def test_the_end_comes_after_data_that_waited_for_the_window(link: Any, frames: Frames) -> None:
    ours, _ = link.open()
    link.dialer.session.write(ours, bytes(INITIAL_WINDOW))
    link.dialer.session.close_write(ours)
    sent = frames(link.dialer.flush())
    assert sum(len(body) for *_, body in sent) == INITIAL_WINDOW
    assert sent[-1] == (WINDOW_UPDATE, FIN, 1, 0, b"")
    assert not any(flags for _, flags, *_ in sent[:-1])


@pytest.mark.parametrize("resetter", ["dialer", "listener"])
def test_a_reset_ends_both_sides_and_drops_what_is_queued_and_unread(link: Any, resetter: str) -> None:
    ours, theirs = link.open()
    link.dialer.write_all(ours, b"unread")
    link.listener.write_all(theirs, b"unread")
    link.settle()
    link.dialer.write_all(ours, b"queued")
    link.listener.write_all(theirs, b"queued")
    side, stream = (link.dialer, ours) if resetter == "dialer" else (link.listener, theirs)
    link.dialer.readable.clear()
    link.listener.readable.clear()
    side.session.reset(stream)
    side.session.reset(stream)
    link.settle()
    assert ours.ended
    assert theirs.ended
    assert (ours.reset_here, theirs.reset_by_peer) == (resetter == "dialer",) * 2
    assert link.dialer.readable == [ours]
    assert link.listener.readable == [theirs]
    assert link.dialer.read_all(ours) == link.listener.read_all(theirs) == b""
    link.assert_at_rest()


def test_a_reset_tells_a_waiting_writer(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.session.write(ours, bytes(1 << 20))
    link.settle()
    link.listener.session.reset(theirs)
    link.settle()
    assert link.dialer.writable == [ours]


def test_a_reset_carries_the_code_of_the_application(link: Any, frames: Frames) -> None:
    ours, theirs = link.open()
    link.dialer.session.reset(ours, 0xFFFF_FFFF)
    data = link.dialer.flush()
    assert frames(data) == [(WINDOW_UPDATE, RST, 1, 0xFFFF_FFFF, b"")]
    link.listener.receive(data)
    assert theirs.reset_by_peer
    assert theirs.reset_code == ours.reset_code == 0xFFFF_FFFF


@pytest.mark.parametrize("code", [-1, 1 << 32])
def test_a_code_that_does_not_fit_is_refused(link: Any, code: int) -> None:
    ours, _ = link.open()
    with pytest.raises(LocalProtocolError, match=f"expected an error code of 0 to 4294967295, got {code}"):
        link.dialer.session.reset(ours, code)
    assert not ours.ended


def test_a_reset_on_a_data_frame_resets_once_its_body_has_come(link: Any, frame: Callable[..., bytes]) -> None:
    _, theirs = link.open()
    data = frame(DATA, RST, 1, body=b"abc")
    link.listener.receive(data[:-1])
    assert not theirs.ended
    link.listener.receive(data[-1:])
    assert theirs.reset_by_peer
    assert theirs.reset_code == 0
    link.open()


def test_an_end_on_a_data_frame_comes_after_its_body(link: Any, frame: Callable[..., bytes]) -> None:
    _, theirs = link.open()
    data = frame(DATA, FIN, 1, body=b"abc")
    link.listener.receive(data[:-1])
    assert not theirs.fin_received
    link.listener.receive(data[-1:])
    assert theirs.fin_received
    assert link.listener.read_all(theirs) == b"abc"


def test_a_stream_opens_carries_and_ends_in_one_frame(link: Any, frame: Callable[..., bytes]) -> None:
    link.listener.receive(frame(DATA, SYN | FIN, 1, body=b"abc"))
    (stream,) = link.listener.opened
    assert stream.fin_received
    assert link.listener.read_all(stream) == b"abc"


def test_what_ended_before_the_reset_stays_readable(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.write_all(ours, b"whole")
    link.dialer.session.close_write(ours)
    link.settle()
    link.dialer.session.reset(ours)
    link.settle()
    assert theirs.reset_by_peer
    assert theirs.fin_received
    link.assert_at_rest()
    assert link.listener.read_all(theirs) == b"whole"


def test_a_reset_here_drops_even_what_ended(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.write_all(ours, b"whole")
    link.dialer.session.close_write(ours)
    link.settle()
    link.listener.session.reset(theirs)
    link.settle()
    assert link.listener.read_all(theirs) == b""
    link.assert_at_rest()


def test_frames_for_a_stream_that_ended_here_are_dropped(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.write_all(ours, bytes(100_000))
    link.listener.session.reset(theirs)
    link.deliver(link.dialer, link.listener)
    link.dialer.session.close_write(ours)
    link.settle()
    assert link.listener.session.bytes_received == 0
    link.assert_at_rest()
    link.open()


def test_a_body_cut_by_the_reset_of_its_stream_is_dropped(link: Any, frame: Callable[..., bytes]) -> None:
    _, theirs = link.open()
    data = frame(DATA, 0, 1, body=bytes(100))
    link.listener.receive(data[:50])
    link.listener.session.reset(theirs)
    link.listener.receive(data[50:] + frame(PING, SYN, 0, 7))
    assert link.listener.session.bytes_received == 38
    link.settle()
    link.assert_at_rest()


def test_a_stream_closed_here_drops_what_comes_until_it_ends(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.write_all(ours, b"unread")
    link.settle()
    link.listener.session.close_read(theirs, 0.0)
    link.listener.session.close_read(theirs, 1.0)
    link.listener.session.close_write(theirs)
    link.dialer.write_all(ours, b"too late")
    link.settle()
    assert link.listener.read_all(theirs) == b""
    assert theirs.closed_at == 0.0
    assert not theirs.ended
    link.dialer.session.close_write(ours)
    link.settle()
    assert theirs.ended
    link.assert_at_rest()


def test_a_stream_closed_here_gets_no_more_window(link: Any) -> None:
    ours, theirs = link.open()
    link.dialer.session.write(ours, bytes(INITIAL_WINDOW))
    link.settle()
    link.listener.read_all(theirs)
    link.listener.session.close_read(theirs, 0.0)
    link.settle()
    assert ours.send_credit == 0


def test_a_stream_closed_here_lingers_and_is_then_reset(make_link: Any) -> None:
    link = make_link(None, YamuxConfig(linger=5.0))
    ours, theirs = link.open()
    session = link.listener.session
    session.close_write(theirs)
    session.close_read(theirs, 10.0)
    assert session.deadline == 15.0
    session.on_deadline(14.9)
    assert not theirs.ended
    session.on_deadline(15.0)
    link.settle()
    assert theirs.reset_here
    assert ours.reset_by_peer
    link.assert_at_rest()


def test_what_is_due_at_a_deadline_is_done_then_however_times_are_rounded(make_link: Any) -> None:
    link = make_link(None, YamuxConfig(linger=10.0, keepalive_interval=3600.0))
    _, theirs = link.open()
    session = link.listener.session
    session.close_write(theirs)
    session.close_read(theirs, 13.37)
    due = session.deadline
    assert due - 13.37 < 10.0  # by the last bit
    session.on_deadline(due)
    assert theirs.reset_here
    assert session.deadline > due


# --- room in the outbox


def test_writers_wait_above_the_high_water_mark_and_are_told_at_half(make_link: Any) -> None:
    link = make_link(YamuxConfig(send_buffer=200_000), YamuxConfig())
    session = link.dialer.session
    ours, _ = link.open()
    assert session.write(ours, bytes(INITIAL_WINDOW)) == 200_000
    assert session.write(ours, b"more") == 0
    session.data_to_send(0.0, 65_519)
    link.dialer.listen()
    assert not link.dialer.writable
    session.data_to_send(0.0, 65_519)
    link.dialer.listen()
    assert link.dialer.writable == [ours]


def test_a_small_message_finds_room_where_large_ones_wait(make_link: Any) -> None:
    link = make_link(YamuxConfig(send_buffer=100_000), YamuxConfig())
    session = link.dialer.session
    large, small = link.open()[0], link.open()[0]
    assert session.write(large, bytes(150_000)) == 100_000
    assert session.write(small, bytes(4_096)) == 4_096
    assert session.write(small, b"more") == 0


def test_many_writers_queue_little_more_than_the_buffer(make_link: Any) -> None:
    link = make_link(YamuxConfig(send_buffer=1 << 20), YamuxConfig())
    session = link.dialer.session
    streams = [link.open()[0] for _ in range(200)]
    for _ in range(10):
        for stream in streams:
            session.write(stream, bytes(INITIAL_WINDOW))
            assert session.bytes_queued <= (1 << 20) + 65_536
        session.data_to_send(0.0)
        link.dialer.listen()


def test_writers_take_turns(make_link: Any) -> None:
    link = make_link(YamuxConfig(send_buffer=1 << 20), YamuxConfig())
    session = link.dialer.session
    waiting = [link.open()[0] for _ in range(200)]
    sent = dict.fromkeys(waiting, 0)
    for stream in waiting:
        stream.send_credit = 1 << 31
    while sum(sent.values()) < 200 << 20:
        for stream in waiting:
            while size := session.write(stream, bytes(65_536)):  # until it has to wait
                sent[stream] += size
        link.dialer.writable.clear()
        while not link.dialer.writable:
            session.data_to_send(0.0)
            link.dialer.listen()
        waiting = list(link.dialer.writable)
        assert len(waiting) <= 16
    # The first took all there was before others came; from then on each gets its 64 KiB in turn.
    assert max(sent.values()) - min(sent.values()) <= (1 << 20) + 2 * 65_536
    assert sorted(sent.values())[-2] - min(sent.values()) <= 2 * 65_536


def test_all_who_wait_are_told_when_nothing_is_left_to_send(make_link: Any) -> None:
    link = make_link(YamuxConfig(send_buffer=100_000), YamuxConfig())
    session = link.dialer.session
    streams = [link.open()[0] for _ in range(50)]
    for stream in streams:
        session.write(stream, bytes(100_000))
    link.dialer.flush()  # nobody writes when told: all of them were cancelled, say
    assert link.dialer.writable == streams[1:]
    assert sum(session.write(stream, bytes(100_000)) for stream in streams) <= 200_000 + 65_536


def test_a_waiting_writer_is_told_once_however_often_it_tries(make_link: Any) -> None:
    link = make_link(YamuxConfig(send_buffer=1), YamuxConfig())
    ours, _ = link.open()
    link.dialer.session.write(ours, bytes(100_000))
    for _ in range(5):
        assert link.dialer.session.write(ours, bytes(100_000)) == 0
    link.dialer.flush()
    assert link.dialer.writable == [ours]


def test_the_reset_of_the_stream_that_crowds_the_outbox_tells_the_others(make_link: Any) -> None:
    link = make_link(YamuxConfig(send_buffer=100_000), YamuxConfig())
    session = link.dialer.session
    crowding, waiting = link.open()[0], link.open()[0]
    session.write(crowding, bytes(100_000))
    assert session.write(waiting, bytes(100_000)) == 0
    session._life.reset_by_peer(crowding, 0)
    assert not session.wants_to_send  # and nothing else would ever tell it
    link.dialer.listen()
    assert link.dialer.writable == [waiting]


# --- the session


def test_pings_are_answered(link: Any, frame: Callable[..., bytes], frames: Frames) -> None:
    link.listener.receive(frame(PING, SYN, 0, 0xDEAD))
    assert frames(link.listener.flush()) == [(PING, ACK, 0, 0xDEAD, b"")]


def test_more_pings_than_the_queue_holds_get_no_answer(link: Any, frame: Callable[..., bytes], frames: Frames) -> None:
    link.listener.receive(frame(PING, SYN, 0, 1) * 1_000)
    assert len(frames(link.listener.flush())) == 32
    assert link.listener.session.liveness.ignored == 968
    link.listener.receive(frame(PING, SYN, 0, 1))
    assert len(frames(link.listener.flush())) == 1


def test_a_ping_measures_the_round_trip(make_link: Any) -> None:
    link = make_link(delay=0.25)
    link.dialer.session.ping(link.now)
    link.settle()
    assert link.dialer.session.liveness.rtt == 0.5


def test_an_idle_connection_pings_and_a_dead_one_ends(link: Any, frames: Frames) -> None:
    session = link.dialer.session
    assert session.deadline == 30.0
    session.on_deadline(29.0)
    assert not session.wants_to_send
    session.on_deadline(30.0)
    assert frames(link.dialer.flush()) == [(PING, SYN, 0, 1, b"")]
    assert session.deadline == 40.0
    with pytest.raises(ConnectionClosed, match="answers no ping: taken for dead"):
        session.on_deadline(40.0)


def test_too_many_answers_waiting_are_a_congestion(make_side: Any, frame: Callable[..., bytes]) -> None:
    side = make_side(control_queue=1_200)
    side.receive(b"".join(frame(WINDOW_UPDATE, SYN, 2 * n + 1) for n in range(100)))
    assert not side.session.congested
    side.receive(frame(WINDOW_UPDATE, SYN, 201))
    assert side.session.congested
    side.flush()
    assert not side.session.congested


def test_after_our_goodbye_no_stream_opens_and_those_open_go_on(link: Any, frames: Frames) -> None:
    ours, theirs = link.open()
    link.dialer.session.go_away(GoAwayCode.NORMAL)
    link.dialer.session.go_away(GoAwayCode.INTERNAL_ERROR)
    link.listener.session.open()
    data = link.dialer.flush()
    assert frames(data) == [(GO_AWAY, 0, 0, 0, b"")]
    link.deliver(link.listener, link.dialer)
    assert not link.dialer.opened
    assert link.dialer.session.refused == 1
    link.listener.receive(data)
    assert link.listener.session.remote_go_away == 0
    with pytest.raises(ConnectionClosed, match="this side is closing"):
        link.dialer.session.open()
    with pytest.raises(ConnectionClosed, match="the peer is closing"):
        link.listener.session.open()
    link.dialer.write_all(ours, b"still")
    link.settle()
    assert link.listener.read_all(theirs) == b"still"


def test_a_goodbye_wakes_who_waits_to_open(make_link: Any, frame: Callable[..., bytes]) -> None:
    link = make_link(YamuxConfig(ack_backlog=1))
    link.dialer.session.open()
    assert not link.dialer.session.can_open
    link.dialer.receive(frame(GO_AWAY))
    assert link.dialer.slots == 1
    assert link.dialer.session.can_open


def test_abandoning_tells_all_and_leaves_what_came(link: Any) -> None:
    ours, theirs = link.open()
    waiting, _ = link.open()
    link.dialer.write_all(ours, b"came")
    link.settle()
    link.listener.session.write(theirs, b"queued")
    link.dialer.session.write(waiting, bytes(1 << 20))
    link.dialer.readable.clear()
    for side in (link.dialer, link.listener):
        side.session.abandon()
        side.listen()
        side.session.abandon()
    assert link.dialer.readable == [ours, waiting]
    assert link.dialer.writable == [waiting]
    assert ours.ended
    assert theirs.ended
    link.assert_at_rest()
    assert link.listener.read_all(theirs) == b"came"
