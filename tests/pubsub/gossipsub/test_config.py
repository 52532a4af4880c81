"""The figures of gossipsub."""

from typing import Any

import pytest

from p2pstack.errors import LocalProtocolError
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.features import FEATURES, FLOODSUB, PROTOCOLS


def test_the_figures_are_those_of_the_specification_unless_others_are_given() -> None:
    config = GossipSubConfig()
    assert (config.d, config.d_low, config.d_high, config.d_score, config.d_out, config.d_lazy) == (6, 5, 12, 4, 2, 6)
    assert (config.prune_backoff, config.unsubscribe_backoff, config.max_backoff) == (60.0, 10.0, 3_600.0)
    assert (config.history_length, config.history_gossip, config.gossip_retransmission) == (5, 3, 3)
    assert (config.max_ihave_ids, config.max_ihave_messages, config.iwant_followup) == (5_000, 10, 3.0)
    assert (config.idontwant_threshold, config.max_idontwant_ids, config.idontwant_ttl) == (1_024, 1_000, 3)


@pytest.mark.parametrize(
    "figures",
    [
        {"d": 4},
        {"d": 13},
        {"d_low": -1},
        {"d_score": 7},
        {"d_out": 5},
        {"d_out": 4, "d_low": 5, "d": 6},
        {"d_out": -1},
        {"history_gossip": 6},
        {"history_gossip": 0},
        {"gossip_factor": 1.1},
        {"heartbeat_interval": 0.0},
        {"prune_backoff": 0.0},
        {"d_lazy": -1},
        {"protocols": ["/meshsub/2.0.0"]},
        {"protocols": [FLOODSUB]},
        {"protocols": []},
    ],
    ids=str,
)
def test_figures_that_do_not_go_together_are_refused_by_name(figures: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="GossipSubConfig: expected"):
        GossipSubConfig(**figures)


def test_a_mesh_may_be_of_any_size_that_goes_together() -> None:
    GossipSubConfig(d=0, d_low=0, d_high=0, d_score=0, d_out=0)
    GossipSubConfig(d=8, d_low=8, d_high=8, d_score=8, d_out=4)


def test_each_version_can_do_what_the_one_before_could() -> None:
    names = ("mesh", "exchange", "idontwant", "extensions")
    can = [sum(getattr(FEATURES[protocol], name) for name in names) for protocol in PROTOCOLS]
    assert can == [4, 3, 2, 1, 0]
