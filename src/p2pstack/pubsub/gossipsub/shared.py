"""What the parts of the router have in common: its figures, and the tables that more than one of them looks into."""

from p2pstack.pubsub.admission import Admission
from p2pstack.pubsub.gossipsub.backoff import Backoff
from p2pstack.pubsub.gossipsub.choice import Randomness
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.message_cache import MessageCache
from p2pstack.pubsub.gossipsub.outgoing import Outgoing
from p2pstack.pubsub.gossipsub.peers import Peers
from p2pstack.pubsub.gossipsub.promises import Promises
from p2pstack.pubsub.gossipsub.quotas import Quotas
from p2pstack.pubsub.gossipsub.scorer import Scorer

__all__ = ["Shared"]


class Shared:
    """The surroundings of a part."""

    __slots__ = (
        "admission",
        "backoff",
        "config",
        "messages",
        "outgoing",
        "peers",
        "promises",
        "quotas",
        "random",
        "score",
    )

    def __init__(self, config: GossipSubConfig, admission: Admission, random: Randomness, score: Scorer) -> None:
        self.config = config
        self.admission = admission
        self.random = random
        self.score = score
        self.peers = Peers(config.direct_peers)
        self.outgoing = Outgoing()
        self.quotas = Quotas(config, score)
        self.backoff = Backoff(longest=config.max_backoff, slack=config.backoff_slack, limit=config.backoff_limit)
        self.messages = MessageCache(
            length=config.history_length, gossip=config.history_gossip, limit=config.history_bytes
        )
        self.promises = Promises(config.iwant_followup)
