"""Which piece to fetch from whom."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.apps.share.picker import Picker, bits_of


def picker(count: int = 8, have: int = 0, *, window: int = 4, room: int = 100, seed: int = 0) -> Picker[str]:
    return Picker(count, have, window=window, room=room, random=Random(seed))


def with_peers(it: Picker[str], **peers: int) -> Picker[str]:
    for name, has in peers.items():
        it.join(name)
        it.gain(name, has)
    return it


def test_the_rarest_comes_first() -> None:
    it = with_peers(picker(), a=0b1111, b=0b0111, c=0b0011)
    assert it.pick("a", 0) == 3
    assert it.pick("a", 0) == 2
    assert {it.pick("a", 0), it.pick("b", 0)} == {0, 1}
    assert it.pick("c", 0) is None


def test_a_peer_that_leaves_makes_things_rare_again() -> None:
    it = with_peers(picker(), a=0b11, b=0b10, c=0b10, d=0b01)
    it.leave("b")
    it.leave("c")
    it.leave("nobody")
    it.leave("d")
    it.gain("a", 0b100)
    with_peers(it, e=0b110)
    assert it.pick("a", 0) == 0


def test_among_the_equally_rare_what_is_suggested_else_by_chance() -> None:
    assert with_peers(picker(), a=0xFF).pick("a", 0, suggestion=5) == 5
    assert with_peers(picker(), a=0xFF, b=0x20).pick("a", 0, suggestion=5) != 5
    assert len({with_peers(picker(seed=seed), a=0xFF).pick("a", 0) for seed in range(100)}) == 8


def test_no_more_is_wanted_than_there_is_use_for() -> None:
    it = with_peers(picker(window=4), a=0b1, b=0xFF)
    assert it.wants("a", 0) == 1
    assert it.wants("a", 0) == 0
    assert it.wants("b", 0) == 4
    assert it.granted("b", 1)
    assert it.pick("b", 0) is not None
    assert it.wants("b", 0) == 0  # three wanted, and one on its way
    assert not it.granted("b", 4)


def test_no_more_is_on_its_way_than_there_is_room_for() -> None:
    it = with_peers(picker(room=2), a=0xFF)
    first = it.pick("a", 0)
    assert first is not None
    assert it.pick("a", 0) is not None
    assert it.crowded
    assert it.pick("a", 0) is None
    assert it.wants("a", 0) == 0
    assert it.arrived("a", first, 1)
    assert it.wants("a", 0) > 0


def test_one_of_several_takes_no_more_than_a_part_of_the_room() -> None:
    it = with_peers(picker(window=8, room=8), first=0xFF)
    assert it.wants("first", 0) == 8  # nobody else could have it
    with_peers(it, second=0xFF)
    assert it.wants("second", 0) == 2
    assert with_peers(picker(room=2), a=0xFF, b=0xFF).wants("a", 0) == 1


def test_those_that_send_nothing_do_not_keep_others_from_sending() -> None:
    it = with_peers(picker(room=2), idle=0xFF)
    assert {it.pick("idle", 0), it.pick("idle", 0)} != {None}
    with_peers(it, good=0xFF)
    assert it.wants("good", 0.5) == 0
    now = 1.5
    while it.missing:
        assert it.wants("good", now) == 1
        assert it.granted("good", 1)
        index = it.pick("good", now)
        assert index is not None
        assert it.arrived("good", index, now)


def test_at_the_end_what_is_late_is_asked_of_a_second_peer_but_of_no_third() -> None:
    it = with_peers(picker(count=2), slow=0b11, quick=0b11, third=0b11)
    it.pick("slow", 0)
    late = it.pick("slow", 0.5)
    assert it.wants("quick", 0.9) == 0  # not late yet
    assert it.wants("quick", 1.2) == 1
    first = it.pick("quick", 1.2)
    assert first is not None
    assert first != late
    assert it.pick("third", 9) == late
    assert it.pick("third", 99) is None
    assert it.arrived("quick", first, 2)
    assert not it.arrived("slow", first, 3)  # it comes twice, and counts once
    assert it.missing == 1 << (late or 0)


def test_what_was_asked_of_a_peer_that_leaves_is_asked_of_others() -> None:
    it = with_peers(picker(count=1), a=1, b=1)
    assert it.pick("a", 0) == 0
    assert it.expects("a", 0)
    assert it.expects_any("a")
    assert it.pick("b", 0) is None
    it.leave("a")
    assert it.pick("b", 0) == 0


@given(st.integers(0, 1 << 70))
def test_bits_are_numbers(bits: int) -> None:
    assert sum(1 << index for index in bits_of(bits)) == bits


@given(
    st.integers(1, 70),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["gain", "pick", "arrive", "leave"])), max_size=120),
    st.integers(0, 99),
)
def test_whatever_happens_every_piece_comes_and_none_is_asked_for_twice_before_the_end(
    count: int, steps: list[tuple[int, str]], seed: int
) -> None:
    random = Random(seed)
    it = Picker[int](count, random.getrandbits(count), window=8, room=16, random=random)
    everything = (1 << count) - 1
    has: dict[int, int] = {}
    asked: dict[int, set[int]] = {}

    def join(peer: int, bits: int) -> None:
        if peer not in has:
            it.join(peer)
            has[peer], asked[peer] = 0, set()
        it.gain(peer, bits)
        has[peer] |= bits

    for now, (peer, step) in enumerate(steps):
        if step == "gain":
            join(peer, random.getrandbits(count))
        elif peer not in has:
            continue
        elif step == "leave":
            it.leave(peer)
            del has[peer], asked[peer]
        elif step == "pick":
            fresh = it.missing & ~sum(1 << index for index in set[int]().union(*asked.values()))
            crowded = it.crowded
            index = it.pick(peer, now / 10)
            if index is not None:
                assert has[peer] & it.missing & 1 << index
                assert fresh & 1 << index or crowded or not fresh
                asked[peer].add(index)
        elif asked[peer]:
            index = asked[peer].pop()
            new = bool(it.missing >> index & 1)
            assert it.arrived(peer, index, now / 10) == new
            assert not it.missing >> index & 1
    for peer in list(has):
        it.leave(peer)
    it.join(9)
    it.gain(9, everything)
    for now in range(count):
        index = it.pick(9, now)
        if index is None:
            break
        assert it.arrived(9, index, now)
    assert not it.missing
