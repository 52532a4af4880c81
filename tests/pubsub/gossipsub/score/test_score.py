"""What peers do, and what it makes them worth. The first half are the scenarios of go-libp2p-pubsub's score_test.go."""

import math
import tracemalloc
from typing import Any

import pytest

from p2pstack.pubsub.gossipsub.score.params import ScoreConfig, TopicScoreConfig

#: no part but one is on
OFF: dict[str, float] = {"invalid_message_deliveries_weight": 0.0}
MESH: dict[str, float] = {
    **OFF,
    "mesh_message_deliveries_activation": 1.0,
    "mesh_message_deliveries_window": 0.010,
    "mesh_message_deliveries_threshold": 20.0,
    "mesh_message_deliveries_cap": 100.0,
    "mesh_message_deliveries_decay": 1 - 1e-12,
}


# --- P1


def test_time_in_the_mesh_is_worth_its_quanta(game: Any) -> None:
    game.start(TopicScoreConfig(**OFF, topic_weight=0.5, time_in_mesh_weight=1, time_in_mesh_quantum=0.5))
    (peer,) = game.join()
    assert game.score(peer) == 0.0
    game.wait(100.0)
    assert game.score(peer) == 0.5 * 200


def test_time_in_the_mesh_has_a_cap(game: Any) -> None:
    config = TopicScoreConfig(
        **OFF, topic_weight=0.5, time_in_mesh_weight=1, time_in_mesh_quantum=0.001, time_in_mesh_cap=10
    )
    game.start(config)
    (peer,) = game.join()
    game.wait(40.0)
    assert game.score(peer) == 0.5 * 10


def test_time_in_the_mesh_ends_with_it_and_starts_anew(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(**OFF, time_in_mesh_weight=1))
    (peer,) = game.join()
    game.wait(10.0)
    keeper.prune(peer, "chat")
    assert game.score(peer) == 0.0
    keeper.graft(peer, "chat", game.now)
    game.wait(3.0)
    assert game.score(peer) == 3.0


# --- P2


def test_each_message_brought_first_counts(game: Any) -> None:
    game.start(
        TopicScoreConfig(
            **OFF,
            first_message_deliveries_weight=1,
            first_message_deliveries_decay=1 - 1e-12,
            first_message_deliveries_cap=2_000,
        )
    )
    (peer,) = game.join()
    game.valid(peer, 100)
    game.wait(1.0)
    assert game.score(peer) == pytest.approx(100)


def test_messages_brought_first_have_a_cap(game: Any) -> None:
    game.start(
        TopicScoreConfig(
            **OFF,
            first_message_deliveries_weight=1,
            first_message_deliveries_decay=1 - 1e-12,
            first_message_deliveries_cap=50,
        )
    )
    (peer,) = game.join()
    game.valid(peer, 100)
    game.wait(1.0)
    assert game.score(peer) == pytest.approx(50)


def test_messages_brought_first_are_forgotten_interval_by_interval(game: Any) -> None:
    game.start(
        TopicScoreConfig(
            **OFF,
            first_message_deliveries_weight=1,
            first_message_deliveries_decay=0.9,
            first_message_deliveries_cap=2_000,
        )
    )
    (peer,) = game.join()
    game.valid(peer, 100)
    game.wait(1.0)
    assert game.score(peer) == pytest.approx(90)
    game.wait(10.0)
    assert game.score(peer) == pytest.approx(90 * 0.9**10)
    game.wait(100.0)
    assert game.score(peer) == 0.0


# --- P3


def test_who_brings_no_copies_in_time_pays_for_what_is_missing(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(**MESH, mesh_message_deliveries_weight=-1))
    first, near_first, late = game.join(3)
    game.wait(1.0)
    assert [game.score(peer) for peer in (first, near_first, late)] == [0.0] * 3
    for _ in range(100):
        message = game.valid(first)
        keeper.duplicate(near_first, "chat", message.id, game.now)
        keeper.duplicate(late, "chat", message.id, game.now + 0.030)
    game.wait(1.0)
    assert game.score(first) == 0.0
    assert game.score(near_first) == 0.0
    assert game.score(late) == -20.0 * 20.0


def test_a_copy_counts_once_for_a_peer(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(**MESH, mesh_message_deliveries_weight=-1))
    first, other = game.join(2)
    for _ in range(5):
        message = game.valid(first)
        for sender in (other, first, other):
            keeper.duplicate(sender, "chat", message.id, game.now)
    game.wait(2.0)
    assert [game.score(peer) for peer in (first, other)] == pytest.approx([-15.0 * 15.0] * 2)


