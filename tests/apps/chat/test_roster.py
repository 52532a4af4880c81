"""Who is here, and what to call them."""

import pytest

from p2pstack import LocalProtocolError, PrivateKey
from p2pstack.apps.chat.messages import Presence
from p2pstack.apps.chat.roster import INTERVAL, MAX_MEMBERS, MAX_NAMES, RATE, Roster, short

PEERS = [PrivateKey.generate().peer_id for _ in range(3)]


def test_who_is_heard_is_here_until_the_time_is_over() -> None:
    roster = Roster()
    change = roster.hear(PEERS[0], Presence("ann", 30.0, ("/ip4/1.2.3.4/tcp/1",)), 100.0)
    assert change is not None
    assert change.joined is not None
    assert (change.joined.nick, change.joined.addrs, change.before) == ("ann", ("/ip4/1.2.3.4/tcp/1",), None)
    assert roster.hear(PEERS[0], Presence("ann", 30.0), 120.0) is None
    assert roster.expire(149.0) == []
    assert [member.peer for member in roster.expire(150.0)] == [PEERS[0]]
    assert not roster.members


def test_who_leaves_is_gone_at_once() -> None:
    roster = Roster()
    assert roster.hear(PEERS[0], Presence("ann", 0.0), 0.0) is None
    roster.hear(PEERS[0], Presence("ann", 30.0), 0.0)
    change = roster.hear(PEERS[0], Presence("ann", 0.0), 1.0)
    assert change is not None
    assert change.left is not None
    assert not roster.members


def test_a_new_name_is_told_with_the_one_before() -> None:
    roster = Roster()
    roster.hear(PEERS[0], Presence("ann", 30.0), 0.0)
    change = roster.hear(PEERS[0], Presence("anna", 30.0), 0.0)
    assert change is not None
    assert change.before == "ann"
    assert roster.find("anna").peer == PEERS[0]


def test_names_that_two_use_have_the_end_of_the_peer_id() -> None:
    roster = Roster()
    roster.hear(PEERS[0], Presence("ann", 30.0), 0.0)
    assert roster.label("ann", PEERS[0]) == "ann"
    assert roster.label("new", PEERS[1]) == "new"
    roster.note("Ann", PEERS[1])  # an author of long ago
    assert roster.label("ann", PEERS[0]) == f"ann#{short(PEERS[0])}"
    assert roster.namesake("ANN", PEERS[1]) is not None
    assert roster.namesake("ann", PEERS[0]) is None


def test_people_are_found_by_what_they_are_called() -> None:
    roster = Roster()
    for peer, nick in zip(PEERS, ("ann", "Ann", "a#b"), strict=True):
        roster.hear(peer, Presence(nick, 30.0), 0.0)
    assert roster.find(f"ann#{short(PEERS[1])}").peer == PEERS[1]
    assert roster.find(str(PEERS[0])).peer == PEERS[0]
    assert roster.find("a#b").peer == PEERS[2]
    with pytest.raises(LocalProtocolError, match="ann is the name of several: say which of ann#"):
        roster.find("ann")
    with pytest.raises(LocalProtocolError, match="nobody here is called 'zoe'"):
        roster.find("zoe")


def test_a_large_room_announces_no_more_than_a_small_one() -> None:
    roster = Roster()
    assert roster.small
    assert roster.interval == INTERVAL
    peers = [PrivateKey.generate().peer_id for _ in range(100)]
    for peer in peers:
        roster.hear(peer, Presence("x", 3_600.0), 0.0)
    assert not roster.small
    assert 101 / roster.interval == RATE
    assert roster.ttl == 3.5 * roster.interval


def test_members_and_names_are_bounded() -> None:
    roster, peer = Roster(), PEERS[0]
    stranger = PrivateKey.generate().peer_id.to_bytes()[:-4]
    for number in range(MAX_MEMBERS):
        roster.hear(type(peer)(stranger + number.to_bytes(4, "big")), Presence(str(number), 3_600.0), 0.0)
    assert roster.hear(peer, Presence("ann", 30.0), 0.0) is None
    assert len(roster.members) == MAX_MEMBERS
    for number in range(MAX_NAMES + 10):
        roster.note(f"n{number}", peer)
    assert len(roster._users) == MAX_NAMES
