"""TCP.

==================  ===============================================================================
`address.py`        multiaddr <-> socket address, real interfaces in place of unspecified ones
`stream.py`         `SocketStream`: a byte stream on a non-blocking socket
`pump.py`           receiving by callback, on event loops that call back
`busy_poll.py`      whether to sleep until something arrives, or to stay awake for it
`listener.py`       the accept loop
`transport.py`      `Tcp`: dial and listen
==================  ===============================================================================
"""

from p2pstack.transports.tcp.transport import Tcp

__all__ = ["Tcp"]
