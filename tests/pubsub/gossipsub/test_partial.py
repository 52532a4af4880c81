"""Messages in parts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalProtocolError
from p2pstack.identity.peer_id import PeerId
from p2pstack.pubsub.actions import DeliverPartial, Forward, Send
from p2pstack.pubsub.events import Rejected
from p2pstack.pubsub.gossipsub.config import GossipSubConfig
from p2pstack.pubsub.gossipsub.features import MESHSUB_1_2, MESHSUB_1_3
from p2pstack.pubsub.gossipsub.parts import PartialMessage, PartialTopic, merge_bitmaps
from p2pstack.pubsub.gossipsub.score.params import ScoreConfig
from p2pstack.pubsub.router import Link
from p2pstack.pubsub.rpc import Extensions, Graft, IHave, Partial, Subscribe

from .lab import Lab
from .net import Net, Node
from .values import of, own_message, peer_id, raw_message, said


class Letters(PartialMessage):
    """A word of eight letters, of which some are known; the metadata is a bitmap of those."""

    def __init__(self, word: bytes, have: int = 0, *, eager: bool = False, group: bytes = b"group") -> None:
        self.word = word
        self.have = have
        self.eager = eager
        self._group = group

    @property
    def group_id(self) -> bytes:
        return self._group

    @property
    def parts_metadata(self) -> bytes:
        return bytes([self.have])

    def parts_for(self, metadata: bytes | None) -> tuple[bytes, bytes] | None:
        if metadata is None:
            if not self.eager:
                return None
            metadata = b"\0"
        if len(metadata) != 1:
            raise ValueError(f"expected a bitmap of one byte, got {len(metadata)}")
        missing = self.have & ~metadata[0]
        if not missing:
            return None
        parts = b"".join(bytes([bit, self.word[bit]]) for bit in range(8) if missing >> bit & 1)
        return parts, bytes([self.have | metadata[0]])

    def take(self, parts: bytes) -> bool:
        """Take parts that came; whether any of them is new."""
        before = self.have
        for bit, letter in zip(parts[::2], parts[1::2], strict=True):
            assert self.word[bit] == letter
            self.have |= 1 << bit
        return self.have != before


def lab(how: PartialTopic | None = None, config: GossipSubConfig | None = None) -> Lab:
    made = Lab(config, score=ScoreConfig())
    if how is not None:
        made.router.enable_partial("t", how)
    made.router.subscribe("t", made.now)
    return made


def peer(
    made: Lab,
    name: object,
    *,
    requests: bool = True,
    supports: bool = True,
    extension: bool = True,
    member: bool = True,
    protocol: str = MESHSUB_1_3,
) -> PeerId:
    """A peer that does messages in parts."""
    added = peer_id(name)
    made.router.add_peer(added, Link(protocol, outbound=False), made.now)
    made.says(
        added,
        extensions=Extensions(partial_messages=True) if extension else None,
        subscriptions=[Subscribe("t", requests_partial=requests, supports_partial=supports)],
        graft=[Graft("t")] if member else [],
    )
    return added


def parts(actions: list[Any], to: PeerId) -> list[tuple[bytes | None, bytes | None]]:
    """The parts and the metadata that a peer is sent."""
    sent = [action.rpc.partial for action in of(actions, Send) if action.peer == to and action.rpc.partial]
    return [(partial.message, partial.parts_metadata) for partial in sent]


def publish(made: Lab, message: PartialMessage) -> list[Any]:
    return list(made.router.publish_partial("t", message, made.now))


ABC = b"abcdefgh"


# --- what is said of it


def test_a_topic_in_parts_is_subscribed_to_as_such() -> None:
    for requests in (True, False):
        made = Lab()
        a = made.peer("a")
        made.router.enable_partial("t", PartialTopic(requests=requests))
        actions = list(made.router.subscribe("t", made.now))
        wanted = [Subscribe("t", requests_partial=requests, supports_partial=True)]
        assert said(actions, a, "subscriptions") == wanted
        (send,) = made.router.add_peer(peer_id("b"), Link(MESHSUB_1_3, outbound=True), made.now)
        assert send.rpc.subscriptions == wanted  # type: ignore[union-attr]


def test_a_topic_is_made_to_have_parts_before_it_is_joined_and_where_they_are_on() -> None:
    made = lab()
    with pytest.raises(LocalProtocolError, match="before joining"):
        made.router.enable_partial("t", PartialTopic())
    with pytest.raises(LocalProtocolError, match="to have messages in parts"):
        publish(made, Letters(ABC))
    off = Lab(GossipSubConfig(partial_messages=False))
    with pytest.raises(LocalProtocolError, match="partial_messages to be on"):
        off.router.enable_partial("t", PartialTopic())


# --- who gets what


@pytest.mark.parametrize(
    ("ours", "theirs", "gets"),
    [
        (True, {}, "parts"),
        (True, {"requests": False}, "metadata, whole"),
        (False, {}, "parts"),
        (False, {"requests": False}, "whole"),
        (True, {"requests": False, "supports": False}, "whole"),
        (True, {"extension": False}, "whole"),
        (True, {"protocol": MESHSUB_1_2}, "whole"),
        (None, {}, "whole"),
    ],
)
def test_who_gets_parts_gets_no_whole_messages(ours: bool | None, theirs: dict[str, Any], gets: str) -> None:
    made = lab(None if ours is None else PartialTopic(requests=ours))
    a = peer(made, "a", **theirs)
    message = own_message(made.local, 1)
    (forward,) = of(list(made.router.publish(message, made.now)), Forward)
    assert (a in forward.peers) == ("whole" in gets)
    if ours is not None:
        expected = {"parts": [(b"\0a", b"\1")], "metadata, whole": [(None, b"\1")], "whole": []}[gets]
        assert parts(publish(made, Letters(ABC, 1, eager=True)), a) == expected


def test_a_peer_that_sends_us_parts_is_told_of_no_large_message_and_not_asked_for_what_it_announces() -> None:
    made = lab(PartialTopic())
    a, b = peer(made, "a"), made.peer("b", "t")
    large = raw_message(peer_id("author"), 1, data=bytes(5_000))
    assert not of(made.brings(b, large), Send)
    assert made.says(a, ihave=[IHave("t", [b"unknown"])]) == []
    assert made.says(b, ihave=[IHave("t", [b"unknown"])])


def test_a_peer_that_changes_its_mind_is_treated_so() -> None:
    made = lab(PartialTopic())
    a = peer(made, "a")
    made.says(a, subscriptions=[Subscribe("t")])
    (forward,) = of(list(made.router.publish(own_message(made.local, 1), made.now)), Forward)
    assert list(forward.peers) == [a]


# --- parts


def test_a_peer_is_sent_what_it_lacks_and_told_what_we_have_once() -> None:
    made = lab(PartialTopic())
    a = peer(made, "a")
    word = Letters(ABC, 0b0000_0111)
    assert parts(publish(made, word), a) == [(None, b"\x07")]
    answer = made.says(a, partial=Partial("t", b"group", None, b"\x01"))
    assert of(answer, DeliverPartial) == [DeliverPartial(a, Partial("t", b"group", None, b"\x01"))]
    assert parts(answer, a) == [(b"\1b\2c", None)]
    assert parts(publish(made, word), a) == []
    word.have = 0b0000_1111
    assert parts(publish(made, word), a) == [(b"\3d", b"\x0f")]


def test_what_a_peer_tells_twice_is_passed_over_the_second_time() -> None:
    made = lab(PartialTopic())
    a = peer(made, "a")
    assert of(made.says(a, partial=Partial("t", b"group", None, b"\x01")), DeliverPartial)
    assert made.says(a, partial=Partial("t", b"group", None, b"\x01")) == []


def test_a_group_that_a_peer_began_is_answered_once_we_publish_it() -> None:
    made = lab(PartialTopic())
    outside = peer(made, "outside", member=False)
    assert parts(made.says(outside, partial=Partial("t", b"group", None, b"\0")), outside) == []
    assert parts(publish(made, Letters(ABC, 1)), outside) == [(b"\0a", b"\1")]


def test_parts_go_to_the_application() -> None:
    made = lab(PartialTopic())
    a = peer(made, "a")
    partial = Partial("t", b"group", b"\0a", None)
    assert made.says(a, partial=partial) == [DeliverPartial(a, partial)]


def test_several_groups_for_a_peer_are_several_rpcs() -> None:
    made = lab(PartialTopic())
    a = peer(made, "a", member=False)
    for group in (b"one", b"two"):
        publish(made, Letters(ABC, 1, group=group))
    sent = [action.rpc.partial.group_id for action in of(made.beat(), Send) if action.rpc.partial and action.peer == a]
    assert sent == [b"one", b"two"]


def test_outside_the_mesh_peers_are_told_by_gossip_once_a_group() -> None:
    made = lab(PartialTopic())
    for number in range(12):
        peer(made, f"member {number}")
    outside = [peer(made, number, member=False) for number in range(20)]
    publish(made, Letters(ABC, 1))
    actions = made.beat()
    told = [other for other in outside if parts(actions, other) == [(None, b"\1")]]
    assert len(told) == 6
    again = made.beat()
    assert not [other for other in told if parts(again, other)]


def test_a_group_without_news_is_forgotten_after_five_heartbeats() -> None:
    made = lab(PartialTopic())
    a = peer(made, "a")
    publish(made, Letters(ABC, 1))
    made.says(a, partial=Partial("t", b"theirs", None, b"\1"))
    for left in (2, 2, 2, 2, 0):
        made.beat()
        assert len(made.router._partials._groups.of("t")) == left


def test_a_peer_that_is_gone_leaves_nothing() -> None:
    made = lab(PartialTopic())
    a = peer(made, "a")
    publish(made, Letters(ABC, 1))
    made.says(a, partial=Partial("t", b"theirs", None, b"\1"))
    made.router.remove_peer(a, made.now)
    (group,) = made.router._partials._groups.of("t").values()
    assert not group.peers


def test_a_peer_that_left_the_topic_is_sent_nothing_more_of_it() -> None:
    made = lab(PartialTopic())
    a, b = peer(made, "a"), peer(made, "b")
    word = Letters(ABC, 1)
    actions = publish(made, word)
    assert parts(actions, a) == parts(actions, b) == [(None, b"\1")]
    made.says(a, partial=Partial("t", b"theirs", None, b"\1"))
    made.says(a, subscriptions=[Subscribe("t", subscribe=False)])
    word.have = 3
    actions = publish(made, word)
    assert (parts(actions, a), parts(actions, b)) == ([], [(None, b"\3")])
    assert parts(made.beat(), a) == []
    assert list(made.router._partials._groups.of("t")) == [b"group"]


# --- what is wrong


def test_of_groups_that_peers_begin_only_so_many_are_remembered_and_a_flood_costs() -> None:
    made = lab(PartialTopic())
    a = peer(made, "a")
    for number in range(150):
        made.says(a, partial=Partial("t", b"%d" % number, None, b"\1"))
    assert len(made.router._partials._groups.of("t")) == 8
    assert made.router.score(a) < 0
    for name in range(100):
        other = peer(made, name)
        for number in range(8):
            made.says(other, partial=Partial("t", b"%d %d" % (name, number), None, b"\1"))
    assert len(made.router._partials._groups.of("t")) == 255
    publish(made, Letters(ABC, 1))
    assert len(made.router._partials._groups.of("t")) == 256


LONGEST_ID, LONGEST = bytes(1_024), bytes(64 << 10)


def test_metadata_and_group_ids_that_are_too_long_are_kept_nowhere_and_paid_for() -> None:
    made = lab(PartialTopic())
    honest = peer(made, "honest")
    partial = Partial("t", LONGEST_ID, b"parts", LONGEST)
    assert of(made.says(honest, partial=partial), DeliverPartial) == [DeliverPartial(honest, partial)]
    assert made.router.score(honest) == 0.0
    for group, metadata in ((b"group", LONGEST + b"\0"), (LONGEST_ID + b"\0", None), (LONGEST_ID, LONGEST + b"\0")):
        attacker = peer(made, (group, metadata))
        for _ in range(10):
            assert made.says(attacker, partial=Partial("t", group, b"parts", metadata)) == []
        assert made.router.score(attacker) < 0
        made.beat()
    assert made.router._quotas.breaches == {"parts metadata or group ids too long": 3}
    (group,) = made.router._partials._groups.of("t").values()
    assert [known.has for known in group.peers.values()] == [LONGEST]


def test_many_groups_with_long_metadata_are_no_way_to_fill_memory() -> None:
    made = lab(PartialTopic(), GossipSubConfig(max_partial_groups_per_peer=255))
    attacker, honest = peer(made, "attacker"), peer(made, "honest")
    for number in range(200):
        made.says(attacker, partial=Partial("t", b"%d" % number, None, LONGEST))
    held = made.router._partials._groups._held
    assert list(held.values()) == [1 << 20]
    assert made.router.score(attacker) < 0
    says = Partial("t", b"0", None, LONGEST)
    assert of(made.says(honest, partial=says), DeliverPartial) == [DeliverPartial(honest, says)]
    assert sorted(held.values()) == [64 << 10, 1 << 20]
    for _ in range(5):
        made.beat()
    assert not held
    made.says(honest, partial=says)
    made.router.remove_peer(honest, made.now)
    assert not held


def test_metadata_that_grows_when_it_is_merged_stays_within_the_limit() -> None:
    made = lab(PartialTopic(merge=bytes.__add__))
    a = peer(made, "a")
    kept = []
    for letter in b"abc":
        made.says(a, partial=Partial("t", b"group", None, bytes([letter]) * 30_000))
        (group,) = made.router._partials._groups.of("t").values()
        kept += [known.has for known in group.peers.values()]
    assert kept == [b"a" * 30_000, b"a" * 30_000 + b"b" * 30_000, b"c" * 30_000]
    assert made.router.score(a) == 0.0


def test_we_tell_nothing_that_peers_would_find_too_long() -> None:
    class Long(Letters):
        parts_metadata = LONGEST + b"\0"  # type: ignore[assignment]

    made = lab(PartialTopic())
    peer(made, "a")
    for message in (Long(ABC), Letters(ABC, group=LONGEST_ID + b"\0")):
        with pytest.raises(LocalProtocolError, match="at most 1,024 bytes and parts metadata of at most 65,536, got"):
            publish(made, message)
    assert not made.router._partials._groups.of("t")


def test_metadata_that_makes_no_sense_is_paid_for() -> None:
    def merge(left: bytes, right: bytes) -> bytes:
        raise ValueError("no sense")

    for how, metadata in ((PartialTopic(), b"four"), (PartialTopic(merge=merge), b"\1")):
        made = lab(how)
        a = peer(made, "a")
        publish(made, Letters(ABC, 1))
        made.says(a, partial=Partial("t", b"group", None, b"\0"))
        actions = made.says(a, partial=Partial("t", b"group", None, metadata))
        (rejected,) = of(actions, Rejected)
        assert (rejected.received_from, rejected.topic) == (a, "t")
        assert made.router.score(a) < 0


def test_an_error_of_the_application_is_told_and_paid_for_by_nobody() -> None:
    class Broken(Letters):
        def parts_for(self, metadata: bytes | None) -> tuple[bytes, bytes] | None:
            raise ZeroDivisionError("broken")

    made = lab(PartialTopic())
    a = peer(made, "a")
    (rejected,) = of(publish(made, Broken(ABC, 1)), Rejected)
    assert "ZeroDivisionError" in rejected.reason
    assert made.router.score(a) == 0.0


def test_parts_that_the_application_finds_wrong_are_paid_for() -> None:
    made = lab(PartialTopic())
    a = peer(made, "a")
    made.router.reject_partial(a, "t")
    assert made.router.score(a) < 0


def test_parts_that_nobody_asked_for_are_passed_over() -> None:
    partial = Partial("t", b"group", b"\0a", b"\1")
    made = lab()
    assert made.says(peer(made, "a"), partial=partial) == []
    made = lab(PartialTopic())
    assert made.says(peer(made, "a", extension=False), partial=partial) == []
    bad = peer(made, "bad")
    assert made.score is not None
    made.score.add_penalty(bad, 4)
    assert made.router.score(bad) < -10
    assert made.says(bad, partial=partial) == []


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_merged_bitmaps_have_what_either_has(left: bytes, right: bytes) -> None:
    def bits(data: bytes) -> set[int]:
        return {index for index in range(8 * len(data)) if data[index // 8] >> index % 8 & 1}

    assert bits(merge_bitmaps(left, right)) == bits(left) | bits(right)
    assert len(merge_bitmaps(left, right)) == max(len(left), len(right))


# --- networks


def words(net: Net, nodes: list[Node], *, eager: bool = False) -> dict[PeerId, Letters]:
    """What each node's application has of a word; each publishes it again as it gets more."""
    have = {node.id: Letters(ABC, eager=eager) for node in nodes}

    def on_partial(node: Node, action: DeliverPartial) -> None:
        word = have[node.id]
        if action.partial.message is None or word.take(action.partial.message):
            node.do(node.router.publish_partial("t", word, net.now))  # type: ignore[attr-defined]

    net.on_partial = on_partial
    return have


