"""Messages that peers do not want."""

import pytest

from p2pstack.pubsub.actions import Deliver, Discard, Forward, Send, Validate
from p2pstack.pubsub.events import Delivered
from p2pstack.pubsub.gossipsub.features import FLOODSUB, MESHSUB_1_1, MESHSUB_1_2
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.rpc import Graft, IDontWant

from .lab import Lab
from .values import of, own_message, peer_id, raw_message, said

AUTHOR = peer_id("author")


def id_of(number: int) -> bytes:
    return AUTHOR.to_bytes() + number.to_bytes(8, "big")


def lab(*members: object, protocol: str = MESHSUB_1_2) -> Lab:
    """A router with members in its mesh."""
    made = Lab(score=ScoreConfig())
    made.router.subscribe("t", made.now)
    for member in members:
        made.says(made.peer(member, "t", protocol=protocol), graft=[Graft("t")])
    return made


def test_a_large_message_is_called_off_at_the_others_before_it_is_forwarded() -> None:
    made = lab("a", "b", "c")
    a, b, c, _ = *map(peer_id, "abc"), made.peer("outside", "t")
    for number, size in ((1, 1_024), (2, 1_023), (3, 5_000)):
        actions = made.brings(a, raw_message(AUTHOR, number, data=bytes(size)))
        told = [Send, Send] if size >= 1_024 else []
        assert [type(action) for action in actions] == [Validate, *told, Delivered, Deliver, Forward]
        wanted = [IDontWant([id_of(number)])] if told else []
        assert said(actions, b, "idontwant") == said(actions, c, "idontwant") == wanted
        assert said(actions, a, "idontwant") == []


def test_a_forged_copy_does_not_call_off_the_true_message() -> None:
    made = lab("forger", "honest")
    forged = raw_message(AUTHOR, 1, data=bytes(5_000), signature=b"bad")
    assert not of(made.brings(peer_id("forger"), forged), Send)
    true = raw_message(AUTHOR, 1, data=bytes(5_000))
    assert [each.message.id for each in of(made.brings(peer_id("honest"), true), Deliver)] == [id_of(1)]


def test_a_message_is_called_off_before_the_application_has_checked_it() -> None:
    made = lab("a", "b")
    for number, settle in enumerate(("accept", "reject", "ignore")):
        (validate,) = made.says(peer_id("a"), messages=[raw_message(AUTHOR, number, data=bytes(5_000))])
        message = validate.message  # type: ignore[union-attr]
        (send,) = made.router.verified(message)
        assert said([send], peer_id("b"), "idontwant") == [IDontWant([id_of(number)])]
        assert made.router.verified(message) == []
        reason = () if settle == "accept" else ("reason",)
        assert not of(getattr(made.router, settle)(message, *reason, made.now), Send)
        assert not made.router._relay._called_off


def test_a_small_message_and_one_of_a_topic_that_we_left_are_not_called_off() -> None:
    made = lab("a", "b")
    small, large = (raw_message(AUTHOR, number, data=bytes(size)) for number, size in ((1, 1_023), (2, 5_000)))
    actions = made.says(peer_id("a"), messages=[small, large])
    small, large = (each.message for each in of(actions, Validate))
    assert made.router.verified(small) == []
    made.router.unsubscribe("t", made.now)
    assert made.router.verified(large) == []
    assert made.router.accept(large, made.now) == []


def test_a_message_is_called_off_once_and_not_at_those_who_brought_it() -> None:
    made = lab("a", "b", "c")
    a, b, c = map(peer_id, "abc")
    raw = raw_message(AUTHOR, 1, data=bytes(5_000))
    (validate,) = made.says(a, messages=[raw])
    assert not of(made.says(b, messages=[raw]), Send)
    (send,) = of(list(made.router.accept(validate.message, made.now)), Send)  # type: ignore[union-attr]
    assert send.peer == c
    assert not of(made.brings(c, raw), Send)


@pytest.mark.parametrize("protocol", [MESHSUB_1_1, FLOODSUB])
def test_who_does_not_know_it_is_not_told(protocol: str) -> None:
    made = lab("a", "b", protocol=protocol)
    c = made.peer("c", "t")
    assert not of(made.brings(c, raw_message(AUTHOR, 1, data=bytes(5_000))), Send)


def test_what_a_peer_does_not_want_is_not_sent_to_it_and_taken_from_its_queue() -> None:
    made = lab("a", "b", "c")
    a, b, c = map(peer_id, "abc")
    assert made.says(b, idontwant=[IDontWant([id_of(1)]), IDontWant([id_of(2)])]) == [Discard(b, [id_of(1), id_of(2)])]
    (forward,) = of(made.brings(a, raw_message(AUTHOR, 1)), Forward)
    assert list(forward.peers) == [c]
    (forward,) = of(made.brings(a, raw_message(AUTHOR, 3)), Forward)
    assert set(forward.peers) == {b, c}


def test_it_holds_for_our_own_messages_too() -> None:
    made = lab("a", "b")
    message = own_message(made.local, 1)
    made.says(peer_id("a"), idontwant=[IDontWant([message.id])])
    (forward,) = of(list(made.router.publish(message, made.now)), Forward)
    assert list(forward.peers) == [peer_id("b")]


def test_it_is_forgotten_after_three_heartbeats() -> None:
    made = lab("a", "b")
    unwanted = made.router._unwanted
    made.says(peer_id("b"), idontwant=[IDontWant([id_of(1)])])
    held = []
    for _ in range(5):
        held.append(bool(unwanted))
        made.beat()
    assert held == [True, True, True, False, False]


def test_it_is_forgotten_once_the_peer_is_gone() -> None:
    made = lab("a", "b")
    made.says(peer_id("b"), idontwant=[IDontWant([id_of(1)])])
    made.router.remove_peer(peer_id("b"), made.now)
    assert not made.router._unwanted


def test_of_a_flood_a_thousand_ids_a_heartbeat_are_remembered() -> None:
    made = lab("a", "b")
    b = peer_id("b")
    for start in range(0, 20_000, 5_000):
        made.says(b, idontwant=[IDontWant([id_of(n) for n in range(start, start + 5_000)])])
    (said_of_b,) = made.router._unwanted._said.values()
    assert sum(map(len, said_of_b)) == 1_000
    assert made.router.score(b) == 0.0
    made.beat()
    made.says(b, idontwant=[IDontWant([id_of(50_000)])])
    assert sum(map(len, said_of_b)) == 1_001


def test_a_flood_beyond_all_measure_costs() -> None:
    made = lab("a", "b")
    ids = [id_of(n) for n in range(5_000)]
    for _ in range(21):
        made.says(peer_id("b"), idontwant=[IDontWant(ids)])
    assert made.router.score(peer_id("b")) < 0


def test_ids_of_any_length_take_the_same_room_and_those_above_1_kib_none() -> None:
    made = lab("a", "b")
    b = peer_id("b")
    short = [bytes([n]) * 1_024 for n in range(10)]
    long = [bytes([n]) * 1_025 for n in range(10)]
    assert made.says(b, idontwant=[IDontWant([*long, *short])]) == [Discard(b, short)]
    (said_of_b,) = made.router._unwanted._said.values()
    assert said_of_b == [{hash(id_) for id_ in short}]
    assert made.says(b, idontwant=[IDontWant(long)]) == []
    assert made.router.score(b) == 0.0
