"""How often somebody may do something."""

from p2pstack.protocols.identify.pace import Pace


def test_some_turns_at_once_and_then_one_in_a_while() -> None:
    pace = Pace(burst=3, interval=5)
    assert [pace.take("peer", 100) for _ in range(5)] == [True, True, True, False, False]
    assert pace.delay("peer", 100) == 5
    assert pace.delay("peer", 104) == 1
    assert not pace.take("peer", 104.5)
    assert pace.take("peer", 105)
    assert not pace.take("peer", 109)
    assert [pace.take("peer", 1_000) for _ in range(4)] == [True, True, True, False]


def test_each_has_its_own_turns() -> None:
    pace = Pace(burst=1, interval=5)
    assert pace.take("one", 0)
    assert pace.take("other", 0)
    assert pace.delay("third", 0) == 0


def test_of_those_who_have_all_their_turns_nothing_is_kept() -> None:
    pace = Pace(burst=1, interval=5)
    for peer in range(100_000):
        assert pace.take(peer, peer)
    assert len(pace._full_at) < 1_100
