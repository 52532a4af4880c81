"""Files that applications keep."""

import os
from pathlib import Path

import pytest

from p2pstack import LocalProtocolError
from p2pstack.apps.storage import identity, keep_first, replace_file


def test_of_two_that_make_a_file_at_once_the_first_wins_and_both_have_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"

    def second() -> bytes:
        assert keep_first(path, lambda: b"first") == b"first"
        return b"second"

    assert keep_first(path, second) == b"first"
    assert path.read_bytes() == b"first"
    assert path.stat().st_mode & 0o077 == 0
    assert os.listdir(path.parent) == ["file"]


def test_an_identity_stays(tmp_path: Path) -> None:
    assert identity(tmp_path).peer_id == identity(tmp_path).peer_id


def test_a_file_that_holds_no_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "identity.key").write_bytes(b"none")
    with pytest.raises(LocalProtocolError, match=r"identity\.key holds no key"):
        identity(tmp_path)


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    for data in (b"one", b"two"):
        replace_file(tmp_path / "file", data)
        assert (tmp_path / "file").read_bytes() == data
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        replace_file(tmp_path / "folder", b"")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
