"""`GossipSub`: pubsub by gossipsub."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf
from typing import Unpack

from anyio import current_time
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint
from multiaddr import Multiaddr

from p2pstack.abc.host import Host
from p2pstack.errors import LocalProtocolError
from p2pstack.host.targets import parse_addr
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.admission import Admission
from p2pstack.pubsub.filter import SubscriptionFilter
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.parts import PartialMessage, PartialTopic
from p2pstack.pubsub.gossipsub.router import GossipSubRouter
from p2pstack.pubsub.gossipsub.score.breakdown import ScoreBreakdown
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, TopicScoreConfig
from p2pstack.pubsub.gossipsub.score.score import PeerScore
from p2pstack.pubsub.received_parts import ReceivedParts
from p2pstack.pubsub.router import Router
from p2pstack.pubsub.service import PubSub, PubSubOptions
from p2pstack.pubsub.subscription import Overflow, TopicSubscription

__all__ = ["GossipSub"]

_SCORE = ScoreConfig()


class GossipSub(PubSub):
    """Gossipsub, in a host: `Host(services=[GossipSub()])`. The other parameters are those of `PubSub`.

    :param config: its figures
    :param score: how peers are scored; None: they are not
    :param topic_scores: parameters for single topics
    :param direct_peers: addresses, with `/p2p/...`, of peers by agreement, which must have us as one too: always
        connected, in no mesh, sent every message, never scored out
    :raises LocalProtocolError: an address of a direct peer is malformed, or names no peer
    """

    def __init__(
        self,
        *,
        config: GossipSubConfig | None = None,
        score: ScoreConfig | None = _SCORE,
        topic_scores: Mapping[str, TopicScoreConfig] | None = None,
        direct_peers: Iterable[Multiaddr | str] = (),
        **options: Unpack[PubSubOptions],
    ) -> None:
        super().__init__(**options)
        self._score = None if score is None else PeerScore(score, topic_scores or {})
        self._direct: dict[PeerId, list[Multiaddr]] = {}
        for addr in direct_peers:
            bare, peer = parse_addr(addr)
            if peer is None:
                raise LocalProtocolError(f"direct_peers: expected addresses that end in /p2p/<peer id>, got {addr}")
            self._direct.setdefault(peer, []).append(bare)
        config = config or GossipSubConfig()
        self._gossip = replace(config, direct_peers=frozenset((*config.direct_peers, *self._direct)))

    async def run(self, host: Host, *, task_status: TaskStatus[None]) -> None:
        for peer, addrs in self._direct.items():
            host.peerstore.add_addrs(peer, addrs, ttl=inf)
        await super().run(host, task_status=task_status)

    @property
    def _router(self) -> GossipSubRouter:
        router = self._driver.router
        assert isinstance(router, GossipSubRouter)
        return router

    def _make_router(self, host: Host, admission: Admission, subscription_filter: SubscriptionFilter) -> Router:
        def record_of(peer: PeerId) -> bytes | None:
            envelope = host.peerstore.record(peer)
            return None if envelope is None else envelope.to_bytes()

        return GossipSubRouter(
            self._gossip,
            admission=admission,
            random=host.random,
            score=self._score,
            subscription_filter=subscription_filter,
            records=record_of,
        )

    # --- messages in parts

    def subscribe_parts(
        self,
        topic: str,
        how: PartialTopic | None = None,
        *,
        buffer: int = 1024,
        buffer_bytes: int = 1 << 26,
        overflow: Overflow = Overflow.DROP_OLDEST,
    ) -> TopicSubscription[ReceivedParts]:
        """What peers send of messages in parts: as `subscribe`, of a topic in which nothing else has been subscribed to
        before. Peers that cannot do parts send whole messages, which `subscribe` gives.

        :param how: whether parts are requested in place of whole messages, and how metadata is merged
        :raises LocalProtocolError: as `subscribe`, or the topic is subscribed to already, but not in parts
        """
        driver = self._driver
        self._check_topic(topic)
        if topic not in driver.parts:
            self._router.enable_partial(topic, how or PartialTopic())
        return driver.subscribe(driver.parts, topic, buffer=buffer, buffer_bytes=buffer_bytes, overflow=overflow)

    async def publish_parts(self, topic: str, message: PartialMessage) -> None:
        """Send peers what we have of a message and they lack, and tell them what we have: to be called whenever there
        is more of it.

        :raises LocalProtocolError: the topic has no messages in parts
        """
        driver = self._driver
        driver.perform(self._router.publish_partial(topic, message, current_time()))
        await checkpoint()

    def reject_parts(self, parts: ReceivedParts) -> None:
        """Hold it against a peer that the parts it sent are wrong."""
        self._router.reject_partial(parts.peer, parts.topic)

    # --- scores

    def score_breakdown(self, peer: PeerId) -> ScoreBreakdown | None:
        """What the score of a peer is made of; None where nothing is known of it, or scores are not kept."""
        return None if self._score is None else self._score.breakdown(peer)
