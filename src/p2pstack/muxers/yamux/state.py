"""One stream, as the session sees it.

Each direction of a stream ends by itself; the stream is over, and forgotten, when both have, or at once by a reset.

============  =====================================  ==========================================================
direction     goes from                              to
============  =====================================  ==========================================================
sending       open                                   finishing: `close_write`, while bytes are still queued
              finishing                              finished: the queue ran empty and FIN went out
receiving     open                                   ended: FIN came; what is unread can still be read
              open                                   discarding: `close_read`; what comes is dropped
              discarding                             ended: FIN came, or the linger time is over (RST goes out)
both          any                                    reset: RST came or went; what is queued or unread is gone,
                                                     but for what the peer had already ended by its FIN
============  =====================================  ==========================================================
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from p2pstack.errors import LimitExceeded
from p2pstack.muxers.yamux.config import INITIAL_WINDOW
from p2pstack.muxers.yamux.window import ReceiveWindow

__all__ = ["StreamState"]


def _nobody() -> None:
    """The owner of a stream that has none."""


class StreamState:
    """The state of a stream. Written by `Session` and `Outbox` only."""

    __slots__ = (
        "acknowledged",
        "allowance",
        "closed_at",
        "discarding",
        "ended",
        "error",
        "fin_received",
        "fin_sent",
        "finishing",
        "id",
        "inbox",
        "outbound",
        "outbox",
        "owner",
        "queued",
        "reset_by_peer",
        "reset_code",
        "reset_here",
        "scheduled",
        "send_credit",
        "unread",
        "wants_room",
        "window",
    )

    def __init__(self, stream_id: int, *, outbound: bool) -> None:
        self.id = stream_id
        #: opened by this side
        self.outbound = outbound
        #: the peer acknowledged it
        self.acknowledged = not outbound
        #: what the peer lets us send, in bytes
        self.send_credit = INITIAL_WINDOW
        #: chunks written and not yet framed, and how many bytes they are
        self.outbox: deque[bytes | memoryview] = deque()
        self.queued = 0
        #: bytes that may be queued although writers of other streams wait: what is left of its turn
        self.allowance = 0
        #: in the outbox's round
        self.scheduled = False
        #: a writer waits for room
        self.wants_room = False
        self.finishing = False
        self.fin_sent = False
        #: chunks received and not yet read, and how many bytes they are; small ones are gathered in bytearrays, what is
        #: left of one read in part is a view
        self.inbox: deque[bytes | bytearray | memoryview] = deque()
        self.unread = 0
        self.window = ReceiveWindow(INITIAL_WINDOW)
        self.fin_received = False
        self.discarding = False
        #: when `discarding` began
        self.closed_at = 0.0
        self.reset_here = False
        self.reset_by_peer = False
        #: the application's error code that came or went with the reset
        self.reset_code = 0
        #: the session has forgotten it
        self.ended = False
        #: why it was reset here, where a limit did it
        self.error: LimitExceeded | None = None
        #: gives whatever the driver wants to find by it, or None: a weak reference, for that leads here
        self.owner: Callable[[], Any] = _nobody

    @property
    def reset(self) -> bool:
        """Whether a reset ended it, by whomever."""
        return self.reset_here or self.reset_by_peer
