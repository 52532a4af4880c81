"""`/perf/1.0.0`: how fast bytes go up and come down. Not among the default services: it puts a host to others' work.

===============  ==================================================
`messages.py`    the 8 bytes that say how much is to come down (pure)
`service.py`     `Perf`: does what others ask
`client.py`      `perf`: asks others
===============  ==================================================
"""

from p2pstack.protocols.perf.client import PerfResult, perf
from p2pstack.protocols.perf.messages import PERF
from p2pstack.protocols.perf.service import Perf

__all__ = ["PERF", "Perf", "PerfResult", "perf"]
