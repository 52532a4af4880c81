"""The first RPC of 1.3: what each side can do beyond the versions of the protocol.

Extensions are not negotiated. Each side says once, in the first RPC on its stream, what it can; both know what both
can.

=========  ====================  ===========================================
an RPC is  and has Extensions    then
=========  ====================  ===========================================
the first  yes                   it is what the peer can; unknown ones are ignored (by the codec)
the first  no                    the peer can nothing of the kind
a later    yes                   a breach of rules (P7): ignored
a later    no                    nothing
=========  ====================  ===========================================

Source: libp2p specs, pubsub/gossipsub 1.3, "The Extensions Control Message".
"""

from p2pstack.pubsub.gossipsub.peers import Peer
from p2pstack.pubsub.gossipsub.scorer import BREACH
from p2pstack.pubsub.gossipsub.shared import Shared
from p2pstack.pubsub.rpc import RPC, Extensions

__all__ = ["Handshake"]


class Handshake:
    """Says what we can, and hears what peers can."""

    __slots__ = ("_ours", "_outgoing", "_score")

    def __init__(self, shared: Shared) -> None:
        self._ours = Extensions(partial_messages=shared.config.partial_messages)
        self._score = shared.score
        self._outgoing = shared.outgoing

    def greet(self, peer: Peer) -> None:
        """Say what we can, in what is said to the peer first."""
        if peer.features.extensions and self._ours != Extensions():
            self._outgoing.to(peer).extensions = self._ours

    def received(self, peer: Peer, rpc: RPC) -> None:
        """Hear what a peer says, if it does."""
        if not peer.greeted:
            peer.greeted = True
            if rpc.extensions is not None and peer.features.extensions:
                peer.extensions = rpc.extensions
        elif rpc.extensions is not None:
            self._score.add_penalty(peer.id, BREACH)
