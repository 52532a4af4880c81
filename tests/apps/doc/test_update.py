"""What is let near a document."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text

from p2pstack import RemoteProtocolError
from p2pstack.apps.doc.document import EMPTY, Document
from p2pstack.apps.doc.encoding import Reader, blob, uint
from p2pstack.apps.doc.messages import Kind, decode, encode
from p2pstack.apps.doc.update import MAX_CLOCK, read_state, read_update


@given(st.integers(0, 2**53 - 1), st.binary(max_size=300), st.text(max_size=50))
def test_what_is_encoded_is_read_again(number: int, data: bytes, text: str) -> None:
    reader = Reader(uint(number) + blob(data) + blob(text.encode()) + b"\x07")
    assert (reader.uint(), reader.blob(), reader.text(), reader.byte()) == (number, data, text, 7)
    reader.end()


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 8 + b"\x01", b"\x80" * 20, uint(2**53)])
def test_what_is_no_number_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Reader(data).uint()


def test_what_is_cut_off_or_no_text_is_refused() -> None:
    for data in (b"\x05abc", b"\x02\xff\xfe"):
        with pytest.raises(RemoteProtocolError):
            Reader(data).text()
    with pytest.raises(RemoteProtocolError):
        Reader(b"").byte()
    with pytest.raises(RemoteProtocolError):
        Reader(b"x").end()


@given(st.sampled_from(Kind), st.binary(max_size=200))
def test_messages_are_what_they_were(kind: Kind, content: bytes) -> None:
    content = b"" if kind is Kind.ASK_PRESENCE else content
    assert decode(encode(kind, content)) == (kind, content)


def test_messages_are_those_of_yjs() -> None:
    assert encode(Kind.STATE, b"\x00") == b"\x00\x00\x01\x00"
    assert encode(Kind.MISSING, EMPTY) == b"\x00\x01\x02\x00\x00"
    assert encode(Kind.UPDATE, EMPTY) == b"\x00\x02\x02\x00\x00"
    assert encode(Kind.ASK_PRESENCE) == b"\x03"


@given(st.binary(max_size=40))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        kind, content = decode(data)
    except RemoteProtocolError:
        return
    assert encode(kind, content)[:1] == data[:1]


def test_it_is_read_what_an_update_holds_and_builds_on() -> None:
    one, other = Document(1), Document(2)
    other.apply(one.insert(0, "h😀"))
    update = read_update(other.insert(1, "xy"))
    assert (dict(update.holds), dict(update.needs)) == ({2: (0, 2)}, {1: 2})
    assert update.fits({1: 3})
    assert not update.fits({1: 1})
    gone = read_update(one.delete(0, 2))
    assert (dict(gone.holds), gone.deletes) == ({}, [(1, 0, 3)])
    assert read_update(one.update()).pairs == set()
    assert read_state(other.state) == {1: 3, 2: 2}


def other_kinds() -> list[bytes]:
    """What the library knows and a text has no use for."""
    updates: list[bytes] = []
    doc = Doc(client_id=1)
    doc.get("list", type=Array).append("x")
    updates.append(doc.get_update())
    doc = Doc(client_id=1)
    doc.get("text", type=Map)["key"] = "value"
    updates.append(doc.get_update())
    doc = Doc(client_id=1)
    text = doc.get("text", type=Text)
    text.insert(0, "abc", {"bold": True})
    updates.append(doc.get_update())
    doc = Doc(client_id=1)
    doc.get("text", type=Text).insert_embed(0, {"image": "x"})
    updates.append(doc.get_update())
    doc = Doc(client_id=1)
    doc.get("another", type=Text).insert(0, "abc")
    updates.append(doc.get_update())
    return updates


@pytest.mark.parametrize("number", range(5))
def test_lists_maps_formats_and_other_texts_are_refused(number: int) -> None:
    with pytest.raises(RemoteProtocolError):
        Document(9).apply(other_kinds()[number])


TEXT = b"\x01\x04text"
BLOCK = b"\x01\x01\x05"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00", id="no deletions"),
        pytest.param(EMPTY + b"x", id="more"),
        pytest.param(b"\xff\xff\xff\xff\x07", id="more clients than bytes"),
        pytest.param(b"\x01\xff\xff\xff\xff\x07\x05\x00", id="more blocks than bytes"),
        pytest.param(b"\x01\x00\x05\x00\x00", id="no block"),
        pytest.param(b"\x02" + (BLOCK[1:] + b"\x00\x04" + TEXT + b"\x01a") * 2 + b"\x00", id="a client twice"),
        pytest.param(BLOCK.replace(b"\x05", b"") + uint(2**53) + b"\x00\x04" + TEXT + b"\x01a\x00", id="client"),
        pytest.param(BLOCK + uint(MAX_CLOCK) + b"\x04" + TEXT + b"\x01a\x00", id="clock"),
        pytest.param(BLOCK + b"\x00\x00" + uint(MAX_CLOCK + 1) + b"\x00", id="length"),
        pytest.param(BLOCK + b"\x00\x00\x00\x00", id="an empty gap"),
        pytest.param(BLOCK + b"\x00\x04" + TEXT + b"\x00\x00", id="an empty string"),
        pytest.param(BLOCK + b"\x00\x24" + TEXT + b"\x01k\x01a\x00", id="a key of a map"),
        pytest.param(BLOCK + b"\x00\x0a\x05\x00", id="a skip"),
        pytest.param(b"\x00\x01\x05\x01\x00\x00", id="no character deleted"),
    ],
)
def test_what_is_no_update_of_a_text_is_refused_and_changes_nothing(data: bytes) -> None:
    document = Document(9)
    document.insert(0, "abc")
    before = document.update()
    with pytest.raises(RemoteProtocolError):
        document.apply(data)
    assert document.update() == before
    assert document.early == 0


@pytest.mark.parametrize("data", [b"", b"\x01", b"\xff\xff\xff\xff\x07", b"\x00\x00", b"\x01\x05" + uint(2**31)])
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Document(1).update(data)
