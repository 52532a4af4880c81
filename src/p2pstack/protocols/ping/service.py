"""Answering pings.

Source: libp2p specs, ping: the answer is the 32 bytes that came, as often as the peer cares to send; it may have two
streams.
"""

import math

from anyio import CancelScope, EndOfStream, current_time
from anyio.abc import ByteReceiveStream, TaskStatus

from p2pstack.abc.connection import Stream
from p2pstack.abc.host import Host
from p2pstack.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["PING", "SIZE", "Ping", "receive_payload"]

PING = "/ipfs/ping/1.0.0"
#: bytes of a ping, and of its answer
SIZE = 32


class Ping:
    """Answers pings.

    :param max_streams_per_peer: inbound streams of one peer; a further one is reset
    :param idle_timeout: seconds that a stream may stay open between two pings; above the intervals of other
        implementations, which ping on one stream every 10 to 30 s
    """

    def __init__(self, *, max_streams_per_peer: int = 2, idle_timeout: float = 60.0) -> None:
        if max_streams_per_peer < 1 or idle_timeout <= 0:
            raise LocalProtocolError("Ping: expected max_streams_per_peer and idle_timeout above 0")
        self._max_streams_per_peer = max_streams_per_peer
        self._idle_timeout = idle_timeout

    async def run(self, host: Host, *, task_status: TaskStatus[None]) -> None:
        host.handle(PING, handler=self._answer, max_streams_per_peer=self._max_streams_per_peer)
        task_status.started()

    async def _answer(self, stream: Stream) -> None:
        with CancelScope() as scope:
            while True:
                # Moving a deadline costs as much as the rest of a ping: a second's delay is near enough.
                deadline = current_time() + self._idle_timeout
                if deadline - scope.deadline > 1 or scope.deadline == math.inf:
                    scope.deadline = deadline
                payload = await receive_payload(stream)
                if payload is None:
                    return
                await stream.send(payload)
        stream.reset()


async def receive_payload(stream: ByteReceiveStream) -> bytes | None:
    """The next 32 bytes; None where the stream ends before them.

    :raises RemoteProtocolError: it ends within them
    """
    payload = b""
    while len(payload) < SIZE:
        try:
            payload += await stream.receive(SIZE - len(payload))
        except EndOfStream:
            if payload:
                raise RemoteProtocolError(f"ping: expected {SIZE} bytes, got {len(payload)}") from None
            return None
    return payload
