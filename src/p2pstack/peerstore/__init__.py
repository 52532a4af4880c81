"""What is known of peers: where they are, who they are, what they speak.

==============  ================================================
`memory.py`     `MemoryPeerstore`: bounded, gone with the process
==============  ================================================
"""

from p2pstack.peerstore.memory import MemoryPeerstore

__all__ = ["MemoryPeerstore"]
