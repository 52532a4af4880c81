"""Peers, their messages, and a score in virtual time."""

import pytest

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, TopicScoreConfig
from p2pstack.pubsub.gossipsub.score.score import PeerScore
from p2pstack.pubsub.message import Message


class Game:
    """A score, its clock, and a topic called "chat"."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.peers = [PeerId(b"\x12\x20" + bytes([number]) * 32) for number in range(30)]
        self.keeper = PeerScore(ScoreConfig(), {})
        self._serial = 0

    def start(self, topic: TopicScoreConfig | None = None, config: ScoreConfig | None = None) -> PeerScore:
        """Begin, with these parameters for "chat"."""
        self.keeper = PeerScore(config or ScoreConfig(), {"chat": topic} if topic is not None else {})
        return self.keeper

    def join(self, count: int = 1, *, graft: bool = True, ip: str | None = None) -> list[PeerId]:
        """Connect the first peers, and graft them."""
        for peer in self.peers[:count]:
            self.keeper.add_peer(peer, ip, self.now)
            if graft:
                self.keeper.graft(peer, "chat", self.now)
        return self.peers[:count]

    def message(self, sender: PeerId, *, topic: str = "chat", id: bytes | None = None) -> Message:  # noqa: A002
        """A message of a serial number nobody had."""
        self._serial += 1
        return Message(None, topic, b"data", None, id or b"%d" % self._serial, sender, b"")

    def valid(self, sender: PeerId, count: int = 1, *, topic: str = "chat") -> Message:
        """The peer is the first to bring valid messages. Returns the last of them."""
        for _ in range(count):
            message = self.message(sender, topic=topic)
            self.keeper.deliver(message, self.now)
        return message

    def invalid(self, sender: PeerId, count: int = 1, *, topic: str = "chat") -> None:
        """The peer brings invalid messages."""
        for _ in range(count):
            self.keeper.reject_untracked(sender, topic)

    def wait(self, seconds: float) -> None:
        """Let time pass, with all refreshes that are due in it."""
        end = self.now + seconds
        while self.keeper.next_refresh <= end:
            self.now = self.keeper.next_refresh
            self.keeper.refresh(self.now)
        self.now = end

    def score(self, peer: PeerId) -> float:
        """The score, which is the breakdown's total after a refresh."""
        return self.keeper.score(peer)


@pytest.fixture
def game() -> Game:
    return Game()
