"""Whom not to graft for a time."""

import pytest

from p2pstack.pubsub.gossipsub.backoff import Backoff

from .values import peer_id

A, B, C = (peer_id(name) for name in "abc")


def backoff(limit: int = 10) -> Backoff:
    return Backoff(longest=3_600.0, slack=1.0, limit=limit)


def test_a_peer_may_graft_at_the_end_and_we_a_little_later() -> None:
    made = backoff()
    made.add("t", A, 60.0, 0.0)
    assert [made.end("t", A, now) for now in (0.0, 59.9, 60.0)] == [60.0, 60.0, None]
    assert [A in made.blocked("t", now) for now in (0.0, 60.9, 61.0)] == [True, True, False]
    assert made.end("u", A, 0.0) is None
    assert made.end("t", B, 0.0) is None
    assert not made.blocked("u", 0.0)


def test_the_longer_of_two_counts() -> None:
    made = backoff()
    made.add("t", A, 60.0, 0.0)
    made.add("t", A, 10.0, 5.0)
    assert made.end("t", A, 20.0) == 60.0
    made.add("t", A, 60.0, 5.0)
    assert made.end("t", A, 20.0) == 65.0


@pytest.mark.parametrize("seconds", [3_601, 2**63, 2**64 - 1, 9_223_372_036_854_674_580])
def test_an_absurd_backoff_is_an_hour(seconds: int) -> None:
    made = backoff()
    made.add("t", A, seconds, 1e9)
    assert made.end("t", A, 1e9) == 1e9 + 3_600.0
    for tick in range(75):
        made.clean(1e9 + tick)
    assert A in made.blocked("t", 1e9 + 75)


def test_the_oldest_goes_where_there_are_too_many_of_a_topic() -> None:
    made = backoff(limit=2)
    for peer in (A, B, C):
        made.add("t", peer, 60.0, 0.0)
    assert made.blocked("t", 0.0) == {B, C}
    made.add("t", C, 70.0, 0.0)
    assert made.blocked("t", 0.0) == {B, C}
    made.add("u", A, 60.0, 0.0)
    assert len(made) == 3


def test_what_is_over_is_forgotten_by_and_by_and_nothing_else() -> None:
    made = backoff()
    for number in range(40):
        made.add(f"topic {number}", A, 10.0, 0.0)
        made.add(f"topic {number}", B, 100.0, 0.0)
    made.add("brief", A, 10.0, 0.0)
    for _ in range(15):
        made.clean(50.0)
        assert 40 <= len(made) <= 81
    assert len(made) == 40
    for _ in range(60):
        made.clean(200.0)
    assert len(made) == 0
