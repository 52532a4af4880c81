"""Connections within this process, at addresses such as `/memory/1`: for tests, simulation, and parts of one program.

===============  ==============================================================
`network.py`     `MemoryNetwork`: who listens on which number
`transport.py`   `Memory`: what a host is given
===============  ==============================================================
"""

from p2pstack.transports.memory.network import MemoryNetwork
from p2pstack.transports.memory.transport import Memory

__all__ = ["Memory", "MemoryNetwork"]
