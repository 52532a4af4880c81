"""Lines belong to their authors, and nothing that is not a message gets through."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from p2pstack import LocalProtocolError, RemoteProtocolError
from p2pstack.apps.chat.messages import (
    MAX_MESSAGE,
    MAX_TEXT,
    Ask,
    Hand,
    Ids,
    Kept,
    Line,
    Presence,
    Private,
    Sealed,
    Want,
    checked_name,
    decode,
    encode,
    open_sealed,
)

KINDS = (Ask, Hand, Ids, Kept, Presence, Private, Sealed, Want)


def test_a_sealed_line_is_its_authors(make_line: Any) -> None:
    entry = make_line("hello")
    sealed = decode(encode(entry.sealed), Sealed)
    assert open_sealed(sealed, room="garden") == entry


def test_the_largest_message_fits() -> None:
    assert len(encode(Ids(tuple(bytes([1]) * 16 for _ in range(2_000))))) < MAX_MESSAGE
    line = encode(Line("r" * 64, 1 << 52, "\U0001f600" * 32, "\U0001f600" * MAX_TEXT))
    assert len(encode(decode(encode(Sealed(b"k" * 1_200, line, b"s" * 1_200)), Sealed))) < MAX_MESSAGE


@pytest.mark.parametrize("field", ["author", "line", "signature"])
def test_a_line_that_was_changed_is_nobodys(make_line: Any, field: str) -> None:
    mine, other = make_line("hello").sealed, make_line("other", key=1, time=2).sealed
    with pytest.raises(RemoteProtocolError, match="is not signed by it"):
        open_sealed(structs.replace(mine, **{field: getattr(other, field)}), room="garden")


def test_a_line_of_another_room_is_refused(make_line: Any) -> None:
    with pytest.raises(RemoteProtocolError, match="expected a line of the room kitchen, got one of 'garden'"):
        open_sealed(make_line().sealed, room="kitchen")


@given(data=st.binary(max_size=100))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    try:
        message = decode(data, *KINDS)
    except RemoteProtocolError:
        return
    assert decode(encode(message), *KINDS) == message


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_any_parts_are_no_line(author: bytes, line: bytes, signature: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        open_sealed(Sealed(author, line, signature), room="garden")


@pytest.mark.parametrize(
    "message",
    [
        Presence("", 1.0),
        Presence("x" * 33, 1.0),
        Presence("x", -1.0),
        Presence("x", 1.0, ("/ip4/1.2.3.4/tcp/1",) * 9),
        Presence("x", 1.0, ("x" * 257,)),
        Private("x", "y" * 2_001),
        Private("x", ""),
        Ask("r" * 65, b"x" * 32),
        Ask("r", b"x" * 31),
        Ids((b"x" * 15,)),
        Want((b"x" * 16,) * 2_001),
    ],
)
def test_what_is_beyond_its_limits_is_refused(message: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(encode(message), *KINDS)


@pytest.mark.parametrize("name", ["", "a b", "x" * 33, "tab\t", "bell\a", "/msg"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="name: expected 1 to 32 characters"):
        checked_name(name, limit=32, what="name")


def test_names_that_can_be() -> None:
    assert checked_name("Zoë", limit=32, what="name") == "Zoë"