def test_copies_of_a_message_of_our_own_count_as_others_do(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(**MESH, mesh_message_deliveries_weight=-1))
    (peer,) = game.join()
    ourselves = game.peers[-1]
    for _ in range(20):
        keeper.duplicate(peer, "chat", game.valid(ourselves).id, game.now)
    game.wait(2.0)
    assert game.score(peer) == pytest.approx(0.0, abs=1e-6)
    assert keeper.breakdown(ourselves) is None


def test_what_a_mesh_peer_brings_counts_only_while_it_is_in_the_mesh(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(**MESH, mesh_message_deliveries_weight=-1))
    (peer,) = game.join(1, graft=False)
    game.valid(peer, 30)
    keeper.graft(peer, "chat", game.now)
    game.wait(2.0)
    assert game.score(peer) == -20.0 * 20.0


def test_messages_of_the_mesh_are_forgotten_until_they_are_too_few(game: Any) -> None:
    game.start(TopicScoreConfig(**{**MESH, "mesh_message_deliveries_decay": 0.9}, mesh_message_deliveries_weight=-1))
    (peer,) = game.join()
    game.valid(peer, 40)
    game.wait(2.0)
    assert game.score(peer) == 0.0
    game.wait(19.0)
    assert game.score(peer) == pytest.approx(-((20 - 40 * 0.9**21) ** 2))


def test_the_penalty_for_missing_messages_starts_over_with_each_graft(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(**MESH, mesh_message_deliveries_weight=-1))
    (peer,) = game.join()
    game.wait(2.0)
    assert game.score(peer) == -400.0
    keeper.graft(peer, "chat", game.now)
    game.wait(1.0)
    assert game.score(peer) == 0.0
    game.wait(1.0)
    assert game.score(peer) == -400.0


# --- P3b


def test_who_is_pruned_with_messages_missing_keeps_paying(game: Any) -> None:
    keeper = game.start(
        TopicScoreConfig(**MESH, mesh_failure_penalty_weight=-1, mesh_failure_penalty_decay=0.5),
    )
    good, bad = game.join(2)
    game.valid(good, 100)
    game.wait(2.0)
    assert [game.score(peer) for peer in (good, bad)] == [0.0, 0.0]
    keeper.prune(good, "chat")
    keeper.prune(bad, "chat")
    assert [game.score(peer) for peer in (good, bad)] == [0.0, -400.0]
    keeper.prune(bad, "chat")
    assert game.score(bad) == -400.0
    game.wait(1.0)
    assert game.score(bad) == -200.0


def test_who_is_pruned_before_anything_is_expected_pays_nothing(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(**MESH, mesh_failure_penalty_weight=-1))
    (peer,) = game.join()
    game.wait(1.0)
    keeper.prune(peer, "chat")
    assert game.score(peer) == 0.0


# --- P4


def test_invalid_messages_cost_their_square_at_once(game: Any) -> None:
    keeper = game.start(TopicScoreConfig())
    (peer,) = game.join()
    for _ in range(100):
        keeper.reject_untracked(peer, "chat")
    assert game.score(peer) == -10_000.0


def test_invalid_messages_are_forgotten(game: Any) -> None:
    game.start(TopicScoreConfig(invalid_message_deliveries_decay=0.9))
    (peer,) = game.join()
    game.invalid(peer, 100)
    game.wait(1.0)
    assert game.score(peer) == pytest.approx(-(90.0**2))
    game.wait(10.0)
    assert game.score(peer) == pytest.approx(-((90 * 0.9**10) ** 2))


# --- P5


def test_what_the_application_thinks_counts_from_the_next_refresh_on(game: Any) -> None:
    opinion = 7.0
    game.start(config=ScoreConfig(app_specific_score=lambda _: opinion, app_specific_weight=0.5))
    (peer,) = game.join()
    assert game.score(peer) == 3.5
    for opinion in (-100.0, 100.0, 1):
        game.wait(1.0)
        assert game.score(peer) == opinion * 0.5


@pytest.mark.parametrize(
    ("opinion", "counts"), [(math.nan, 0.0), (math.inf, 1e12), (-math.inf, -1e12), (-1e300, -1e12)]
)
def test_an_opinion_beyond_all_bounds_is_bounded(game: Any, opinion: float, counts: float) -> None:
    game.start(config=ScoreConfig(app_specific_score=lambda _: opinion))
    (peer,) = game.join()
    assert game.score(peer) == counts


