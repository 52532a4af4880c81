"""What peers announced, were asked for, and owe.

Who announces a message makes others ask for it, and wait. Who then does not send it holds up the message, and wins that
those others did not ask elsewhere. So of all that a peer is asked for at a time, one message, by chance, is remembered
as its promise; who does not keep it in time pays. One is enough: whoever lies often is found out, and memory stays
small.

==========================  ========================================================
what happens                the promise is
==========================  ========================================================
a copy comes, from anybody  kept: to send another has no use
the time is over            broken, once; void where the peer is not connected then
we leave the topic          void: its messages are not looked at any more
==========================  ========================================================

A promise is of a peer's id, not of its connection: nobody gets rid of one by connecting anew.

Source: libp2p specs, pubsub/gossipsub 1.1, "Adaptive Gossip Dissemination" and "Peer Scoring", P7.
"""

from collections import Counter, deque
from collections.abc import Mapping

from p2pstack.identity.peer_id import PeerId

__all__ = ["Promises"]


class Promises:
    """Who owes what.

    :param patience: seconds until a promise is broken
    """

    __slots__ = ("_open", "_order", "_patience")

    def __init__(self, patience: float) -> None:
        self._patience = patience
        #: for each message, until when who has to send it
        self._open: dict[bytes, dict[PeerId, float]] = {}
        #: all that were made, the first to be due first; those that were kept are still among them
        self._order: deque[tuple[float, bytes, PeerId, str]] = deque()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._order)

    def add(self, peer: PeerId, id_: bytes, topic: str, now: float) -> None:
        """A peer is asked for what it announced in a topic."""
        owing = self._open.setdefault(id_, {})
        if peer not in owing:
            owing[peer] = due = now + self._patience
            self._order.append((due, id_, peer, topic))

    def keep(self, id_: bytes) -> None:
        """A message came."""
        if self._open:
            self._open.pop(id_, None)

    def leave(self, topic: str) -> None:
        """We left a topic."""
        order, self._order = self._order, deque()
        for promise in order:
            due, id_, peer, of = promise
            if of == topic:
                self._settle(due, id_, peer)
            else:
                self._order.append(promise)

    def broken(self, now: float) -> Mapping[PeerId, int]:
        """Who broke how many promises since the last call."""
        broken = Counter[PeerId]()
        order = self._order
        while order and order[0][0] <= now:
            due, id_, peer, _ = order.popleft()
            if self._settle(due, id_, peer):
                broken[peer] += 1
        return broken

    def _settle(self, due: float, id_: bytes, peer: PeerId) -> bool:
        """Forget a promise; whether it was open."""
        owing = self._open.get(id_)
        if owing is None or owing.get(peer) != due:
            return False
        del owing[peer]
        if not owing:
            del self._open[id_]
        return True
