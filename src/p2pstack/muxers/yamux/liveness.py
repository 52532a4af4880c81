"""Whether the peer is there, and how far away: pings.

=====================  =========================================================================================
the peer               what happens
=====================  =========================================================================================
is heard               nothing: any byte is a sign of life
is silent for          a ping goes out, even if another one never came back
`keepalive_interval`
answers a ping         the round trip is measured: the least of the last `_SAMPLES` counts, as the others
                       have waited in queues on their way
is silent for          the connection is given up
`write_timeout` more
=====================  =========================================================================================

Its own pings are answered up to `pong_queue` that wait to be sent: a peer that pings and never reads costs no memory.
"""

from p2pstack.errors import ConnectionClosed
from p2pstack.muxers.yamux.config import YamuxConfig

__all__ = ["Liveness"]

#: Round trips that are remembered. A connection at work measures so many at first, then all anew every half a minute.
_SAMPLES = 8


class Liveness:
    """Times are in seconds, by the driver's clock."""

    __slots__ = ("_config", "_heard_at", "_pinged_at", "_pongs", "_rtts", "_value", "ignored", "pinging")

    def __init__(self, config: YamuxConfig, now: float) -> None:
        self._config = config
        self._heard_at = now
        self._pinged_at = now
        self._value = 0
        self._pongs = 0
        #: a ping is under way
        self.pinging = False
        self._rtts: tuple[float, ...] = ()
        #: pings of the peer that got no answer, for `pong_queue`
        self.ignored = 0

    @property
    def rtt(self) -> float | None:
        """The round trip, without the time spent in queues; None before the first was measured."""
        return min(self._rtts, default=None)

    @property
    def deadline(self) -> float:
        """When `ping_due` is to be asked next."""
        if self._silent:
            return self._pinged_at + self._config.write_timeout
        return self._heard_at + self._config.keepalive_interval

    @property
    def _silent(self) -> bool:
        """Whether nothing came since a ping went out."""
        return self.pinging and self._heard_at <= self._pinged_at

    def heard(self, now: float) -> None:
        """Bytes came."""
        self._heard_at = now

    def ping_due(self, now: float) -> bool:
        """Whether a ping is to be sent now.

        :raises ConnectionClosed: the last one has had no answer, nor did anything else come
        """
        if now < self.deadline:
            return False
        if self._silent:
            raise ConnectionClosed(
                f"the peer has been silent for {now - self._heard_at:.1f} s and answers no ping: taken for dead"
            )
        return True

    def rtt_wanted(self, now: float) -> bool:
        """Whether the round trip is to be measured now: a busy connection never gets to `ping_due`."""
        pause = 0.0 if len(self._rtts) < _SAMPLES else self._config.keepalive_interval / _SAMPLES
        return not self.pinging and now - self._pinged_at >= pause

    def next_ping(self, now: float) -> int:
        """The value of the next ping, which goes out now."""
        self._value = (self._value + 1) & 0xFFFF_FFFF
        self._pinged_at = now
        self.pinging = True
        return self._value

    def answered(self, value: int, now: float) -> None:
        """A ping came back. One that was never sent, or that a later one overtook, tells nothing."""
        if self.pinging and value == self._value:
            self.pinging = False
            self._rtts = (*self._rtts[1 - _SAMPLES :], now - self._pinged_at)

    def may_answer(self) -> bool:
        """Whether a ping of the peer gets an answer."""
        if self._pongs >= self._config.pong_queue:
            self.ignored += 1
            return False
        self._pongs += 1
        return True

    def pongs_sent(self) -> None:
        """All waiting answers went out."""
        self._pongs = 0
