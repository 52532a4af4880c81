"""`/ipfs/ping/1.0.0`: 32 bytes there and back again.

===============  =====================================
`service.py`     `Ping`: answers others
`client.py`      `ping`: measures round trips to others
===============  =====================================
"""

from p2pstack.protocols.ping.client import RoundTrips, ping
from p2pstack.protocols.ping.service import PING, Ping

__all__ = ["PING", "Ping", "RoundTrips", "ping"]
