"""Pings: the round trip, and the peer that is no longer there."""

import pytest

from p2pstack.errors import ConnectionClosed
from p2pstack.muxers.yamux.config import YamuxConfig
from p2pstack.muxers.yamux.liveness import Liveness

CONFIG = YamuxConfig(keepalive_interval=30, write_timeout=10, pong_queue=2)


def test_an_idle_peer_is_pinged() -> None:
    liveness = Liveness(CONFIG, 100.0)
    assert liveness.deadline == 130.0
    assert not liveness.ping_due(129.9)
    assert liveness.ping_due(130.0)


def test_whatever_is_heard_puts_the_ping_off() -> None:
    liveness = Liveness(CONFIG, 0.0)
    liveness.heard(20.0)
    assert liveness.deadline == 50.0


def test_the_answer_measures_the_round_trip() -> None:
    liveness = Liveness(CONFIG, 0.0)
    value = liveness.next_ping(30.0)
    assert liveness.pinging
    liveness.heard(30.2)
    liveness.answered(value, 30.2)
    assert liveness.rtt == pytest.approx(0.2)
    assert not liveness.pinging


def test_answers_to_other_pings_tell_nothing() -> None:
    liveness = Liveness(CONFIG, 0.0)
    value = liveness.next_ping(30.0)
    liveness.answered(value + 1, 31.0)
    assert liveness.rtt is None
    liveness.answered(value, 32.0)
    liveness.answered(value, 40.0)
    assert liveness.rtt == 2.0


def test_silence_after_a_ping_is_death() -> None:
    liveness = Liveness(CONFIG, 0.0)
    liveness.next_ping(30.0)
    assert liveness.deadline == 40.0
    with pytest.raises(ConnectionClosed, match=r"silent for 40\.0 s"):
        liveness.ping_due(40.0)


def test_a_lost_answer_kills_no_peer_that_was_heard() -> None:
    liveness = Liveness(CONFIG, 0.0)
    liveness.next_ping(30.0)
    liveness.heard(35.0)
    assert not liveness.ping_due(45.0)
    assert liveness.ping_due(65.0)
    liveness.next_ping(65.0)
    with pytest.raises(ConnectionClosed):
        liveness.ping_due(75.0)


def test_pings_get_answers_up_to_the_queue() -> None:
    liveness = Liveness(CONFIG, 0.0)
    assert [liveness.may_answer() for _ in range(4)] == [True, True, False, False]
    assert liveness.ignored == 2
    liveness.pongs_sent()
    assert liveness.may_answer()


def measure(liveness: Liveness, now: float, rtt: float) -> None:
    assert liveness.rtt_wanted(now)
    value = liveness.next_ping(now)
    assert not liveness.rtt_wanted(now)
    liveness.answered(value, now + rtt)


def test_the_round_trip_is_measured_eight_times_then_as_often_within_each_interval() -> None:
    liveness = Liveness(CONFIG, 0.0)
    for _ in range(8):
        measure(liveness, 0.0, 1.0)
    pause = CONFIG.keepalive_interval / 8
    assert not liveness.rtt_wanted(pause - 0.01)
    measure(liveness, pause, 1.0)
    assert not liveness.rtt_wanted(2 * pause - 0.01)
    assert liveness.rtt_wanted(2 * pause)


def test_the_least_of_the_last_eight_round_trips_counts() -> None:
    liveness = Liveness(CONFIG, 0.0)
    assert liveness.rtt is None
    for number, rtt in enumerate([2.0, 0.5, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]):
        measure(liveness, 100.0 * number, rtt)
    assert liveness.rtt == 0.5
    measure(liveness, 1000.0, 2.5)
    assert liveness.rtt == 2.5


def test_the_value_of_a_ping_wraps_at_32_bits() -> None:
    liveness = Liveness(CONFIG, 0.0)
    liveness._value = 0xFFFF_FFFF
    assert liveness.next_ping(0.0) == 0
