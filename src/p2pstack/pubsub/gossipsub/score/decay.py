"""How fast counters are forgotten: the factor that a time stands for."""

import math

from p2pstack.errors import LocalProtocolError

__all__ = ["DECAY_INTERVAL", "DECAY_TO_ZERO", "score_decay"]

#: Seconds between two decays, unless configured.
DECAY_INTERVAL = 1.0
#: A counter below it is zero, unless configured.
DECAY_TO_ZERO = 0.01


def score_decay(
    time: float | None = None,
    *,
    half_life: float | None = None,
    interval: float = DECAY_INTERVAL,
    zero: float = DECAY_TO_ZERO,
) -> float:
    """The decay factor of a counter that is to be forgotten in a given time: `score_decay(600)` takes a counter of 1 to
    zero in ten minutes, `score_decay(half_life=60)` any counter to its half in one.

    :param time: seconds in which a counter of 1 falls below `zero`
    :param half_life: seconds in which a counter falls to its half; give this or `time`
    :param interval: seconds between two decays, as `ScoreConfig.decay_interval`
    :param zero: what counts as zero, as `ScoreConfig.decay_to_zero`
    :raises LocalProtocolError: neither or both are given, or they are shorter than the interval
    """
    if (time is None) == (half_life is None):
        raise LocalProtocolError(f"time is {time} and half_life is {half_life}: expected one of them in seconds")
    seconds, left = (time, zero) if time is not None else (half_life, 0.5)
    if not 0 < interval < math.inf:
        raise LocalProtocolError(f"interval is {interval}: expected seconds, more than 0")
    if not 0 < zero < 1:
        raise LocalProtocolError(f"zero is {zero}: expected more than 0 and less than 1")
    if seconds is None or not interval <= seconds < math.inf:
        raise LocalProtocolError(f"a decay in {seconds} s: expected at least one interval, which is {interval} s")
    return left ** (1 / (seconds // interval))
