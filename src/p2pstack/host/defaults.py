"""The parts a host is made of unless others are given. The only file that names them."""

from collections.abc import Callable, Sequence

from p2pstack.abc.muxer import StreamMuxer
from p2pstack.abc.security import SecureTransport
from p2pstack.abc.service import Service
from p2pstack.abc.transport import Transport
from p2pstack.identity.keys import PrivateKey
from p2pstack.muxers.yamux import Yamux
from p2pstack.protocols.identify import Identify
from p2pstack.protocols.ping import Ping
from p2pstack.security.noise import Noise
from p2pstack.transports.memory import Memory
from p2pstack.transports.tcp import Tcp

__all__ = ["muxers", "security", "services", "transports"]


def transports() -> Sequence[Transport]:
    """TCP, and memory for hosts of one process."""
    return (Tcp(), Memory())


def security() -> Sequence[Callable[[PrivateKey], SecureTransport]]:
    """Noise."""
    return (Noise,)


def muxers() -> Sequence[StreamMuxer]:
    """yamux."""
    return (Yamux(),)


def services() -> Sequence[Service]:
    """identify and ping."""
    return (Identify(), Ping())