def test_an_application_that_fails_counts_for_nothing_and_is_told_of(game: Any) -> None:
    def fail(_: object) -> float:
        raise LookupError("no such account")

    keeper = game.start(config=ScoreConfig(app_specific_score=fail))
    assert keeper.application_error is None
    (peer,) = game.join()
    game.wait(3.0)
    assert game.score(peer) == 0.0
    assert isinstance(keeper.application_error, LookupError)


# --- P6


def test_those_who_share_an_address_pay(game: Any) -> None:
    config = ScoreConfig(ip_colocation_factor_weight=-1, ip_colocation_factor_threshold=1)
    keeper = game.start(config=config)
    for peer, ip in zip(game.peers, ("1.2.3.4", "2.3.4.5", "2.3.4.5", "2.3.4.5"), strict=False):
        keeper.add_peer(peer, ip, game.now)
    game.wait(1.0)
    assert [game.score(peer) for peer in game.peers[:4]] == [0.0, -4.0, -4.0, -4.0]
    keeper.add_peer(game.peers[1], "3.4.5.6", game.now)
    game.wait(1.0)
    assert [game.score(peer) for peer in game.peers[:4]] == [0.0, 0.0, -1.0, -1.0]


def test_those_who_share_an_exempt_address_pay_nothing(game: Any) -> None:
    config = ScoreConfig(
        ip_colocation_factor_weight=-1, ip_colocation_factor_threshold=1, ip_colocation_factor_exempt=["2.3.0.0/16"]
    )
    game.start(config=config)
    for peer in game.join(4, ip="2.3.4.5"):
        assert game.score(peer) == 0.0


def test_by_default_a_crowd_on_one_machine_costs_nothing(game: Any) -> None:
    game.start()
    peers = game.join(30, ip="127.0.0.1")
    game.wait(60.0)
    assert {game.score(peer) for peer in peers} == {0.0}


# --- P7


def test_broken_rules_cost_their_square_at_once_and_are_forgotten(game: Any) -> None:
    config = ScoreConfig(behaviour_penalty_weight=-1, behaviour_penalty_decay=0.99, behaviour_penalty_threshold=0)
    keeper = game.start(config=config)
    keeper.add_penalty(game.peers[0], 1)
    assert game.score(game.peers[0]) == 0.0
    (peer,) = game.join()
    assert game.score(peer) == 0.0
    keeper.add_penalty(peer, 1)
    assert game.score(peer) == -1.0
    keeper.add_penalty(peer, 1)
    assert game.score(peer) == -4.0
    game.wait(1.0)
    assert game.score(peer) == pytest.approx(-3.9204)
    game.wait(600.0)
    assert game.score(peer) == 0.0


def test_accidents_below_the_threshold_cost_nothing(game: Any) -> None:
    keeper = game.start(config=ScoreConfig(behaviour_penalty_weight=-1, behaviour_penalty_threshold=2))
    (peer,) = game.join()
    keeper.add_penalty(peer, 2)
    assert game.score(peer) == 0.0
    keeper.add_penalty(peer, 3)
    assert game.score(peer) == -9.0


# --- topics together


def test_topics_count_by_their_weights_and_together_up_to_a_cap(game: Any) -> None:
    keeper = game.start(
        TopicScoreConfig(topic_weight=2, first_message_deliveries_weight=1), ScoreConfig(topic_score_cap=15)
    )
    keeper.set_topic("news", TopicScoreConfig(first_message_deliveries_weight=1))
    (peer,) = game.join()
    game.valid(peer, 5)
    game.valid(peer, 3, topic="news")
    assert keeper.breakdown(peer).topics_total == 13.0
    game.valid(peer, 3, topic="news")
    assert keeper.breakdown(peer).topics_total == 15.0
    game.invalid(peer, 10, topic="news")
    assert keeper.breakdown(peer).topics_total == game.score(peer) == 16.0 - 100.0


def test_lower_caps_cut_what_was_counted(game: Any) -> None:
    high = TopicScoreConfig(**MESH, mesh_message_deliveries_weight=-1, first_message_deliveries_weight=10)
    low = TopicScoreConfig(
        **{**MESH, "mesh_message_deliveries_cap": 50.0, "mesh_message_deliveries_threshold": 50.0},
        mesh_message_deliveries_weight=-1,
        first_message_deliveries_weight=10,
        first_message_deliveries_cap=50,
    )
    keeper = game.start(high)
    first, other = game.join(2)
    for _ in range(100):
        keeper.duplicate(other, "chat", game.valid(first).id, game.now)
    assert keeper.breakdown(first).total == 1_000.0
    keeper.set_topic("chat", low)
    assert game.score(first) == 500.0
    game.wait(10.0)
    assert game.score(other) == pytest.approx(0.0, abs=1e-6)


