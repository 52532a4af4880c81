"""What waits for one peer: what goes first, what is lost, what is taken back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from p2pstack.identity.keys import PrivateKey
from p2pstack.pubsub.codec import RPCDecoder
from p2pstack.pubsub.message import Message
from p2pstack.pubsub.outbox import Outbox
from p2pstack.pubsub.rpc import RPC, Graft, IDontWant, IHave, IWant, Partial, Subscribe
from p2pstack.wire import varint

PEER = PrivateKey.generate().peer_id


def message(number: int, size: int = 64) -> Message:
    id_ = number.to_bytes(4, "big")
    encoded = b"\x12" + varint.encode(size) + id_.ljust(size, b".")
    return Message(PEER, "t", b"", None, id_, PEER, encoded)


def numbers(rpcs: list[RPC]) -> list[int]:
    return [int.from_bytes(sent.data[:4], "big") for rpc in rpcs for sent in rpc.messages]


def heard(wire: bytes) -> list[RPC]:
    assert type(wire) is bytes
    decoder = RPCDecoder()
    decoder.receive_data(wire)
    rpcs: list[RPC] = []
    while (rpc := decoder.next_rpc()) is not None:
        rpcs.append(rpc)
    return rpcs


def fill(outbox: Outbox, size: int = 64) -> int:
    """Queue messages until there is no room; returns how many were queued."""
    count = 0
    while outbox.put_message(message(count, size)):
        count += 1
    return count


def test_control_goes_before_messages_however_late_it_comes() -> None:
    outbox = Outbox()
    outbox.put_message(message(1))
    outbox.put(RPC(graft=[Graft("t")]))
    first, second = heard(outbox.take())
    assert list(first.graft) == [Graft("t")]
    assert numbers([second]) == [1]
    assert not outbox
    assert outbox.take() == b""


def test_parts_never_share_an_rpc_with_other_parts() -> None:
    """The field comes once in an RPC: of two, the second would overwrite the first."""
    outbox = Outbox()
    sent = [Partial("t", b"g", b"parts"), Partial("t", b"g", None, b"metadata"), Partial("u", b"h", b"more", b"!")]
    for partial in sent:
        outbox.put(RPC(graft=[Graft("t")], partial=partial))
    assert [rpc.partial for rpc in heard(outbox.take())] == sent


def test_small_messages_share_an_rpc() -> None:
    outbox = Outbox()
    for number in range(100):
        outbox.put_message(message(number))
    (rpc,) = heard(outbox.take())
    assert numbers([rpc]) == list(range(100))


def test_control_of_several_occasions_shares_an_rpc() -> None:
    outbox = Outbox()
    outbox.put(RPC(subscriptions=[Subscribe("t")]))
    outbox.put(RPC(graft=[Graft("t")]))
    outbox.put(RPC(iwant=[IWant([b"id"])]))
    (rpc,) = heard(outbox.take())
    assert (list(rpc.subscriptions), list(rpc.graft), list(rpc.iwant)) == (
        [Subscribe("t")],
        [Graft("t")],
        [IWant([b"id"])],
    )


def test_no_rpc_of_small_messages_is_more_than_rust_libp2p_takes() -> None:
    outbox = Outbox()
    bare = fill(outbox, size=4)
    rpcs = heard(outbox.take())
    assert max(len(rpc.messages) for rpc in rpcs) <= 500
    assert len(numbers(rpcs)) == bare
    fill(outbox, size=200)
    wire = outbox.take()
    assert max(sum(len(sent.encoded) for sent in rpc.messages) for rpc in heard(wire)) <= 32_768


def test_the_queue_holds_32_large_messages_or_32_rpcs_of_small_ones() -> None:
    assert fill(Outbox(), size=100_000) == 32
    assert fill(Outbox(), size=32_000) == 32
    small = fill(outbox := Outbox(), size=200)
    assert 4_500 < small < 5_242
    assert len(outbox) == small


def test_a_full_queue_loses_what_comes_and_counts_it() -> None:
    outbox = Outbox()
    count = fill(outbox)
    assert outbox.dropped == 1
    assert not outbox.put_message(message(99_999))
    assert outbox.dropped == 2
    assert numbers(heard(outbox.take())) == list(range(count))
    assert outbox.put_message(message(99_999))


def test_who_can_wait_is_told_to_at_half_the_room() -> None:
    outbox = Outbox()
    count = 0
    while not outbox.crowded:
        outbox.put_message(message(count))
        count += 1
    more = 0
    while outbox.put_message(message(count + more)):
        more += 1
    assert 0.8 < count / more < 1.2
    outbox.take()
    assert not outbox.crowded


def test_a_full_queue_of_messages_leaves_control_alone() -> None:
    outbox = Outbox()
    fill(outbox)
    assert outbox.put(RPC(graft=[Graft("t")])) == 0


def test_what_the_peer_has_already_is_taken_back_and_makes_room() -> None:
    outbox = Outbox()
    count = fill(outbox, size=100_000)
    assert outbox.discard([message(n).id for n in (0, 5, 777)]) == 2
    assert outbox.put_message(message(100, 100_000))
    assert outbox.put_message(message(101, 100_000))
    assert not outbox.put_message(message(102, 100_000))
    sent = numbers(heard(outbox.take(1 << 30)))
    assert sent == [*sorted(set(range(count)) - {0, 5}), 100, 101]


def test_a_message_waits_once() -> None:
    outbox = Outbox()
    assert outbox.put_message(message(1))
    assert outbox.put_message(message(1))
    assert numbers(heard(outbox.take())) == [1]


def test_large_messages_go_some_at_a_time_so_that_the_others_can_still_be_taken_back() -> None:
    outbox = Outbox()
    fill(outbox, size=100_000)
    first = numbers(heard(outbox.take(250_000)))
    assert first == [0, 1, 2]
    outbox.discard([message(3).id])
    outbox.put(RPC(graft=[Graft("t")]))
    rest = heard(outbox.take(1 << 30))
    assert list(rest[0].graft) == [Graft("t")]
    assert numbers(rest) == list(range(4, 32))
    assert not outbox


def test_gossip_without_end_leaves_room_for_what_the_peer_must_know() -> None:
    outbox = Outbox()
    ids = [number.to_bytes(40, "big") for number in range(400)]
    lost = 0
    for _ in range(100):
        lost += outbox.put(RPC(ihave=[IHave("t", ids)], iwant=[IWant(ids)], idontwant=[IDontWant(ids)]))
    assert lost == outbox.dropped > 0
    assert not outbox.broken
    assert outbox.put(RPC(subscriptions=[Subscribe("t")])) == 0
    assert 200_000 < len(outbox.take()) < 300_000


def test_a_peer_that_lost_what_it_must_know_needs_a_new_stream() -> None:
    outbox = Outbox()
    while not outbox.put(RPC(subscriptions=[Subscribe("t" * 1_000)])):
        pass
    assert outbox.broken
    assert 500_000 < len(outbox.take()) < 600_000
    outbox.clear()
    assert not outbox.broken


def test_many_small_pieces_of_control_are_too_many_too() -> None:
    outbox = Outbox()
    assert outbox.put(RPC(graft=[Graft("")] * 6_000)) == 1_000


def test_what_fits_no_rpc_is_lost() -> None:
    outbox = Outbox(max_size=10_000)
    assert not outbox.put_message(message(1, 10_000))
    assert outbox.put_message(message(1, 9_900))
    assert outbox.put(RPC(partial=Partial("t", b"g", bytes(10_000)))) == 1
    assert outbox.put(RPC(partial=Partial("t", b"g", bytes(9_900)))) == 0
    assert (outbox.dropped, outbox.broken) == (2, True)


def test_no_rpc_is_longer_than_the_network_takes() -> None:
    outbox = Outbox(max_size=1_024)
    assert outbox.put(RPC(ihave=[IHave("t", [bytes(40)] * 400)], subscriptions=[Subscribe("t" * 100)] * 20)) == 0
    for number in range(20):
        assert outbox.put_message(message(number, 300))
    decoder = RPCDecoder(max_size=1_024)
    decoder.receive_data(outbox.take())
    rpcs: list[RPC] = []
    while (rpc := decoder.next_rpc()) is not None:
        rpcs.append(rpc)
    assert numbers(rpcs) == list(range(20))
    assert sum(len(ihave.ids) for rpc in rpcs for ihave in rpc.ihave) == 400


@pytest.mark.parametrize("limit", [1, 1 << 30])
def test_nothing_that_waits_for_a_lost_stream_is_left_once_cleared(limit: int) -> None:
    outbox = Outbox()
    fill(outbox, 100_000)
    outbox.put(RPC(graft=[Graft("t")]))
    outbox.take(limit)
    outbox.clear()
    assert not outbox
    assert not outbox.crowded
    assert fill(outbox, 100_000) == 32


@given(st.lists(st.integers(0, 20_000), max_size=60), st.integers(1, 400_000))
def test_everything_queued_is_taken_in_order_whatever_is_taken_at_a_time(sizes: list[int], limit: int) -> None:
    outbox = Outbox()
    for number, size in enumerate(sizes):
        assert outbox.put_message(message(number, size + 4))
    taken: list[int] = []
    while outbox:
        wire = outbox.take(limit)
        assert len(wire) <= limit + 2 * 32_768
        taken += numbers(heard(wire))
    assert taken == list(range(len(sizes)))


class Queueing(RuleBasedStateMachine):
    """An outbox beside a list that does the same."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(capacity=4)
        self.expected: dict[int, int] = {}
        self.number = 0

    @rule(size=st.sampled_from([4, 500, 20_000, 40_000]))
    def put(self, size: int) -> None:
        self.number += 1
        if self.outbox.put_message(message(self.number, size)):
            self.expected[self.number] = size
        else:
            assert len(self.expected) >= 4
            assert sum(self.expected.values()) > 4 * 32_768 - 4 * 40_000

    @rule(data=st.data())
    def discard(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.integers(1, self.number + 1), max_size=5, unique=True))
        assert self.outbox.discard(message(n).id for n in ids) == sum(n in self.expected for n in ids)
        for n in ids:
            self.expected.pop(n, None)

    @rule(limit=st.sampled_from([1, 50_000, 1 << 20]))
    def take(self, limit: int) -> None:
        taken = numbers(heard(self.outbox.take(limit)))
        assert taken == list(self.expected)[: len(taken)]
        assert taken or not self.expected
        for n in taken:
            del self.expected[n]

    @invariant()
    def it_holds_what_was_not_taken(self) -> None:
        assert len(self.outbox) == len(self.expected)
        assert bool(self.outbox) == bool(self.expected)
        assert self.outbox.crowded or sum(self.expected.values()) < 2 * 40_100


TestQueueing = Queueing.TestCase
