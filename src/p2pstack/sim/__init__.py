"""The whole stack in virtual time, over a network that is simulated and can be repeated.

================  =================================================================================================
`loop.py`         `VirtualTimeLoop`: an asyncio event loop whose clock jumps
`waiting.py`      `Deadlock`: which task waits where, when nothing is left to happen
`order.py`        has anyio do things in the same order each time
`lean.py`         what a thousand hosts in one process would pay a thousand times
`trio_backend.py` trio in virtual time
`run.py`          `run`: a program in virtual time, on asyncio or trio
`timers.py`       functions to be called at a time, on both
----------------  -------------------------------------------------------------------------------------------------
`link.py`         what happens to bytes on their way: latency, loss, bandwidth, cuts
`flow.py`         one direction of a connection: bytes on their way, and bytes that have arrived
`stream.py`       one end of a simulated TCP connection
`connecting.py`   how one is made; `attempt.py`: one that is about to be
`nat.py`          network address translators
`address.py`      addresses as numbers; `machine.py`: what has one
`network.py`      `SimNetwork`: machines, and what connects them
`transport.py`    `SimTransport`: what a host is given
`trace.py`        what happened, and a hash of it; `watch.py`: what hosts tell, in it
----------------  -------------------------------------------------------------------------------------------------
`node.py`         `SimNode`: a machine and the host on it
`simulation.py`   `Simulation`: many nodes on one network
`churn.py`        nodes that come and go
`topology.py`     who connects to whom; `regions.py`: how far apart they are
`units.py`        quantities as people write them
----------------  -------------------------------------------------------------------------------------------------
`scenario.py`     `scenario`: what happens to a network, to be played and repeated
`stage.py`        what a scenario is given
`audience.py`     the readers of a topic in it, who note what they hear
`hostile.py`      peers that mean harm
`summary.py`      what came out of a run
`record.py`       a run in a file
`sweep.py`        many runs, on many cores or machines
`page.py`         a run as a picture
================  =================================================================================================
"""

from p2pstack.sim.audience import Audience
from p2pstack.sim.link import Latency, LinkConfig
from p2pstack.sim.loop import VirtualTimeLoop
from p2pstack.sim.machine import Machine
from p2pstack.sim.network import SimNetwork
from p2pstack.sim.node import SimNode
from p2pstack.sim.run import run
from p2pstack.sim.scenario import Scenario, scenario
from p2pstack.sim.simulation import Simulation
from p2pstack.sim.stage import Stage
from p2pstack.sim.summary import Outcome
from p2pstack.sim.trace import Trace
from p2pstack.sim.transport import SimTransport
from p2pstack.sim.waiting import Deadlock

__all__ = [
    "Audience",
    "Deadlock",
    "Latency",
    "LinkConfig",
    "Machine",
    "Outcome",
    "Scenario",
    "SimNetwork",
    "SimNode",
    "SimTransport",
    "Simulation",
    "Stage",
    "Trace",
    "VirtualTimeLoop",
    "run",
    "scenario",
]
