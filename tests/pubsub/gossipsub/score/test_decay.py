"""The factor that a time stands for."""

import math

import pytest

from p2pstack.errors import LocalProtocolError
from p2pstack.pubsub.gossipsub.score.decay import score_decay


def test_an_hour_by_the_second_is_the_factor_that_go_libp2p_pubsub_has() -> None:
    # Source of the figure: go-libp2p-pubsub, score_params_test.go
    assert score_decay(3_600.0) == pytest.approx(0.9987216039048303, abs=1e-15)


@pytest.mark.parametrize(("time", "interval", "zero"), [(600.0, 1.0, 0.01), (60.0, 12.0, 0.001), (10.0, 3.0, 0.5)])
def test_after_the_time_a_counter_of_one_is_zero(time: float, interval: float, zero: float) -> None:
    factor = score_decay(time, interval=interval, zero=zero)
    assert factor ** (time // interval) == pytest.approx(zero)


def test_after_the_half_life_half_is_left() -> None:
    assert score_decay(half_life=90.0, interval=3.0) ** 30 == pytest.approx(0.5)
    assert score_decay(half_life=1.0) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected one of them"),
        ({"time": 5.0, "half_life": 5.0}, "expected one of them"),
        ({"time": 0.5}, "at least one interval"),
        ({"time": math.inf}, "at least one interval"),
        ({"time": math.nan}, "at least one interval"),
        ({"half_life": -1.0}, "at least one interval"),
        ({"time": 5.0, "interval": 0.0}, "interval is 0.0"),
        ({"time": 5.0, "interval": math.nan}, "interval is nan"),
        ({"time": 5.0, "zero": 1.0}, "zero is 1.0"),
        ({"time": 5.0, "zero": 0.0}, "zero is 0.0"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(LocalProtocolError, match=message):
        score_decay(**arguments)
