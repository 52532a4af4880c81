"""Which parameters make sense. The cases are those of go-libp2p-pubsub's score_params_test.go, and more."""

import math
from typing import Any

import pytest

from p2pstack.errors import LocalProtocolError
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, ScoreThresholds, TopicScoreConfig

NOT_NUMBERS = (math.nan, math.inf, -math.inf)


def test_thresholds_that_descend_are_taken() -> None:
    thresholds = ScoreThresholds(gossip=-1, publish=-2, graylist=-3, accept_px=1, opportunistic_graft=2)
    assert (thresholds.gossip, thresholds.graylist) == (-1, -3)
    assert ScoreThresholds(gossip=0, publish=0, graylist=0, accept_px=0, opportunistic_graft=0) is not None


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"gossip": 1}, "gossip"),
        ({"publish": 1}, "publish"),
        ({"gossip": -1, "publish": 0}, "publish"),
        ({"gossip": -1, "publish": -2, "graylist": 0}, "graylist"),
        ({"gossip": -1, "publish": -2, "graylist": -1.5}, "graylist"),
        ({"accept_px": -1}, "accept_px"),
        ({"opportunistic_graft": -1}, "opportunistic_graft"),
        *(
            ({name: value}, name)
            for name in ("gossip", "publish", "graylist", "accept_px", "opportunistic_graft")
            for value in NOT_NUMBERS
        ),
    ],
)
def test_thresholds_out_of_order_or_range_are_refused_by_name(wrong: dict[str, float], name: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"^{name} is .*: expected at "):
        ScoreThresholds(**wrong)


def test_all_parameters_of_a_topic_together_are_taken() -> None:
    config = TopicScoreConfig(
        topic_weight=1,
        time_in_mesh_weight=0.01,
        time_in_mesh_quantum=1,
        time_in_mesh_cap=10,
        first_message_deliveries_weight=1,
        first_message_deliveries_decay=0.5,
        first_message_deliveries_cap=10,
        mesh_message_deliveries_weight=-1,
        mesh_message_deliveries_decay=0.5,
        mesh_message_deliveries_cap=10,
        mesh_message_deliveries_threshold=5,
        mesh_message_deliveries_window=0.001,
        mesh_message_deliveries_activation=1,
        mesh_failure_penalty_weight=-1,
        mesh_failure_penalty_decay=0.5,
        invalid_message_deliveries_weight=-1,
        invalid_message_deliveries_decay=0.5,
    )
    assert config.counts_first_deliveries
    assert config.counts_mesh_deliveries


@pytest.mark.parametrize(
    "part",
    [
        {"topic_weight": 0},
        {"time_in_mesh_weight": 0.01, "time_in_mesh_quantum": 0.5},
        {"first_message_deliveries_weight": 1},
        {"mesh_message_deliveries_weight": -1, "mesh_message_deliveries_threshold": 5},
        {"mesh_failure_penalty_weight": -1, "mesh_message_deliveries_threshold": 5},
        {"invalid_message_deliveries_weight": 0},
    ],
)
def test_each_part_of_a_topic_can_be_set_alone(part: dict[str, float]) -> None:
    assert TopicScoreConfig(**part) != TopicScoreConfig()


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"topic_weight": -1}, "topic_weight"),
        ({"time_in_mesh_weight": -1}, "time_in_mesh_weight"),
        ({"time_in_mesh_quantum": 0}, "time_in_mesh_quantum"),
        ({"time_in_mesh_quantum": -1}, "time_in_mesh_quantum"),
        ({"time_in_mesh_cap": -1}, "time_in_mesh_cap"),
        ({"first_message_deliveries_weight": -1}, "first_message_deliveries_weight"),
        ({"first_message_deliveries_decay": -1}, "first_message_deliveries_decay"),
        ({"first_message_deliveries_decay": 0}, "first_message_deliveries_decay"),
        ({"first_message_deliveries_decay": 1}, "first_message_deliveries_decay"),
        ({"first_message_deliveries_decay": 2}, "first_message_deliveries_decay"),
        ({"first_message_deliveries_cap": -1}, "first_message_deliveries_cap"),
        ({"mesh_message_deliveries_weight": 1}, "mesh_message_deliveries_weight"),
        ({"mesh_message_deliveries_weight": -1}, "mesh_message_deliveries_threshold"),
        ({"mesh_message_deliveries_decay": -1}, "mesh_message_deliveries_decay"),
        ({"mesh_message_deliveries_decay": 2}, "mesh_message_deliveries_decay"),
        ({"mesh_message_deliveries_cap": -1}, "mesh_message_deliveries_cap"),
        ({"mesh_message_deliveries_threshold": -3}, "mesh_message_deliveries_threshold"),
        (
            {"mesh_message_deliveries_threshold": 6, "mesh_message_deliveries_cap": 5},
            "mesh_message_deliveries_threshold",
        ),
        ({"mesh_message_deliveries_window": -1}, "mesh_message_deliveries_window"),
        ({"mesh_message_deliveries_activation": 0.001}, "mesh_message_deliveries_activation"),
        ({"mesh_failure_penalty_weight": 1}, "mesh_failure_penalty_weight"),
        ({"mesh_failure_penalty_weight": -1}, "mesh_message_deliveries_threshold"),
        ({"mesh_failure_penalty_decay": -1}, "mesh_failure_penalty_decay"),
        ({"mesh_failure_penalty_decay": 2}, "mesh_failure_penalty_decay"),
        ({"invalid_message_deliveries_weight": 1}, "invalid_message_deliveries_weight"),
        ({"invalid_message_deliveries_decay": -1}, "invalid_message_deliveries_decay"),
        ({"invalid_message_deliveries_decay": 2}, "invalid_message_deliveries_decay"),
        *(({name: value}, name) for name in TopicScoreConfig.__dataclass_fields__ for value in NOT_NUMBERS),
    ],
)
def test_wrong_parameters_of_a_topic_are_refused_by_name(wrong: dict[str, float], name: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"^{name} is .*: expected "):
        TopicScoreConfig(**wrong)


