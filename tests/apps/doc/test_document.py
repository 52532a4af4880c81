"""A text that many edit: whoever has the same updates has the same text."""

import contextlib
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pstack import LimitExceeded, LocalProtocolError, RemoteProtocolError
from p2pstack.apps.doc.document import EMPTY, MAX_EARLY, Document
from p2pstack.apps.doc.encoding import uint
from p2pstack.apps.doc.update import read_update

ALPHABET = "ab é😀\n"


def edit(document: Document, random: Random) -> bytes:
    """Some edit."""
    length = len(str(document))
    if length and random.random() < 0.35:
        position = random.randrange(length)
        return document.delete(position, random.randint(1, min(3, length - position)))
    return document.insert(random.randint(0, length), "".join(random.choices(ALPHABET, k=random.randint(1, 3))))


@settings(max_examples=40)
@given(st.data(), st.integers(2, 4), st.randoms(use_true_random=False))
def test_any_interleaving_converges(data: Any, editors: int, random: Random) -> None:
    """Updates come late, twice, in any order or not at all; after everybody has met everybody, all have the same."""
    documents = [Document(100 + n) for n in range(editors)]
    on_the_way: list[tuple[int, bytes]] = []
    for _ in range(data.draw(st.integers(1, 25))):
        if random.random() < 0.6 or not on_the_way:
            writer = random.randrange(editors)
            update = edit(documents[writer], random)
            on_the_way += [(reader, update) for reader in range(editors) if reader != writer]
        else:
            reader, update = on_the_way.pop(random.randrange(len(on_the_way)))
            chance = random.random()
            if chance > 0.2:  # else it is lost
                documents[reader].apply(update)
            if chance > 0.8:
                documents[reader].apply(update)
    for _ in range(2):
        for one in documents:
            for other in documents:
                one.apply(other.update(one.state))
    assert len({str(document) for document in documents}) == 1
    assert len({document.state for document in documents}) == 1


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.integers(1, 30))
def test_news_alone_rebuild_the_text(random: Random, edits: int) -> None:
    """What `apply` and the edits return is all that has to be kept."""
    one, other = Document(1), Document(2)
    kept: list[bytes] = []
    for _ in range(edits):
        if random.random() < 0.5:
            kept.append(edit(one, random))
        elif news := one.apply(edit(other, random)):
            kept.append(news)
    again = Document(3)
    for update in kept:
        assert again.apply(update) is not None
    assert str(again) == str(one)
    assert again.state == one.state


@settings(max_examples=150)
@given(st.randoms(use_true_random=False), st.data())
def test_a_damaged_update_is_refused_or_does_no_harm(random: Random, data: Any) -> None:
    victim, other = Document(1), Document(2)
    for _ in range(6):
        edit(victim, random)
        other.apply(victim.update())
        edit(other, random)
    update = bytearray(other.update(random.choice([b"\x00", victim.state])))
    for _ in range(data.draw(st.integers(1, 3))):
        update[random.randrange(len(update))] = random.choice([0, 1, 4, 0x81, 0x84, 0xC4, random.randrange(256)])
    with contextlib.suppress(RemoteProtocolError):
        victim.apply(bytes(update))
    whole = victim.update()
    read_update(whole)
    copy = Document(3)
    copy.apply(whole)
    assert str(copy) == str(victim)
    assert copy.state == victim.state
    assert victim.insert(0, "goes on")


def test_positions_are_counted_in_characters() -> None:
    document = Document(1)
    document.insert(0, "h😀llo")
    document.insert(2, "é")
    document.delete(1, 2)
    assert str(document) == "hllo"


@pytest.mark.parametrize(("position", "text"), [(-1, "a"), (4, "a"), (0, ""), (0, "\ud800")])
def test_what_cannot_be_inserted_is_refused(position: int, text: str) -> None:
    document = Document(1)
    document.insert(0, "abc")
    with pytest.raises(LocalProtocolError):
        document.insert(position, text)
    assert str(document) == "abc"


