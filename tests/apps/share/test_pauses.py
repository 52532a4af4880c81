"""When those that failed are asked again."""

import pytest

from p2pstack.apps.share import pauses
from p2pstack.apps.share.pauses import Pauses


def length(it: Pauses[str], peer: str) -> int:
    return next(second for second in range(10_000) if not it.holds(peer, second))


def test_who_is_late_again_and_again_is_left_alone_for_longer_and_longer() -> None:
    it = Pauses[str]()
    assert not it.holds("late", 0)
    lengths: list[int] = []
    for _ in range(9):
        it.begin("late", 0, late=True)
        lengths.append(length(it, "late"))
    assert lengths == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    it.did_well("late")
    it.begin("late", 0, late=True)
    assert length(it, "late") == 5


def test_who_fails_otherwise_is_asked_again_soon_and_at_once_when_it_has_come_anew() -> None:
    it = Pauses[str]()
    for _ in range(3):
        it.begin("gone", 0)
        assert length(it, "gone") == 5
    it.begin("late", 0, late=True)
    it.reconnected("gone")
    it.reconnected("late")
    assert not it.holds("gone", 0)
    assert it.holds("late", 0)
    it.clear()
    assert not it.holds("late", 0)


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "_MAX_LATE", 2)
    it = Pauses[str]()
    for peer in ("a", "b", "c", "c", "a"):
        it.begin(peer, 0, late=True)
    assert length(it, "c") == 10
    assert length(it, "a") == 5  # forgotten when the third came
