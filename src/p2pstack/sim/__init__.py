"""The whole stack in virtual time, over a network that is simulated and can be repeated.

================  =================================================================================================
`loop.py`         `VirtualTimeLoop`: an asyncio event loop whose clock jumps; `Deadlock`
`order.py`        what has anyio do things in the same order each time
`run.py`          `run`: a program in virtual time, on asyncio or trio
`timers.py`       functions to be called at a time, on both
`stream.py`       one end of a simulated TCP connection
`link.py`         what happens to bytes on their way: latency, loss, bandwidth, cuts
`network.py`      machines with addresses, and what connects them
`transport.py`    `SimTransport`: what a host is given
`node.py`         `SimNode`: a machine and the host on it
`simulation.py`   `Simulation`: many nodes on one network
`topology.py`     who connects to whom
`trace.py`        what happened, and a hash of it
================  =================================================================================================
"""

from p2pstack.sim.link import Latency, LinkConfig
from p2pstack.sim.loop import Deadlock, VirtualTimeLoop
from p2pstack.sim.network import Machine, SimNetwork
from p2pstack.sim.node import SimNode
from p2pstack.sim.run import run
from p2pstack.sim.simulation import Simulation
from p2pstack.sim.trace import Trace
from p2pstack.sim.transport import SimTransport

__all__ = [
    "Deadlock",
    "Latency",
    "LinkConfig",
    "Machine",
    "SimNetwork",
    "SimNode",
    "SimTransport",
    "Simulation",
    "Trace",
    "VirtualTimeLoop",
    "run",
]