@pytest.mark.parametrize(("position", "count"), [(-1, 1), (0, 0), (2, 2), (3, 1)])
def test_what_is_not_there_cannot_be_deleted(position: int, count: int) -> None:
    document = Document(1)
    document.insert(0, "abc")
    with pytest.raises(LocalProtocolError):
        document.delete(position, count)


def test_what_comes_too_early_waits_for_what_it_builds_on() -> None:
    one, other = Document(1), Document(2)
    first, second, third = (one.insert(n, "abc"[n]) for n in range(3))
    assert other.apply(third) is None
    assert other.apply(second) is None
    assert (str(other), other.early) == ("", 2)
    assert other.apply(first) is not None
    assert (str(other), other.early) == ("abc", 0)
    assert other.apply(first) is None


def test_what_waits_is_bounded() -> None:
    document, other = Document(1), Document(2)
    other.insert(0, "never told")
    for n in range(3 * MAX_EARLY):
        document.apply(other.insert(0, str(n)))
    assert document.early == MAX_EARLY
    big = Document(3)
    big.insert(0, "never told")
    for _ in range(5):
        document.apply(big.insert(0, "x" * 400_000))
    assert document.early <= 3


def test_a_circle_is_not_kept() -> None:
    """Two characters that name each other as neighbours fit by what they need, and can never be put anywhere."""
    victim = Document(9)
    victim.insert(0, "text")
    origin = [b"\x84" + uint(other) + b"\x00" + b"\x01x" for other in (6, 5)]
    circle = b"\x02" + b"".join(b"\x01" + uint(c) + b"\x00" + o for c, o in zip((5, 6), origin, strict=True)) + b"\x00"
    before = victim.update()
    assert victim.apply(circle) is None
    assert (victim.update(), victim.early) == (before, 0)
    assert victim.apply(Document(5).insert(0, "honest")) is not None


def test_a_character_is_not_cut_in_two() -> None:
    victim = Document(1)
    victim.insert(0, "a😀b")
    between = b"\x01\x01\x05\x00\xc4\x01\x01\x01\x02\x01x\x00"  # to the right of the first half
    half = b"\x00\x01\x01\x01\x02\x01"  # the second half is deleted
    for update in (between, half):
        with pytest.raises(RemoteProtocolError, match="whole characters"):
            victim.apply(update)
    assert str(victim) == "a😀b"
    forged = Document(1)
    forged.insert(0, "abc😀")  # the same names, but for other characters: half of the last one would be news
    with pytest.raises(RemoteProtocolError, match="whole characters"):
        victim.apply(forged.update())
    victim.delete(1, 1)
    assert victim.apply(half) is None  # nobody cares when it is gone
    for _ in range(3):
        victim.insert(0, "😀" * 10)
        victim.delete(0, 5)
    assert victim.apply(Document(2).insert(0, "😀")) is not None


def test_a_full_document_takes_no_more_and_goes_on() -> None:
    document = Document(1, limit=2000)
    document.insert(0, "x" * 1500)
    with pytest.raises(LimitExceeded):
        document.insert(0, "y" * 600)
    other = Document(2)
    with pytest.raises(LimitExceeded):
        document.apply(other.insert(0, "z" * 1000))
    assert len(str(document)) == 1500
    document.delete(0, 1400)
    assert document.apply(other.update()) is not None


def test_what_waited_and_has_no_room_is_dropped_and_the_rest_is_news() -> None:
    one, other = Document(1, limit=1000), Document(2)
    first, second = other.insert(0, "a"), other.insert(1, "b" * 2000)
    assert one.apply(second) is None
    assert one.apply(first) is not None
    assert (str(one), one.early) == ("a", 0)


def test_an_empty_document_says_nothing() -> None:
    document = Document(1)
    assert document.update() == EMPTY
    assert document.client_id == 1
    assert document.apply(EMPTY) is None
