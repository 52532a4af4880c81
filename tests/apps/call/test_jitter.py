"""The jitter buffer, in virtual time."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.apps.call.jitter import CAPACITY, MAX_MARGIN, MIN_MARGIN, WINDOW, JitterBuffer
from p2pstack.apps.call.messages import FRAME


def play(arrivals: list[tuple[float, int]], *, until: float, phase: float = 0.013) -> tuple[JitterBuffer, list[int]]:
    """Frames that come at times, asked for every 20 ms: the numbers that were played; -1 where nothing was."""
    buffer, played, waiting = JitterBuffer(), [], sorted(arrivals)
    ticks = int(until / FRAME)
    for tick in range(ticks):
        now = phase + tick * FRAME
        while waiting and waiting[0][0] <= now:
            at, number = waiting.pop(0)
            buffer.put(number, number, b"%d" % number, at)
        frame = buffer.take(now)
        played.append(-1 if frame is None else frame[0])
    return buffer, played


def test_on_a_steady_network_all_is_played_in_order_and_soon() -> None:
    buffer, played = play([(5 + number * FRAME, number) for number in range(200)], until=10)
    assert [number for number in played if number >= 0] == list(range(200))
    first = played.index(0) * FRAME + 0.013
    assert 5 + MIN_MARGIN <= first <= 5 + MIN_MARGIN + FRAME
    assert buffer.concealed <= MAX_MARGIN / FRAME + 1  # after the end
    assert (buffer.received, buffer.late, buffer.skipped, buffer.loss) == (200, 0, 0, 0.0)


def test_the_margin_grows_with_the_jitter_and_shrinks_with_it() -> None:
    random = Random(1)
    rough = [(1 + number * FRAME + random.uniform(0, 0.1), number) for number in range(500)]
    buffer, played = play(rough, until=10.9)
    assert 0.08 <= buffer.margin <= 0.1
    heard = [number for number in played if number >= 0]
    assert heard == sorted(heard)
    assert len(heard) > 440
    assert len([number for number in heard if number >= WINDOW]) > 0.93 * (500 - WINDOW)
    smooth = [(1 + number * FRAME, number) for number in range(500, 1_500)]
    buffer, played = play(rough + smooth, until=30.9)
    assert buffer.margin == MIN_MARGIN
    assert buffer.skipped > 0  # the delay became shorter
    assert played[-60:] == list(range(played[-60], played[-60] + 60))


def test_what_does_not_come_is_made_up_and_what_comes_late_is_left_out() -> None:
    arrivals = [(1 + number * FRAME, number) for number in range(100) if number not in (40, 50)]
    buffer, played = play([*arrivals, (1 + 50 * FRAME + 0.2, 50)], until=3.2)
    assert 40 not in played
    assert 50 not in played
    assert played[played.index(39) + 1] == -1
    assert buffer.late == 1
    assert buffer.loss == 0.02


def test_a_network_that_stood_still_loses_nothing() -> None:
    stood_still = 1 + 50 * FRAME + 0.1
    arrivals = [(max(1 + number * FRAME, stood_still * (number >= 50)), number) for number in range(150)]
    buffer, played = play(arrivals, until=4.5)
    heard = [number for number in played if number >= 0]
    assert heard == sorted(set(heard))
    assert buffer.late == 0
    assert buffer.loss == 0
    assert 1 <= buffer.skipped <= 6  # the delay it caused is made up for, bit by bit
    assert len(heard) == 150 - buffer.skipped


def test_after_a_long_silence_it_begins_anew() -> None:
    arrivals = [(1 + number * FRAME, number) for number in range(50)]
    arrivals += [(11 + number * FRAME, number) for number in range(50, 100)]  # a sender that stood still for 9 s
    _, played = play(arrivals, until=13.5)
    assert [number for number in played if number >= 0] == list(range(100))


def test_what_comes_twice_is_played_once() -> None:
    _, played = play([(1 + number * FRAME + again, number) for number in range(20) for again in (0, 0.001)], until=2)
    assert [number for number in played if number >= 0] == list(range(20))


def test_too_much_at_once_is_left_out_oldest_first() -> None:
    buffer = JitterBuffer()
    for number in range(1_000):
        buffer.put(number, number, b"x", 1.0)
        assert buffer.waiting <= CAPACITY
    assert buffer.skipped == 1_000 - CAPACITY


def test_a_turn_that_is_far_behind_is_caught_up_with() -> None:
    buffer = JitterBuffer()
    for number in range(50):
        buffer.put(number, number, b"x", number * FRAME)
    assert buffer.take(0.05) == (0, b"x")
    frame = buffer.take(0.9)  # nobody asked for a while
    assert frame is not None
    assert frame[0] >= 40


@given(
    frames=st.lists(st.tuples(st.integers(0, 400), st.floats(0, 3)), max_size=150),
    strange=st.lists(st.integers(0, (1 << 32) - 1), max_size=3),
)
def test_whatever_comes_it_is_played_in_order_once_and_bounded(
    frames: list[tuple[int, float]], strange: list[int]
) -> None:
    arrivals = [(at, number) for number, at in frames] + [(1.5, number) for number in strange]
    buffer, played = play(arrivals, until=5)
    heard = [number for number in played if number >= 0]
    assert len(heard) == len(set(heard)) or any(at > MAX_MARGIN + 1 for at, _ in arrivals)
    assert buffer.waiting <= CAPACITY
    assert MIN_MARGIN <= buffer.margin <= MAX_MARGIN
    assert 0 <= buffer.loss <= 1
    assert buffer.received <= len(arrivals)
