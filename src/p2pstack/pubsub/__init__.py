"""Publish and subscribe: floodsub and gossipsub.

=================  =================================================================================================
for applications
`gossip_sub`       `GossipSub`: what most want
`flood_sub`        `FloodSub`
`service`          `PubSub`: what both can do: subscribe, publish, look
`subscription`     what an application reads, and what happens where it does not
`message`          a message; `received_parts` is some of one
`validators`       what an application says of messages
`events`, `stats`  what pubsub tells about itself
-----------------  -------------------------------------------------------------------------------------------------
who decides        pure
`router`           what every router is; `actions` is what it asks for
`floodsub`         a router
`gossipsub/`       the other one
`admission`        what becomes of a message that comes; `seen` is what it remembers
`identifiers`      what tells messages apart
`filter`           which topics are of interest
-----------------  -------------------------------------------------------------------------------------------------
bytes and values   pure
`rpc`              what peers say to each other, as values
`codec`, `pieces`  from bytes, to bytes; `fields` is what both are made of
`signing`          who must sign, and signs
`outbox`           what waits to be sent to a peer
-----------------  -------------------------------------------------------------------------------------------------
who awaits
`driver`           makes a router live
`table`            the peers that come and go
`streams`          the streams of one of them
`validation`       checks messages; `verifier` does signatures, on several cores
`connector`        connects to peers that others named
`config`           deadlines and limits of all these
=================  =================================================================================================

Source: libp2p specs, pubsub and pubsub/gossipsub.
"""

from p2pstack.pubsub.config import PubSubConfig
from p2pstack.pubsub.events import (
    Delivered,
    Duplicate,
    Grafted,
    PeerJoined,
    PeerLeft,
    Pruned,
    PubSubEvent,
    Rejected,
    SendDropped,
)
from p2pstack.pubsub.filter import SubscriptionFilter
from p2pstack.pubsub.flood_sub import FloodSub
from p2pstack.pubsub.gossip_sub import GossipSub
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.parts import PartialMessage, PartialTopic
from p2pstack.pubsub.gossipsub.score.breakdown import ScoreBreakdown
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, ScoreThresholds, TopicScoreConfig
from p2pstack.pubsub.identifiers import MessageId, data_hash, source_and_sequence, source_text_and_number
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.received_parts import ReceivedParts
from p2pstack.pubsub.service import Published, PubSub
from p2pstack.pubsub.signing import SigningPolicy
from p2pstack.pubsub.stats import PubSubStats
from p2pstack.pubsub.subscription import Overflow, TopicSubscription
from p2pstack.pubsub.validation import ValidationConfig
from p2pstack.pubsub.validators import Validator, Verdict

__all__ = [
    "Delivered",
    "Duplicate",
    "FloodSub",
    "GossipSub",
    "GossipSubConfig",
    "Grafted",
    "Message",
    "MessageId",
    "Overflow",
    "PartialMessage",
    "PartialTopic",
    "PeerJoined",
    "PeerLeft",
    "Pruned",
    "PubSub",
    "PubSubConfig",
    "PubSubEvent",
    "PubSubStats",
    "Published",
    "ReceivedParts",
    "Rejected",
    "ScoreBreakdown",
    "ScoreConfig",
    "ScoreThresholds",
    "SendDropped",
    "SigningPolicy",
    "SubscriptionFilter",
    "TopicScoreConfig",
    "TopicSubscription",
    "ValidationConfig",
    "Validator",
    "Verdict",
    "data_hash",
    "source_and_sequence",
    "source_text_and_number",
]