@pytest.mark.parametrize(
    "part",
    [
        {"app_specific_score": lambda _: 1.0, "app_specific_weight": 0},
        {"decay_interval": 12, "decay_to_zero": 0.1},
        {"ip_colocation_factor_weight": -1, "ip_colocation_factor_threshold": 1},
        {"behaviour_penalty_weight": -1, "behaviour_penalty_decay": 0.999, "behaviour_penalty_threshold": 0},
        {"topic_score_cap": 1},
        {"retain_score": 0, "max_retained": 0},
        {"default_topic": None},
    ],
)
def test_each_part_of_the_whole_can_be_set_alone(part: dict[str, Any]) -> None:
    assert ScoreConfig(**part) != ScoreConfig()


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"topic_score_cap": -1}, "topic_score_cap"),
        ({"app_specific_weight": -1}, "app_specific_weight"),
        ({"ip_colocation_factor_weight": 1}, "ip_colocation_factor_weight"),
        ({"ip_colocation_factor_threshold": -1}, "ip_colocation_factor_threshold"),
        ({"ip_colocation_factor_threshold": 0}, "ip_colocation_factor_threshold"),
        ({"decay_interval": 0.001}, "decay_interval"),
        ({"decay_to_zero": -1}, "decay_to_zero"),
        ({"decay_to_zero": 2}, "decay_to_zero"),
        ({"behaviour_penalty_weight": 1}, "behaviour_penalty_weight"),
        ({"behaviour_penalty_decay": 0}, "behaviour_penalty_decay"),
        ({"behaviour_penalty_decay": 2}, "behaviour_penalty_decay"),
        ({"behaviour_penalty_threshold": -1}, "behaviour_penalty_threshold"),
        ({"retain_score": -1}, "retain_score"),
        ({"max_retained": -1}, "max_retained"),
        ({"max_deliveries": 1}, "max_deliveries"),
        *(
            ({name: value}, name)
            for name in (
                "topic_score_cap",
                "app_specific_weight",
                "ip_colocation_factor_weight",
                "behaviour_penalty_weight",
                "behaviour_penalty_threshold",
                "behaviour_penalty_decay",
                "decay_interval",
                "decay_to_zero",
                "retain_score",
            )
            for value in NOT_NUMBERS
        ),
    ],
)
def test_wrong_parameters_are_refused_by_name(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(LocalProtocolError, match=f"^{name} is .*: expected "):
        ScoreConfig(**wrong)


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match=r"'office'.*expected a network such as"):
        ScoreConfig(ip_colocation_factor_exempt=["office"])