@pytest.mark.parametrize("eager", [True, False])
def test_parts_that_are_spread_over_a_network_come_together_everywhere(eager: bool) -> None:
    net = Net(5)
    nodes = [net.add() for _ in range(20)]
    for node in nodes:
        node.router.enable_partial("t", PartialTopic())  # type: ignore[attr-defined]
    net.connect_some(nodes, 5)
    have = words(net, nodes, eager=eager)
    for node in nodes:
        node.subscribe()
    net.run(3)
    for number in range(8):
        word = have[nodes[number].id]
        word.have = 1 << number
        nodes[number].do(nodes[number].router.publish_partial("t", word, net.now))  # type: ignore[attr-defined]
    net.run(4)
    assert [word.have for word in have.values()] == [0xFF] * 20
    assert net.traffic["messages"] == 0


def test_peers_without_parts_get_whole_messages_of_the_same_topic() -> None:
    net = Net(6)
    nodes = [net.add() for _ in range(6)]
    for node in nodes[:3]:
        node.router.enable_partial("t", PartialTopic())  # type: ignore[attr-defined]
    net.connect_all(nodes)
    for node in nodes:
        node.subscribe()
    net.run(2)
    message = nodes[0].publish()
    net.run(2)
    assert all(node.ids == [message.id] for node in nodes[3:])


