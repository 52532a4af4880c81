"""What is remembered of messages, and for how long."""

from p2pstack.pubsub.gossipsub.score.deliveries import Deliveries, Generations


def test_an_entry_lives_for_its_time_and_not_for_more_than_twice_as_long() -> None:
    entries: Generations[int] = Generations(10.0, 100)
    entries.expire(0.0)
    entries[b"a"] = 1
    entries.expire(9.0)
    assert entries.get(b"a") == 1
    entries.expire(10.0)
    assert entries.get(b"a") == 1
    assert b"a" in entries
    entries[b"b"] = 2
    entries.expire(20.0)
    assert entries.get(b"a") is None
    assert b"a" not in entries
    assert entries.get(b"b") == 2
    assert len(entries) == 1


def test_what_is_taken_out_is_gone_from_both_generations() -> None:
    entries: Generations[int] = Generations(10.0, 4)
    for number in range(3):
        entries[b"%d" % number] = number
    assert [entries.pop(b"%d" % number) for number in range(4)] == [0, 1, 2, None]
    assert len(entries) == 0


def test_no_more_is_held_than_the_limit_and_the_oldest_go() -> None:
    entries: Generations[int] = Generations(1_000.0, 10)
    for number in range(1_000):
        entries[b"%d" % number] = number
        assert len(entries) <= 10
    assert entries.get(b"999") == 999
    assert entries.get(b"989") is None


def test_the_widest_window_says_how_long_valid_messages_are_remembered() -> None:
    deliveries = Deliveries(120.0, 100)
    deliveries.widen(2.0)
    deliveries.widen(1.0)
    assert deliveries.valid.ttl == 2.0
    assert len(deliveries) == 0
