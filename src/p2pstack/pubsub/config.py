"""Deadlines and limits of what drives a router, whichever router that is."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from p2pstack.errors import LocalProtocolError

__all__ = ["PubSubConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PubSubConfig:
    """How pubsub treats streams and those who use it. Times are in seconds.

    :raises LocalProtocolError: a figure is out of its bounds
    """

    #: Bytes of one RPC at most, without its length, in both directions: what go-libp2p takes. Who sends more is reset.
    max_rpc_size: int = 1 << 20
    #: For a write to a peer to go out. A peer that reads nothing for so long loses its stream, and what waited for it.
    write_timeout: float = 10.0
    #: That one `publish` waits for peers whose queues are full, before it goes on without them.
    publish_patience: float = 1.0
    #: That the end of the host waits for what is queued to go out.
    close_timeout: float = 1.0
    #: How often a stream that broke is opened again; the count begins anew once one has lived for `reopen_reset`.
    max_reopenings: int = 5
    #: Before a stream is opened again the first time; doubles each time.
    reopen_delay: float = 0.1
    #: How long a stream lives that is well.
    reopen_reset: float = 60.0
    #: Peers named by others that are dialled at a time.
    max_connects: int = 8
    #: Peers named by others that wait to be dialled; further ones are passed over.
    max_pending_connects: int = 128
    #: For one of them to be reached.
    connect_timeout: float = 15.0

    #: Where the sequence numbers of our messages begin: by default nanoseconds since 1970 by the host's clock, so that
    #: those after a restart are above those before it.
    clock: Callable[[], int] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "clock":
                continue
            if value < 0 or (value == 0 and field.name not in ("close_timeout", "max_reopenings", "publish_patience")):
                raise LocalProtocolError(f"PubSubConfig: expected {field.name} above 0, got {value!r}")
        if self.max_rpc_size < 1024:
            raise LocalProtocolError(f"PubSubConfig: expected max_rpc_size of at least 1024, got {self.max_rpc_size}")