class Page(Letters):
    """With metadata of 60,000 bytes."""

    @property
    def parts_metadata(self) -> bytes:
        return b"\xff" * 60_000

    def parts_for(self, metadata: bytes | None) -> tuple[bytes, bytes] | None:
        return (b"parts", self.parts_metadata) if metadata is None else None


def test_what_we_publish_costs_no_peer_its_room() -> None:
    made = lab(PartialTopic())
    honest = peer(made, "honest")
    for number in range(20):
        assert parts(publish(made, Page(ABC, group=b"%d" % number)), honest)
    assert not made.router._partials._groups._held
    says = Partial("t", b"its own", b"parts", LONGEST)
    assert of(made.says(honest, partial=says), DeliverPartial) == [DeliverPartial(honest, says)]


def test_who_has_used_up_its_room_is_not_sent_the_same_parts_again() -> None:
    made = lab(PartialTopic(), GossipSubConfig(max_partial_groups_per_peer=255))
    attacker = peer(made, "attacker")
    for number in range(16):
        made.says(attacker, partial=Partial("t", b"%d" % number, None, LONGEST))
    ((sent, _),) = parts(publish(made, Letters(ABC, 0xFF, eager=True)), attacker)
    assert sent is not None
    for _ in range(10):
        assert parts(made.says(attacker, partial=Partial("t", b"group", b"x", None)), attacker) == []


def test_who_leaves_and_comes_back_is_not_sent_the_same_parts_again() -> None:
    made = lab(PartialTopic())
    attacker = peer(made, "attacker")
    assert parts(publish(made, Letters(ABC, 0xFF, eager=True)), attacker)
    comes = Subscribe("t", requests_partial=True, supports_partial=True)
    for _ in range(10):
        made.says(attacker, subscriptions=[Subscribe("t", subscribe=False)])
        says = Partial("t", b"group", b"x", None)
        assert parts(made.says(attacker, subscriptions=[comes], partial=says), attacker) == []
    made.router.remove_peer(attacker, made.now)
    (group,) = made.router._partials._groups.of("t").values()
    assert not group.peers
