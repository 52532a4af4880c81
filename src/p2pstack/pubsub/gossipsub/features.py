"""What each version of the protocol can do, and so what we may say to a peer that speaks it.

==================  ====  ========  =========  ==========
protocol            mesh  exchange  idontwant  extensions
==================  ====  ========  =========  ==========
`/floodsub/1.0.0`
`/meshsub/1.0.0`    yes
`/meshsub/1.1.0`    yes   yes
`/meshsub/1.2.0`    yes   yes       yes
`/meshsub/1.3.0`    yes   yes       yes        yes
==================  ====  ========  =========  ==========

A peer without a mesh is sent every message of its topics, and no control messages.

Source: libp2p specs, pubsub/gossipsub 1.0, "Protocol extension", and the "Protocol ID" sections of 1.1 to 1.3.
"""

from dataclasses import dataclass

__all__ = ["FEATURES", "FLOODSUB", "MESHSUB_1_0", "MESHSUB_1_1", "MESHSUB_1_2", "MESHSUB_1_3", "PROTOCOLS", "Features"]

FLOODSUB = "/floodsub/1.0.0"
MESHSUB_1_0 = "/meshsub/1.0.0"
MESHSUB_1_1 = "/meshsub/1.1.0"
MESHSUB_1_2 = "/meshsub/1.2.0"
MESHSUB_1_3 = "/meshsub/1.3.0"

#: all of them, the best first
PROTOCOLS = (MESHSUB_1_3, MESHSUB_1_2, MESHSUB_1_1, MESHSUB_1_0, FLOODSUB)


@dataclass(frozen=True, slots=True)
class Features:
    """What a version can do."""

    #: GRAFT, PRUNE, IHAVE, IWANT
    mesh: bool = False
    #: a PRUNE that tells a backoff, and names peers
    exchange: bool = False
    #: IDONTWANT
    idontwant: bool = False
    #: Extensions in the first RPC
    extensions: bool = False


FEATURES = {
    FLOODSUB: Features(),
    MESHSUB_1_0: Features(mesh=True),
    MESHSUB_1_1: Features(mesh=True, exchange=True),
    MESHSUB_1_2: Features(mesh=True, exchange=True, idontwant=True),
    MESHSUB_1_3: Features(mesh=True, exchange=True, idontwant=True, extensions=True),
}
