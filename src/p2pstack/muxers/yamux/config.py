"""Every limit and interval of yamux."""

from dataclasses import dataclass, field

from p2pstack.errors import LocalProtocolError
from p2pstack.muxers.budget import ReceiveBudget

__all__ = ["INITIAL_WINDOW", "YamuxConfig"]

#: Bytes a stream may carry before the first window update ("Flow Control"): fixed by the specification.
INITIAL_WINDOW = 262_144


@dataclass(frozen=True, kw_only=True, slots=True)
class YamuxConfig:
    """How a yamux connection behaves. One object may serve any number of connections."""

    max_window: int = 16 << 20
    """Bytes. How far the receive window of a stream may grow when the round trip asks for it."""

    max_inbound_streams: int = 1_000
    """Streams the peer may have open at once, as in go-yamux; a further one is reset before anything is made for it.
    What a host takes is less, and it tells of what it refuses (`SwarmConfig.max_inbound_streams`)."""

    max_outbound_streams: int = 8_192
    """Streams this side may have open at once; `open_stream` then raises `LimitExceeded`."""

    ack_backlog: int = 256
    """Streams opened here that the peer has not acknowledged ("ACK backlog"); beyond that `open_stream` waits, for
    `write_timeout`."""

    max_frame: int = 65_507
    """Bytes of body in a data frame sent. With its header it fills one record of the secure channel exactly."""

    send_buffer: int = 1 << 20
    """Bytes written and not yet handed to the secure channel, for the whole connection; writers wait above it."""

    pong_queue: int = 32
    """Answers to pings waiting to be sent; further pings get none."""

    control_queue: int = 65_536
    """Bytes of control frames waiting to be sent. Above it nothing is read from the peer until they are gone."""

    keepalive_interval: float = 30.0
    """Seconds between pings to an idle peer."""

    write_timeout: float = 10.0
    """Seconds a write to the peer may take, and a ping may stay without an answer, before the connection is given
    up."""

    linger: float = 30.0
    """Seconds a stream closed here waits for the peer's end before it is reset."""

    close_timeout: float = 1.0
    """Seconds a closing connection takes at most to flush and to hear the peer's end."""

    budget: ReceiveBudget = field(default_factory=ReceiveBudget)
    """Bytes unread by applications: over all connections that share the object."""

    def __post_init__(self) -> None:
        _check("max_window", self.max_window, INITIAL_WINDOW, 1 << 31)
        _check("max_inbound_streams", self.max_inbound_streams, 0, 1 << 30)
        _check("max_outbound_streams", self.max_outbound_streams, 0, 1 << 30)
        _check("ack_backlog", self.ack_backlog, 1, 1 << 30)
        _check("max_frame", self.max_frame, 1, 1 << 20)
        _check("send_buffer", self.send_buffer, 1, 1 << 31)
        _check("pong_queue", self.pong_queue, 1, 4_096)
        _check("control_queue", self.control_queue, 1_024, 1 << 24)
        for name in ("keepalive_interval", "write_timeout", "linger", "close_timeout"):
            if getattr(self, name) <= 0:
                raise LocalProtocolError(f"{name} is {getattr(self, name)}: expected seconds, more than 0")


def _check(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise LocalProtocolError(f"{name} is {value}: expected {least} to {most}")