def test_other_weights_count_for_what_happened_before(game: Any) -> None:
    keeper = game.start(TopicScoreConfig())
    (peer,) = game.join(graft=False)
    game.invalid(peer, 100)
    assert game.score(peer) == -10_000.0
    keeper.set_topic("chat", TopicScoreConfig(invalid_message_deliveries_weight=-10))
    assert game.score(peer) == -100_000.0


def test_by_default_only_what_is_wrong_counts(game: Any) -> None:
    keeper = game.start()
    quiet, busy, wrong = game.join(3)
    game.valid(busy, 50)
    game.wait(3_600.0)
    assert [game.score(peer) for peer in (quiet, busy, wrong)] == [0.0] * 3
    game.invalid(wrong)
    assert game.score(wrong) == -1.0
    game.invalid(wrong, 9)
    assert game.score(wrong) < keeper.thresholds.graylist
    game.wait(900.0)
    assert game.score(wrong) == 0.0


def test_a_topic_without_parameters_does_not_count_where_there_is_no_default(game: Any) -> None:
    keeper = game.start(config=ScoreConfig(default_topic=None))
    (peer,) = game.join()
    game.invalid(peer, 3)
    game.valid(peer, 3)
    keeper.prune(peer, "chat")
    assert game.score(peer) == 0.0
    assert keeper.breakdown(peer).topics == {}


# --- coming and going


def test_a_bad_score_waits_for_the_peer_undecayed_and_only_for_a_time(game: Any) -> None:
    keeper = game.start(config=ScoreConfig(app_specific_score=lambda _: -1_000.0, retain_score=10.0))
    (peer,) = game.join()
    keeper.remove_peer(peer, game.now)
    game.wait(5.0)
    assert game.score(peer) == -1_000.0
    game.wait(5.05)
    assert game.score(peer) == 0.0


def test_who_comes_back_is_worth_what_it_was(game: Any) -> None:
    keeper = game.start()
    (peer,) = game.join()
    game.invalid(peer, 5)
    keeper.add_penalty(peer, 4)
    before = game.score(peer)
    assert before == -25.0 - 5.0 * 9.0
    keeper.remove_peer(peer, game.now)
    game.wait(1_000.0)
    keeper.add_peer(peer, None, game.now)
    assert game.score(peer) == before
    game.wait(1.0)
    assert before < game.score(peer) < 0.0


def test_a_good_score_does_not_outlast_the_peer(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(first_message_deliveries_weight=1))
    (peer,) = game.join()
    game.valid(peer, 5)
    game.invalid(peer, 1)
    keeper.remove_peer(peer, game.now)
    assert keeper.breakdown(peer) is None
    assert game.score(peer) == 0.0


def test_what_was_good_is_not_held_against_what_was_bad(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(first_message_deliveries_weight=1))
    (peer,) = game.join()
    game.valid(peer, 4)
    game.invalid(peer, 2)
    assert game.score(peer) == 0.0
    keeper.remove_peer(peer, game.now)
    assert game.score(peer) == -4.0
    assert not keeper.breakdown(peer).connected


def test_who_goes_out_of_the_mesh_with_messages_missing_finds_that_when_it_is_back(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(**MESH, mesh_failure_penalty_weight=-1))
    (peer,) = game.join()
    game.wait(2.0)
    keeper.remove_peer(peer, game.now)
    assert game.score(peer) == -400.0
    keeper.add_peer(peer, None, game.now)
    assert game.score(peer) == -400.0


def test_who_did_nothing_wrong_is_not_remembered(game: Any) -> None:
    keeper = game.start(config=ScoreConfig(ip_colocation_factor_threshold=1))
    peers = game.join(20, ip="8.8.8.8")
    game.wait(1.0)
    assert game.score(peers[0]) < 0
    for peer in peers:
        keeper.remove_peer(peer, game.now)
        keeper.remove_peer(peer, game.now)
    assert [keeper.breakdown(peer) for peer in peers] == [None] * 20


