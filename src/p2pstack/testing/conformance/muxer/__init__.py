"""What every stream muxer has to do.

===============  =======================================================
`rig.py`         two connections on a pipe
`carrying.py`    bytes get to where they belong
`ending.py`      streams and connections end as they should
`failing.py`     what goes wrong does no more harm than it must
===============  =======================================================
"""

from p2pstack.testing.conformance.muxer.carrying import Carrying
from p2pstack.testing.conformance.muxer.ending import Ending
from p2pstack.testing.conformance.muxer.failing import Failing

__all__ = ["MuxerConformance"]


class MuxerConformance(Carrying, Ending, Failing):
    """One line runs it: `class TestMine(MuxerConformance): make = MyMuxer`. See `MuxerRig` for what can be set."""
