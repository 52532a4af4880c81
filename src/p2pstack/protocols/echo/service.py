"""Serving echo."""

from anyio.abc import TaskStatus

from p2pstack.abc.connection import Stream
from p2pstack.abc.host import Host

__all__ = ["ECHO", "Echo"]

ECHO = "/echo/1.0.0"


class Echo:
    """Sends back what it is sent, until the peer has sent all. Holds no more than the peer has room for."""

    async def run(self, host: Host, *, task_status: TaskStatus[None]) -> None:
        host.handle(ECHO, handler=self._serve)
        task_status.started()

    async def _serve(self, stream: Stream) -> None:
        async for chunk in stream:
            await stream.send(chunk)
