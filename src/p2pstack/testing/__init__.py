"""To test protocols, and the parts that a stack is made of.

=====================  ===========================================================================================
`plugin.py`            the pytest plugin, which pytest finds by itself; all else does without pytest
`fixtures.py`          what its fixtures give to tests
`faults.py`            byte streams that are cut, reset, stalled or split at a byte
`transport.py`         a transport with such streams
`checkpoints.py`       a call that is cancelled at a checkpoint
`everywhere.py`        a scenario with a fault at every byte, or a cancellation at every checkpoint
`leaks.py`             tasks, sockets, file descriptors and streams that were left behind
`conformance/`         what every transport, secure channel, muxer, peerstore and pubsub router has to do
=====================  ===========================================================================================

A name is imported from here when it is first used: the plugin is loaded wherever pytest runs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from p2pstack.testing.checkpoints import Interruption as Interruption
    from p2pstack.testing.everywhere import FaultPlan as FaultPlan
    from p2pstack.testing.everywhere import at_every_byte as at_every_byte
    from p2pstack.testing.everywhere import at_every_checkpoint as at_every_checkpoint
    from p2pstack.testing.faults import Fault as Fault
    from p2pstack.testing.faults import FaultKind as FaultKind
    from p2pstack.testing.faults import FaultyStream as FaultyStream
    from p2pstack.testing.faults import Way as Way
    from p2pstack.testing.faults import faulty_pipe as faulty_pipe
    from p2pstack.testing.fixtures import Faults as Faults
    from p2pstack.testing.fixtures import Hosts as Hosts
    from p2pstack.testing.fixtures import Networks as Networks
    from p2pstack.testing.fixtures import TimeTravel as TimeTravel
    from p2pstack.testing.leaks import Leak as Leak
    from p2pstack.testing.leaks import LeakCheck as LeakCheck
    from p2pstack.testing.leaks import Leaked as Leaked
    from p2pstack.testing.transport import FaultyTransport as FaultyTransport

_HOMES = {
    "checkpoints": ("Interruption",),
    "everywhere": ("FaultPlan", "at_every_byte", "at_every_checkpoint"),
    "faults": ("Fault", "FaultKind", "FaultyStream", "Way", "faulty_pipe"),
    "fixtures": ("Faults", "Hosts", "Networks", "TimeTravel"),
    "leaks": ("Leak", "LeakCheck", "Leaked"),
    "transport": ("FaultyTransport",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted((*globals(), *_HOME_OF))
