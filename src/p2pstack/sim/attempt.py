"""A connection that is about to be made."""

from anyio import Event

from p2pstack.abc.transport import Endpoints
from p2pstack.sim.address import Address, tcp_addr
from p2pstack.sim.stream import SimStream

__all__ = ["Attempt"]


class Attempt:
    """A connection that a machine is about to make.

    :param local: where it comes from, as the machine knows it
    :param target: the address dialled
    """

    __slots__ = ("done", "endpoints", "local", "stream", "target")

    def __init__(self, local: Address, target: Address) -> None:
        self.local = local
        self.target = target
        self.endpoints = Endpoints(tcp_addr(local), tcp_addr(target))
        self.done = Event()
        #: this end, once it is there
        self.stream: SimStream | None = None

    def complete(self, stream: SimStream) -> None:
        """The connection is there."""
        self.stream = stream
        self.done.set()
