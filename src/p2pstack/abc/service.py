"""What plugs into a host."""

from typing import Protocol, runtime_checkable

from anyio.abc import TaskStatus

from p2pstack.abc.host import Host

__all__ = ["Service"]


@runtime_checkable
class Service(Protocol):
    """Something that lives as long as its host: identify, ping, pubsub, or your own."""

    async def run(self, host: Host, *, task_status: TaskStatus[None]) -> None:
        """Live. Register handlers, subscribe to events, then call `task_status.started()`: the host is not ready
        before. Cancelled when the host ends; may return earlier. An exception ends the host with it."""
