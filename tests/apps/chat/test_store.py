"""History on disk: what was kept is there again, and what cannot be done is said."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from p2pstack import LocalProtocolError
from p2pstack.apps.chat.store import VERSION, HistoryStore


def test_what_was_kept_is_there_again(make_line: Any, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history"
    store = HistoryStore(path)
    lines = [make_line(str(number), time=number) for number in range(3)]
    for entry in (*lines, lines[0]):
        store.add(entry)
    store.add(make_line(room="kitchen"))
    store.add(make_line("four", time=4), displaced=[lines[0]])
    store.close()
    again = HistoryStore(path)
    assert {sealed.line for sealed in again.load("garden")} == {
        entry.sealed.line for entry in (*lines[1:], make_line("four", time=4))
    }
    again.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "history")
    with pytest.raises(LocalProtocolError, match=r"is in use: another chat runs with it; .* --data"):
        HistoryStore(tmp_path / "history")
    store.close()
    HistoryStore(tmp_path / "history").close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    HistoryStore(tmp_path / "history").close()
    with sqlite3.connect(tmp_path / "history") as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(LocalProtocolError, match="made by a newer p2pstack"):
        HistoryStore(tmp_path / "history")


def test_another_file_is_no_history(tmp_path: Path) -> None:
    (tmp_path / "history").write_bytes(b"something else entirely, and long enough to be sure" * 100)
    with pytest.raises(OSError, match="is no history of chat, or damaged"):
        HistoryStore(tmp_path / "history")


def test_a_full_disk_is_said_and_harms_nothing(make_line: Any, tmp_path: Path) -> None:
    store = HistoryStore(tmp_path / "history")
    store.add(make_line("first"))
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OSError, match=r"cannot be written: database or disk is full"):
        for number in range(100):
            store.add(make_line("x" * 1_000, time=number))
    assert len(list(store.load("garden"))) >= 1
    store._connection.execute("PRAGMA max_page_count = 1000000")
    store.add(make_line("last", time=1 << 30))
    store.close()
