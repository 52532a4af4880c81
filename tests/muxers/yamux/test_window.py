"""The receive window: what is read is given back, and a window that slows its stream down grows."""

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.muxers.yamux.config import INITIAL_WINDOW
from p2pstack.muxers.yamux.window import ReceiveWindow


def _use(window: ReceiveWindow, size: int) -> None:
    window.credit -= size
    window.consumed += size


def test_an_update_is_due_when_half_was_read() -> None:
    window = ReceiveWindow(1 << 20)
    window.consumed = (1 << 19) - 1_025
    assert not window.due
    window.consumed = (1 << 19) - 1_024
    assert window.due


def test_two_full_records_are_half_of_the_first_window() -> None:
    window = ReceiveWindow(INITIAL_WINDOW)
    window.consumed = 2 * 65_507
    assert window.due


def test_gives_back_what_was_read() -> None:
    window = ReceiveWindow(100)
    _use(window, 60)
    assert window.grant(1.0, None, 1000) == 60
    assert (window.credit, window.size, window.consumed) == (100, 100, 0)


def test_doubles_when_half_a_window_lasts_less_than_a_round_trip() -> None:
    window = ReceiveWindow(100)
    _use(window, 50)
    window.grant(0.0, 0.1, 1000)
    _use(window, 50)
    assert window.grant(0.099, 0.1, 1000) == 150
    assert (window.credit, window.size) == (200, 200)


def test_a_small_window_doubles_when_all_of_it_was_used_up_within_eight_round_trips() -> None:
    window = ReceiveWindow(100)
    window.grant(0.0, 0.1, 1000)
    _use(window, 99)
    assert window.grant(0.79, 0.1, 1000) == 99  # the peer had something left
    _use(window, 100)
    assert window.grant(2 * 0.79, 0.1, 1000) == 200
    _use(window, 200)
    assert window.grant(2 * 0.79 + 0.81, 0.1, 1000) == 200
    assert window.size == 200


def test_a_large_window_does_not_grow_only_because_it_was_used_up() -> None:
    window = ReceiveWindow(1 << 20)
    window.grant(0.0, 0.1, 1 << 24)
    _use(window, 1 << 20)
    assert window.grant(0.2, 0.1, 1 << 24) == 1 << 20


def test_does_not_grow_for_a_slow_stream_nor_without_a_measured_round_trip() -> None:
    window = ReceiveWindow(100)
    window.grant(0.0, 0.1, 1000)
    _use(window, 50)
    assert window.grant(0.2, 0.1, 1000) == 50
    _use(window, 50)
    assert window.grant(0.21, None, 1000) == 50
    assert window.size == 100


def test_does_not_grow_at_the_first_update_whose_pace_is_not_known() -> None:
    window = ReceiveWindow(100)
    _use(window, 50)
    assert window.grant(0.0, 0.1, 1000) == 50


def test_grows_up_to_the_maximum() -> None:
    window = ReceiveWindow(100)
    for _ in range(10):
        _use(window, window.size // 2)
        window.grant(0.0, 0.1, 350)
    assert window.size == window.credit == 350


@given(st.lists(st.tuples(st.integers(0, INITIAL_WINDOW), st.floats(0, 1)), max_size=50))
def test_never_grants_more_than_was_read_and_grown(steps: list[tuple[int, float]]) -> None:
    window = ReceiveWindow(INITIAL_WINDOW)
    now = 0.0
    for size, pause in steps:
        _use(window, min(size, window.credit))
        now += pause
        if window.due:
            window.grant(now, 0.1, 1 << 20)
        assert 0 <= window.credit == window.size - window.consumed
        assert window.size <= 1 << 20
