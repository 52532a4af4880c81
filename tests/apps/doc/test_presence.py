"""Who edits, and where."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack import RemoteProtocolError
from p2pstack.apps.doc.encoding import blob, uint
from p2pstack.apps.doc.presence import (
    LIFETIME,
    MAX_EDITORS,
    MAX_EDITORS_OF_A_PEER,
    MAX_PRESENCE,
    Editor,
    Presence,
    read_presence,
)

ADA = {"user": {"name": "Ada", "color": "#0d9488", "colorLight": "#0d948833"}}
POSITION = {"type": None, "tname": "text", "item": {"client": 5, "clock": 3}, "assoc": 0}


def told(*editors: tuple[int, int, Any]) -> bytes:
    """An update."""
    parts = [blob(json.dumps(state).encode()) for _, _, state in editors]
    return uint(len(editors)) + b"".join(
        uint(client) + uint(number) + part for (client, number, _), part in zip(editors, parts, strict=True)
    )


def test_an_editor_with_a_cursor_is_read() -> None:
    (editor,) = read_presence(told((5, 1, {**ADA, "cursor": {"anchor": POSITION, "head": {"type": None}}})))
    assert (editor.client, editor.number, editor.name) == (5, 1, "Ada")
    assert json.loads(editor.state or b"")["cursor"]["anchor"]["item"] == {"client": 5, "clock": 3}
    assert read_presence(told((5, 2, None))) == [Editor(5, 2, None)]
    assert read_presence(told((5, 2, {})))[0].name == ""


@pytest.mark.parametrize(
    "state",
    [
        {"user": {"name": "x" * 41, "color": "#000000"}},
        {"user": {"name": "x", "color": "url(//elsewhere)"}},
        {"user": {"name": "x", "color": "#000000;x"}},
        {"user": {"name": "x", "color": "#000000\n"}},
        {"user": {"name": "x", "color": "#000000", "picture": "x"}},
        {"user": {"name": 5, "color": "#000000"}},
        {"cursor": {"anchor": {"item": {"client": -1, "clock": 0}}, "head": {}}},
        {"more": 1},
        5,
        "x" * MAX_PRESENCE,
    ],
)
def test_nonsense_is_refused(state: Any) -> None:
    with pytest.raises(RemoteProtocolError):
        read_presence(told((1, 1, state)))


@given(st.binary(max_size=60))
def test_any_bytes_are_editors_or_refused(data: bytes) -> None:
    try:
        editors = read_presence(data)
    except RemoteProtocolError:
        return
    assert all(editor.state is None or json.loads(editor.state) is not None for editor in editors)


def test_only_what_is_new_is_told_on() -> None:
    presence = Presence()
    editors = read_presence(told((1, 1, ADA)))
    assert presence.tell(editors, owner="one", now=0) == told_by(presence)
    assert presence.tell(editors, owner="one", now=0) is None
    assert presence.tell(read_presence(told((1, 0, {}))), owner="one", now=0) is None
    assert [editor.name for editor in presence.editors] == ["Ada"]
    assert presence.tell(read_presence(told((1, 1, None))), owner="one", now=0) is not None
    assert presence.editors == []
    assert presence.tell(editors, owner="one", now=0) is None


def told_by(presence: Presence) -> bytes:
    return presence.all


def test_nobody_moves_anothers_cursor() -> None:
    presence = Presence()
    presence.tell(read_presence(told((1, 1, ADA))), owner="one", now=0)
    assert presence.tell(read_presence(told((1, 9, None))), owner="two", now=0) is None
    assert presence.leave("two", {1}) is None
    assert len(presence.editors) == 1
    assert presence.leave("one", {1}) == told((1, 2, None))
    assert presence.of("one") == told((1, 2, None))
    assert presence.of("two") is None


def test_who_is_silent_is_forgotten() -> None:
    presence = Presence()
    presence.tell(read_presence(told((1, 1, ADA))), owner="one", now=0)
    assert presence.expire(LIFETIME) is None
    assert presence.expire(LIFETIME + 1) == told((1, 2, None))
    assert presence.tell(read_presence(told((1, 1, ADA))), owner="one", now=LIFETIME + 2) is None
    presence.expire(3 * LIFETIME)
    assert presence.tell(read_presence(told((1, 1, ADA))), owner="two", now=3 * LIFETIME) is not None


def test_how_many_there_are_is_bounded() -> None:
    presence = Presence()
    for owner in range(20):
        presence.tell([Editor(100 * owner + n, 1, b"{}") for n in range(50)], owner=owner, now=0)
        assert presence.of(owner) is None or len(read_presence(presence.of(owner) or b"")) <= MAX_EDITORS_OF_A_PEER
    assert len(presence.editors) == MAX_EDITORS
