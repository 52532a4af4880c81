"""What is remembered of valid messages, and for how long."""

from p2pstack.pubsub.gossipsub.score.deliveries import Deliveries


def test_a_message_is_remembered_for_the_window_and_not_for_more_than_twice_as_long() -> None:
    deliveries = Deliveries(10.0, 100)
    deliveries.expire(0.0)
    message = deliveries.add(b"a", 0.0)
    deliveries.expire(9.0)
    assert deliveries.get(b"a") is message
    deliveries.expire(10.0)
    assert deliveries.get(b"a") is message
    other = deliveries.add(b"b", 11.0)
    deliveries.expire(20.0)
    assert deliveries.get(b"a") is None
    assert deliveries.get(b"b") is other
    assert len(deliveries) == 1


def test_no_more_is_held_than_the_limit_and_the_oldest_go() -> None:
    deliveries = Deliveries(1_000.0, 10)
    for number in range(1_000):
        deliveries.add(b"%d" % number, 0.0)
        assert len(deliveries) <= 10
    assert deliveries.get(b"999") is not None
    assert deliveries.get(b"989") is None
