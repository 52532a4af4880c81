"""To test protocols, and the parts that a stack is made of.

=====================  ===========================================================================================
`plugin.py`            the pytest plugin: fixtures for hosts, simulated networks and faults; found by pytest itself
`faults.py`            byte streams that are cut, reset, stalled or split at a byte
`transport.py`         a transport with such streams
`checkpoints.py`       a call that is cancelled at a checkpoint
`everywhere.py`        a scenario with a fault at every byte, or a cancellation at every checkpoint
`leaks.py`             tasks, sockets, file descriptors and streams that were left behind
`conformance/`         what every transport, secure channel, muxer, peerstore and pubsub router has to do
=====================  ===========================================================================================

Only `plugin.py` needs pytest.
"""

from p2pstack.testing.checkpoints import Interruption
from p2pstack.testing.everywhere import FaultPlan, at_every_byte, at_every_checkpoint
from p2pstack.testing.faults import Fault, FaultKind, FaultyStream, Way, faulty_pipe
from p2pstack.testing.leaks import Leak, LeakCheck, Leaked
from p2pstack.testing.transport import FaultyTransport

__all__ = [
    "Fault",
    "FaultKind",
    "FaultPlan",
    "FaultyStream",
    "FaultyTransport",
    "Interruption",
    "Leak",
    "LeakCheck",
    "Leaked",
    "Way",
    "at_every_byte",
    "at_every_checkpoint",
    "faulty_pipe",
]
