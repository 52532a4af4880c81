"""`/ipfs/id/1.0.0` and `/ipfs/id/push/1.0.0`: peers tell each other who they are, what they speak, where they listen.

===============  ==========================================================================
`messages.py`    `PeerDescription`, and the messages it travels in (pure)
`session.py`     `Reader`: bytes in, a description out (pure)
`pace.py`        `Pace`: how often pushes are taken and sent (pure)
`service.py`     `Identify`: asks each new connection, answers, pushes changes
`outcomes.py`    what came of asking, to wait for
===============  ==========================================================================
"""

from p2pstack.protocols.identify.messages import PeerDescription
from p2pstack.protocols.identify.service import IDENTIFY, PUSH, Identify

__all__ = ["IDENTIFY", "PUSH", "Identify", "PeerDescription"]
