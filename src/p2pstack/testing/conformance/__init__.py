"""What every transport, secure transport, muxer, peerstore and pubsub router has to do, as classes to inherit from.

=================  =================================  ======================================================
`transport.py`     `TransportConformance`             `make`, and `listen`: an address
`security.py`      `SecureTransportConformance`       `make`, called with a private key
`muxer/`           `MuxerConformance`                 `make`
`peerstore.py`     `PeerstoreConformance`             `make`
`pubsub.py`        `RouterConformance`                `make`, called with an `Admission`
=================  =================================  ======================================================

Whoever writes one tests it by `class TestMine(MuxerConformance): make = MyMuxer`.
"""

from p2pstack.testing.conformance.base import Conformance
from p2pstack.testing.conformance.muxer import MuxerConformance
from p2pstack.testing.conformance.peerstore import PeerstoreConformance
from p2pstack.testing.conformance.pubsub import RouterConformance
from p2pstack.testing.conformance.security import SecureTransportConformance
from p2pstack.testing.conformance.transport import TransportConformance

__all__ = [
    "Conformance",
    "MuxerConformance",
    "PeerstoreConformance",
    "RouterConformance",
    "SecureTransportConformance",
    "TransportConformance",
]
