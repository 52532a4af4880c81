"""Messages that peers may still ask for."""

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.pubsub.gossipsub.message_cache import MessageCache

from .values import own_message, peer_id

AUTHOR, A, B = (peer_id(name) for name in ("author", "a", "b"))


def test_a_message_is_announced_for_three_heartbeats_and_can_be_had_for_five() -> None:
    cache = MessageCache(length=5, gossip=3, limit=1 << 20)
    message = own_message(AUTHOR, 1)
    cache.put(message)
    cache.put(message)
    announced, had = [], []
    for _ in range(6):
        announced.append(cache.announced("t") == [message.id])
        had.append(cache.get(message.id) is message)
        cache.shift()
    assert announced == [True] * 3 + [False] * 3
    assert had == [True] * 5 + [False]
    assert (len(cache), cache.size) == (0, 0)


def test_topics_are_announced_apart() -> None:
    cache = MessageCache(length=5, gossip=3, limit=1 << 20)
    first, second, other = own_message(AUTHOR, 1), own_message(AUTHOR, 2), own_message(AUTHOR, 3, "u")
    for message in (first, other, second):
        cache.put(message)
    assert cache.announced("t") == [first.id, second.id]
    assert cache.announced("u") == [other.id]
    assert cache.announced("v") == []


def test_who_asked_how_often_is_counted_for_as_long_as_the_message_is_there() -> None:
    cache = MessageCache(length=1, gossip=1, limit=1 << 20)
    message = own_message(AUTHOR, 1)
    cache.put(message)
    assert [cache.asked(message.id, peer) for peer in (A, A, B, A)] == [1, 2, 1, 3]
    cache.shift()
    assert not cache._sent


def test_the_oldest_go_early_where_memory_has_no_room() -> None:
    messages = [own_message(AUTHOR, number, data=bytes(1_000)) for number in range(10)]
    size = len(messages[0].encoded)
    cache = MessageCache(length=5, gossip=3, limit=4 * size)
    for message in messages:
        cache.put(message)
    assert (cache.size, cache.evicted) == (4 * size, 6)
    assert cache.announced("t") == [message.id for message in messages[6:]]
    assert cache.get(messages[5].id) is None


@given(st.lists(st.one_of(st.integers(0, 400), st.none()), max_size=80))
def test_it_holds_the_youngest_of_the_last_heartbeats_that_fit(steps: list[int | None]) -> None:
    cache = MessageCache(length=3, gossip=2, limit=1_000)
    windows: list[list[bytes]] = [[]]
    sizes: dict[bytes, int] = {}
    for number, size in enumerate(steps):
        if size is None:
            cache.shift()
            windows = [[], *windows][:3]
        else:
            message = own_message(AUTHOR, number, data=bytes(size))
            cache.put(message)
            windows[0].append(message.id)
            sizes[message.id] = len(message.encoded)
        held = [id_ for window in reversed(windows) for id_ in window]
        while sum(sizes[id_] for id_ in held) > 1_000:
            gone = held.pop(0)
            windows = [[id_ for id_ in window if id_ != gone] for window in windows]
        assert (len(cache), cache.size) == (len(held), sum(sizes[id_] for id_ in held))
        assert sorted(cache.announced("t")) == sorted(id_ for window in windows[:2] for id_ in window)