def test_whoever_misbehaves_under_ever_new_names_is_known_by_its_address(game: Any) -> None:
    keeper = game.start(config=ScoreConfig(ip_colocation_factor_threshold=5))
    for peer in game.peers:
        keeper.add_peer(peer, "8.8.8.8", game.now)
        game.invalid(peer)
        keeper.remove_peer(peer, game.now)
    newcomer = game.peers[0]
    keeper.add_peer(newcomer, "8.8.8.8", game.now)
    assert game.score(newcomer) == -1.0 - 25.0**2
    keeper.remove_peer(newcomer, game.now)
    game.wait(3_601.0)
    keeper.add_peer(newcomer, "8.8.8.8", game.now)
    assert game.score(newcomer) == 0.0


def test_no_more_are_remembered_than_the_limit_and_the_first_to_go_is_forgotten_first(game: Any) -> None:
    keeper = game.start(config=ScoreConfig(max_retained=3))
    for peer in game.join(5):
        game.invalid(peer)
        keeper.remove_peer(peer, game.now)
    assert [game.score(peer) for peer in game.peers[:5]] == [0.0, 0.0, -1.0, -1.0, -1.0]


def test_who_leaves_before_its_message_is_found_invalid_does_not_get_away(game: Any) -> None:
    keeper = game.start()
    (peer,) = game.join()
    keeper.remove_peer(peer, game.now)
    assert keeper.breakdown(peer) is None
    game.invalid(peer, 3)
    keeper.add_peer(peer, None, game.now)
    assert game.score(peer) == -9.0


def test_penalties_find_those_who_are_remembered(game: Any) -> None:
    keeper = game.start()
    (peer,) = game.join()
    game.invalid(peer)
    keeper.remove_peer(peer, game.now)
    keeper.add_penalty(peer, 4)
    keeper.reject_untracked(peer, "chat")
    assert game.score(peer) == -4.0 - 5.0 * 9.0


def test_strangers_are_worth_nothing_and_leave_no_trace(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(**MESH, mesh_message_deliveries_weight=-1))
    stranger = game.peers[0]
    keeper.graft(stranger, "chat", game.now)
    keeper.prune(stranger, "chat")
    message = game.valid(stranger)
    keeper.duplicate(stranger, "chat", message.id, game.now)
    game.invalid(stranger)
    assert game.score(stranger) == 0.0
    assert keeper.breakdown(stranger) is None


# --- time


def test_there_is_nothing_to_refresh_before_there_is_a_peer(game: Any) -> None:
    keeper = game.start()
    assert keeper.next_refresh == math.inf
    keeper.refresh(game.now)
    game.join()
    assert keeper.next_refresh == game.now + 1.0


def test_good_deeds_count_from_the_next_refresh_on_and_bad_ones_at_once(game: Any) -> None:
    game.start(TopicScoreConfig(first_message_deliveries_weight=1))
    (peer,) = game.join()
    assert game.score(peer) == 0.0
    game.valid(peer, 10)
    assert game.score(peer) == 0.0
    game.wait(1.0)
    assert game.score(peer) > 9.0
    game.invalid(peer, 10)
    assert game.score(peer) < -90.0


def test_intervals_in_which_nobody_called_pass_all_the_same(game: Any) -> None:
    keeper = game.start(TopicScoreConfig(invalid_message_deliveries_decay=0.9))
    (peer,) = game.join()
    game.invalid(peer, 100)
    keeper.refresh(game.now + 10.5)
    assert game.score(peer) == pytest.approx(-((100 * 0.9**10) ** 2))
    assert keeper.next_refresh == game.now + 11.0


@pytest.mark.parametrize("later", [1e9, 1e18, 1e300])
def test_no_time_is_too_long(game: Any, later: float) -> None:
    config = {**MESH, "mesh_message_deliveries_decay": 0.9}
    keeper = game.start(TopicScoreConfig(**config, mesh_message_deliveries_weight=-1, time_in_mesh_weight=1))
    (peer,) = game.join()
    game.valid(peer, 30)
    keeper.add_penalty(peer, 100)
    keeper.refresh(later)
    assert game.score(peer) == 3_600.0 - 400.0
    assert keeper.next_refresh >= later


