"""The ids of messages that were here."""

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.pubsub.seen import SeenCache


def test_an_id_is_new_once_until_its_time_is_over() -> None:
    seen = SeenCache(ttl=120.0, limit=10)
    assert seen.add(b"a", 0.0)
    assert not seen.add(b"a", 119.9)
    assert b"a" in seen
    assert seen.add(b"a", 120.0)


def test_an_id_that_comes_again_and_again_is_forgotten_when_its_first_time_is_over() -> None:
    seen = SeenCache(ttl=10.0, limit=10)
    assert [seen.add(b"a", float(now)) for now in range(11)] == [True] + [False] * 9 + [True]


def test_the_oldest_id_goes_where_there_are_too_many() -> None:
    seen = SeenCache(ttl=120.0, limit=3)
    for number in range(5):
        seen.add(b"%d" % number, float(number))
    assert (len(seen), seen.evicted) == (3, 2)
    assert [b"%d" % number in seen for number in range(5)] == [False, False, True, True, True]


@given(st.lists(st.tuples(st.integers(0, 12), st.floats(0.0, 5.0)), max_size=60), st.integers(1, 6))
def test_it_remembers_the_youngest_ids_that_are_not_over(steps: list[tuple[int, float]], limit: int) -> None:
    seen = SeenCache(ttl=7.0, limit=limit)
    model: dict[bytes, float] = {}
    now = 0.0
    for number, wait in steps:
        now += wait
        id_ = b"%d" % number
        model = {known: end for known, end in model.items() if end > now}
        assert seen.add(id_, now) == (id_ not in model)
        model.setdefault(id_, now + 7.0)
        while len(model) > limit:
            del model[next(iter(model))]
        assert len(seen) == len(model)
        assert all(known in seen for known in model)
