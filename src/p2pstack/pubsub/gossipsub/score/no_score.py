"""Where nobody keeps scores."""

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.score.breakdown import ScoreBreakdown
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, ScoreThresholds, TopicScoreConfig
from p2pstack.pubsub.gossipsub.score.score import PeerScore
from p2pstack.pubsub.message import Message

__all__ = ["NoScore"]


class NoScore(PeerScore):
    """Takes whatever happens, and finds everybody to be worth 0, which is above every threshold."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(ScoreConfig(thresholds=ScoreThresholds(gossip=0.0, publish=0.0, graylist=0.0)), {})

    def add_peer(self, peer: PeerId, ip: str | None, now: float) -> None: ...

    def remove_peer(self, peer: PeerId, now: float) -> None: ...

    def graft(self, peer: PeerId, topic: str, now: float) -> None: ...

    def prune(self, peer: PeerId, topic: str) -> None: ...

    def validating(self, message: Message) -> None: ...

    def deliver(self, message: Message, now: float) -> None: ...

    def reject(self, message: Message, reason: str, now: float) -> None: ...

    def ignore(self, message: Message) -> None: ...

    def duplicate(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None: ...

    def reject_untracked(self, peer: PeerId, topic: str, message_id: bytes | None = None) -> None: ...

    def add_penalty(self, peer: PeerId, count: float) -> None: ...

    def set_topic(self, topic: str, config: TopicScoreConfig) -> None: ...

    def refresh(self, now: float) -> None: ...

    def score(self, peer: PeerId) -> float:
        return 0.0

    def breakdown(self, peer: PeerId) -> ScoreBreakdown | None:
        return None