def test_a_refresh_of_many_is_spread_and_comes_to_each_once(game: Any) -> None:
    keeper = game.start(config=ScoreConfig(behaviour_penalty_threshold=0, behaviour_penalty_decay=0.5))
    peers = game.join(30)
    for peer in peers:
        keeper.add_penalty(peer, 8)
        for number in range(200):
            keeper.graft(peer, f"topic {number}", game.now)
    calls = 0
    end = game.now + 2.0
    while keeper.next_refresh < end:
        game.now = keeper.next_refresh
        keeper.refresh(game.now)
        calls += 1
    assert {game.score(peer) for peer in peers} == {-5.0 * 16.0}
    assert 3 <= calls <= 5


def test_who_goes_while_a_refresh_is_under_way_is_left_as_it_was(game: Any) -> None:
    keeper = game.start()
    peers = game.join(30)
    for peer in peers:
        game.invalid(peer)
        for number in range(200):
            keeper.graft(peer, f"topic {number}", game.now)
    game.now = keeper.next_refresh
    keeper.refresh(game.now)
    first = peers[0]
    keeper.remove_peer(first, game.now)
    game.wait(5.0)
    assert game.score(first) == -1.0
    assert -1.0 < game.score(peers[1]) < -0.9


# --- to look at


def test_a_breakdown_shows_each_part_and_reads_as_a_table(game: Any) -> None:
    config = TopicScoreConfig(
        topic_weight=2,
        time_in_mesh_weight=0.5,
        first_message_deliveries_weight=1,
        mesh_message_deliveries_weight=-1,
        mesh_message_deliveries_threshold=4,
        mesh_failure_penalty_weight=-1,
        mesh_message_deliveries_activation=1,
    )
    keeper = game.start(
        config,
        ScoreConfig(
            topic_score_cap=1,
            app_specific_score=lambda _: 3.0,
            ip_colocation_factor_threshold=1,
        ),
    )
    first, other = game.join(2, ip="8.8.8.8")
    game.wait(2.0)
    keeper.prune(first, "chat")
    keeper.graft(first, "chat", game.now)
    game.wait(4.0)
    game.valid(first, 3)
    game.invalid(first, 2)
    keeper.add_penalty(first, 4)
    breakdown = keeper.breakdown(first)
    chat = breakdown.topics["chat"]
    assert (chat.time_in_mesh.value, chat.time_in_mesh.score) == (4.0, 4.0)
    assert (chat.first_message_deliveries.value, chat.first_message_deliveries.score) == (3.0, 6.0)
    assert (chat.mesh_message_deliveries.value, chat.mesh_message_deliveries.score) == (1.0, -2.0)
    assert chat.mesh_failure_penalty.score == pytest.approx(-32.0, rel=0.1)
    assert (chat.invalid_message_deliveries.value, chat.invalid_message_deliveries.score) == (4.0, -8.0)
    assert (breakdown.app_specific.score, breakdown.ip_colocation.score) == (3.0, -1.0)
    assert (breakdown.behaviour_penalty.value, breakdown.behaviour_penalty.score) == (9.0, -45.0)
    assert breakdown.connected
    game.wait(1.0)
    assert keeper.breakdown(first).total == pytest.approx(game.score(first))
    lines = str(breakdown).splitlines()
    assert lines[0] == f"score {breakdown.total:.2f} of {first}"
    assert "    P4 invalid messages: -8.00 (of 4.00)" in lines
    assert "  P5 application: +3.00 (of 3.00)" in lines
    assert "  P6 IP colocation: -1.00 (of 1.00)" in lines
    assert "  P7 behaviour penalty: -45.00 (of 9.00)" in lines
    keeper.prune(other, "chat")
    game.valid(other, 5)
    game.wait(1_000.0)
    keeper.graft(other, "chat", game.now)
    game.valid(other, 5)
    assert "  all topics, capped: +1.00" in str(keeper.breakdown(other))
    game.invalid(other, 10)
    keeper.remove_peer(other, game.now)
    assert str(keeper.breakdown(other)).splitlines()[0].endswith(f"of {other}, which has gone")


def test_a_pair_of_peer_and_topic_that_has_counted_all_there_is_takes_few_bytes(game: Any) -> None:
    keeper = game.start(config=ScoreConfig(default_topic=TopicScoreConfig(first_message_deliveries_weight=1)))
    peers = game.join(30, graft=False)
    topics = [f"topic {number}" for number in range(100)]
    messages = [game.message(peer, topic=topic) for peer in peers for topic in topics]
    tracemalloc.start()
    for message in messages:
        keeper.graft(message.received_from, message.topic, game.now)
        keeper.deliver(message, game.now)
        keeper.reject_untracked(message.received_from, message.topic)
    game.wait(1.0)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / len(messages) < 400
