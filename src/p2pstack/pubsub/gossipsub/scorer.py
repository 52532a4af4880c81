"""What gossipsub asks of whoever keeps the scores, and the one who keeps none."""

from math import inf
from typing import Protocol

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.score.params import ScoreThresholds
from p2pstack.pubsub.message import Message

__all__ = ["BREACH", "NoScore", "Scorer"]

#: the P7 penalty of what no honest peer does, so much that it cannot pass for an accident
#: (`ScoreConfig.behaviour_penalty_threshold`)
BREACH = 3


class Scorer(Protocol):
    """Keeps a score for each peer; `PeerScore` does."""

    @property
    def thresholds(self) -> ScoreThresholds: ...
    @property
    def next_refresh(self) -> float: ...

    def add_peer(self, peer: PeerId, ip: str | None, now: float) -> None: ...
    def remove_peer(self, peer: PeerId, now: float) -> None: ...
    def graft(self, peer: PeerId, topic: str, now: float) -> None: ...
    def prune(self, peer: PeerId, topic: str) -> None: ...
    def deliver(self, message: Message, now: float) -> None: ...
    def duplicate(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None: ...
    def reject_untracked(self, peer: PeerId, topic: str) -> None: ...
    def add_penalty(self, peer: PeerId, count: float) -> None: ...
    def score(self, peer: PeerId) -> float: ...
    def refresh(self, now: float) -> None: ...


class NoScore:
    """Finds all peers equally good."""

    __slots__ = ()

    thresholds = ScoreThresholds()
    next_refresh = inf

    def add_peer(self, peer: PeerId, ip: str | None, now: float) -> None:
        pass

    def remove_peer(self, peer: PeerId, now: float) -> None:
        pass

    def graft(self, peer: PeerId, topic: str, now: float) -> None:
        pass

    def prune(self, peer: PeerId, topic: str) -> None:
        pass

    def deliver(self, message: Message, now: float) -> None:
        pass

    def duplicate(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None:
        pass

    def reject_untracked(self, peer: PeerId, topic: str) -> None:
        pass

    def add_penalty(self, peer: PeerId, count: float) -> None:
        pass

    def score(self, peer: PeerId) -> float:
        return 0.0

    def refresh(self, now: float) -> None:
        pass
