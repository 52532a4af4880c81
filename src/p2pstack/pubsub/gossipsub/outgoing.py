"""What one call of the router leads to: actions, and what is to be said to each peer.

Whatever the parts of gossipsub have to say to a peer during one call, from an answer to an IHAVE to the grafts of a
heartbeat over a hundred topics, ends up in one RPC: it costs one header and one write, and the peer sees it as a whole.
"""

from p2pstack.pubsub.actions import Action, Send
from p2pstack.pubsub.gossipsub.draft import Draft
from p2pstack.pubsub.gossipsub.peers import Peer

__all__ = ["Outgoing"]


class Outgoing:
    """Collects what a call leads to."""

    __slots__ = ("_actions", "_addressed")

    def __init__(self) -> None:
        self._actions: list[Action] = []
        self._addressed: list[Peer] = []

    def do(self, action: Action) -> None:
        """Have something done, or told."""
        self._actions.append(action)

    def to(self, peer: Peer) -> Draft:
        """What is to be said to a peer, to be added to."""
        draft = peer.draft
        if draft is None:
            draft = peer.draft = Draft()
            self._addressed.append(peer)
        return draft

    def take(self) -> list[Action]:
        """All of it, what is to be said first."""
        actions = self._actions
        self._actions = []
        if self._addressed:
            sends: list[Action] = []
            for peer in self._addressed:
                draft, peer.draft = peer.draft, None
                if draft is not None:
                    sends += [Send(peer.id, rpc) for rpc in draft.rpcs()]
            self._addressed.clear()
            actions = sends + actions
        return actions
