"""Whatever happens in whatever order: scores are numbers, caps hold, and what is kept equals what is worked out."""

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, TopicScoreConfig
from p2pstack.pubsub.gossipsub.score.score import PeerScore
from p2pstack.pubsub.message import Message

PEERS = [PeerId(b"\x12\x20" + bytes([number]) * 32) for number in range(4)]
TOPICS = ["one", "two", "three"]
IPS = ["8.8.8.8", "2001:db8::1", "10.0.0.1", None]

positive = st.one_of(st.floats(0, 1e12), st.sampled_from([0.0, 1.0, 1e12]))
negative = positive.map(lambda weight: -weight)
decays = st.floats(0, 1, exclude_min=True, exclude_max=True)
caps = st.floats(1e-3, 1e12)


@st.composite
def topic_configs(draw: Any) -> TopicScoreConfig:
    cap = draw(caps)
    return TopicScoreConfig(
        topic_weight=draw(positive),
        time_in_mesh_weight=draw(positive),
        time_in_mesh_quantum=draw(st.floats(1e-9, 1e6)),
        time_in_mesh_cap=draw(caps),
        first_message_deliveries_weight=draw(positive),
        first_message_deliveries_decay=draw(decays),
        first_message_deliveries_cap=draw(caps),
        mesh_message_deliveries_weight=draw(negative),
        mesh_message_deliveries_decay=draw(decays),
        mesh_message_deliveries_cap=cap,
        mesh_message_deliveries_threshold=draw(st.floats(cap * 1e-6, cap)),
        mesh_message_deliveries_window=draw(st.floats(0, 10)),
        mesh_message_deliveries_activation=draw(st.floats(1, 10)),
        mesh_failure_penalty_weight=draw(negative),
        mesh_failure_penalty_decay=draw(decays),
        invalid_message_deliveries_weight=draw(negative),
        invalid_message_deliveries_decay=draw(decays),
    )


configs = st.builds(
    ScoreConfig,
    default_topic=st.none() | topic_configs(),
    topic_score_cap=positive,
    app_specific_score=st.sampled_from([None, lambda _: math.nan, lambda _: -math.inf, lambda _: 1 / 0, lambda _: 3.5]),
    app_specific_weight=positive,
    ip_colocation_factor_weight=negative,
    ip_colocation_factor_threshold=st.integers(1, 3),
    behaviour_penalty_weight=negative,
    behaviour_penalty_threshold=positive,
    behaviour_penalty_decay=decays,
    decay_to_zero=decays,
    retain_score=st.floats(0, 100),
    max_retained=st.integers(0, 3),
    max_deliveries=st.integers(2, 10),
)
verbs = [
    "add",
    "remove",
    "graft",
    "prune",
    "deliver",
    "reject",
    "duplicate",
    "duplicate",
    "penalty",
    "refresh",
    "refresh",
    "topic",
]
steps = st.lists(
    st.tuples(
        st.sampled_from(verbs), st.sampled_from(PEERS), st.sampled_from(TOPICS), st.integers(0, 5), st.floats(0, 30)
    ),
    max_size=80,
)


@given(configs, topic_configs(), topic_configs(), steps)
def test_whatever_happens_scores_are_numbers_and_bounds_hold(
    config: ScoreConfig, one: TopicScoreConfig, other: TopicScoreConfig, steps: list[Any]
) -> None:
    keeper = PeerScore(config, {"one": one})
    now = 0.0
    for verb, peer, topic, number, pause in steps:
        message = Message(None, topic, b"", None, b"%d" % number, peer, b"")
        match verb:
            case "add":
                keeper.add_peer(peer, IPS[number % len(IPS)], now)
            case "remove":
                keeper.remove_peer(peer, now)
            case "graft":
                keeper.graft(peer, topic, now)
            case "prune":
                keeper.prune(peer, topic)
            case "deliver":
                keeper.deliver(message, now)
            case "duplicate":
                keeper.duplicate(peer, topic, message.id, now)
            case "reject":
                keeper.reject_untracked(peer, topic)
            case "penalty":
                keeper.add_penalty(peer, 10**number)
            case "topic":
                keeper.set_topic(topic, other)
            case _:
                now += pause
                keeper.refresh(now)
        check(keeper, config, {"one": one, "two": other, "three": other}, refreshed=verb == "refresh" and pause > 1)


def check(keeper: PeerScore, config: ScoreConfig, topics: Any, *, refreshed: bool) -> None:
    highest = max(config.topic_score_cap or math.inf, 0.0)
    assert len(keeper._deliveries) <= config.max_deliveries
    assert len(keeper._peers.remembered) <= config.max_retained
    assert not keeper._peers.remembered.keys() & keeper._peers.connected.keys()
    groups: dict[str, int] = {}
    for peer in PEERS:
        score = keeper.score(peer)
        assert math.isfinite(score)
        breakdown = keeper.breakdown(peer)
        if breakdown is None:
            assert score == 0.0
            continue
        assert math.isfinite(breakdown.total)
        assert str(breakdown)
        assert breakdown.topics_total <= highest
        assert breakdown.ip_colocation.score <= 0.0
        assert breakdown.behaviour_penalty.score <= 0.0
        if refreshed:
            assert math.isclose(score, breakdown.total, rel_tol=1e-6, abs_tol=1e-6 * worst(breakdown))
        counters = keeper._peers.find(peer)
        assert counters is not None
        if counters.group is not None:
            groups[counters.group] = groups.get(counters.group, 0) + 1
        for in_topic in counters.topics.values():
            assert 0.0 <= in_topic.first_deliveries <= in_topic.config.first_message_deliveries_cap
            assert 0.0 <= in_topic.mesh_deliveries <= in_topic.config.mesh_message_deliveries_cap
            assert 0.0 <= in_topic.points_in_mesh <= in_topic.config.time_in_mesh_cap
            assert in_topic.mesh_failures >= 0.0
            assert in_topic.invalid_messages >= 0.0
            assert counters.connected or in_topic.grafted_at is None
    assert groups == dict(keeper._peers._colocation._peers)


def worst(breakdown: Any) -> float:
    """The largest part, for what is lost to rounding is in proportion to it."""
    parts = [part.score for topic in breakdown.topics.values() for part in topic.parts.values()]
    return max(map(abs, (*parts, breakdown.app_specific.score, breakdown.behaviour_penalty.score, 1.0)))


@given(st.permutations(range(12)))
def test_the_order_of_deeds_in_an_interval_does_not_matter(order: list[int]) -> None:
    config = TopicScoreConfig(first_message_deliveries_weight=1, topic_weight=0.5)
    keeper = PeerScore(ScoreConfig(), {"one": config})
    peer = PEERS[0]
    keeper.add_peer(peer, "8.8.8.8", 0.0)
    for number in order:
        if number < 4:
            keeper.deliver(Message(None, "one", b"", None, b"%d" % number, peer, b""), 0.5)
        elif number < 8:
            keeper.reject_untracked(peer, "one")
        else:
            keeper.add_penalty(peer, 1)
    keeper.refresh(1.0)
    left = config.first_message_deliveries_decay
    expected = 0.5 * (4 * left - (4 * left) ** 2) - 5 * (4 * left - 1) ** 2
    assert math.isclose(keeper.score(peer), expected)
