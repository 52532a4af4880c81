"""The message cache, where it is too small."""

from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.gossipsub.message_cache import MessageCache
from p2pstack.pubsub.message import Message


def test_a_message_that_had_to_go_and_comes_again_is_counted_as_often_as_it_is_held() -> None:
    def message(number: int, size: int) -> Message:
        return Message(None, "t", b"", None, b"%d" % number, PeerId(b"\x12\x20" + bytes(32)), bytes(size))

    cache = MessageCache(length=2, gossip=1, limit=100)
    cache.put(message(1, 60))
    cache.put(message(2, 60))
    assert cache.get(b"1") is None
    cache.shift()
    cache.put(message(3, 10))
    cache.put(message(1, 10))
    cache.shift()
    for number in range(4, 8):
        cache.put(message(number, 60))
    assert (len(cache), cache.size) == (1, 60)
