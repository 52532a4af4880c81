"""One router, and peers that say what a test has them say."""

from random import Random
from typing import Any

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import Action, Validate
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.features import MESHSUB_1_3
from p2pstack.pubsub.gossipsub.router import GossipSubRouter
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, TopicScoreConfig
from p2pstack.pubsub.gossipsub.score.score import PeerScore
from p2pstack.pubsub.router import Link
from p2pstack.pubsub.rpc import RPC, RawMessage, Subscribe

from .values import GOOD, INVALID, make_admission, peer_id


class Lab:
    """One router, and peers that say what a test has them say."""

    def __init__(
        self,
        config: GossipSubConfig | None = None,
        *,
        score: ScoreConfig | None = None,
        topics: dict[str, TopicScoreConfig] | None = None,
        seed: int = 0,
        admission: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.local = peer_id("local")
        self.now = 1_000.0
        self.score = None if score is None else PeerScore(score, topics or {})
        self.router = GossipSubRouter(
            config or GossipSubConfig(),
            admission=make_admission(self.local, **(admission or {})),
            random=Random(seed),
            score=self.score,
            **options,
        )
        self.router.on_deadline(self.now)

    def peer(
        self,
        name: object,
        *topics: str,
        protocol: str = MESHSUB_1_3,
        outbound: bool = False,
        ip: str | None = None,
    ) -> PeerId:
        """A peer that is connected, and in topics."""
        peer = peer_id(name)
        self.router.add_peer(peer, Link(protocol, outbound=outbound, ip=ip), self.now)
        self.router.receive(peer, RPC(subscriptions=[Subscribe(topic) for topic in topics]), self.now)
        return peer

    def says(self, peer: PeerId, **what: Any) -> list[Action]:
        return list(self.router.receive(peer, RPC(**what), self.now))

    def brings(self, peer: PeerId, *raws: RawMessage) -> list[Action]:
        """A peer brings messages, which turn out as they are."""
        actions = self.says(peer, messages=raws)
        for action in tuple(actions):
            if isinstance(action, Validate):
                data, signature = action.raw.data, action.raw.signature
                if signature != GOOD or data.startswith(INVALID):
                    actions += self.router.reject(action.message, "it is bad", self.now)
                else:
                    actions += self.router.accept(action.message, self.now)
        return actions

    def wait(self, seconds: float) -> list[Action]:
        """Let time pass."""
        actions: list[Action] = []
        end = self.now + seconds
        while (due := self.router.deadline()) <= end:
            self.now = max(self.now, due)
            actions += self.router.on_deadline(self.now)
            assert self.router.deadline() > self.now, "a deadline that was served is over"
        self.now = end
        return actions

    def beat(self) -> list[Action]:
        """One heartbeat."""
        return self.wait(1.0)
