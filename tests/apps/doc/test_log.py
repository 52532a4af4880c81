"""The file that a document is kept in."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pstack import LocalProtocolError
from p2pstack.apps.doc.folder import Folder
from p2pstack.apps.doc.log import Log


def test_what_was_added_is_there_again(tmp_path: Path) -> None:
    with Log(tmp_path, "notes") as log:
        assert log.updates == []
        log.add([b"one", b""])
        log.add([b"two" * 1000])
        size = log.size
    with Log(tmp_path, "notes") as log:
        assert (log.updates, log.cut, log.size) == ([b"one", b"", b"two" * 1000], 0, size)


@settings(max_examples=30)
@given(st.integers(1, 200), st.booleans())
def test_a_record_that_is_not_whole_is_cut_off(
    tmp_path_factory: pytest.TempPathFactory, lost: int, wrong: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    with Log(folder, "notes") as log:
        log.add([b"first", b"x" * 192])
        path = log.path
    data = path.read_bytes()
    if wrong:
        at = len(data) - lost
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    else:
        path.write_bytes(data[:-lost])
    with Log(folder, "notes") as log:
        assert log.updates == [b"first"]
        assert log.cut == (200 if wrong else 200 - lost)
        log.add([b"second"])
    with Log(folder, "notes") as log:
        assert (log.updates, log.cut) == ([b"first", b"second"], 0)


def test_it_is_written_anew_when_it_has_grown(tmp_path: Path) -> None:
    with Log(tmp_path, "notes") as log:
        log.add([b"x" * 100_000] * 4)
        assert log.outgrown(50_000)
        assert not log.outgrown(200_000)
        log.replace(b"all of it")
        log.add([b"more"])
        assert log.size < 200
    with Log(tmp_path, "notes") as log:
        assert log.updates == [b"all of it", b"more"]


def test_two_processes_cannot_have_it(tmp_path: Path) -> None:
    with Log(tmp_path, "notes"), pytest.raises(LocalProtocolError, match="open in another process"):
        Log(tmp_path, "notes")
    Log(tmp_path, "notes").close()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with Log(tmp_path, "notes") as log:
        path = log.path
    with pytest.raises(LocalProtocolError, match="expected the document other"):
        Log(tmp_path, "other")
    data = path.read_bytes()
    path.write_bytes(b"something else entirely")
    with pytest.raises(LocalProtocolError, match="not the file of a document"):
        Log(tmp_path, "notes")
    from p2pstack.apps.doc import log as module

    path.write_bytes(module._record(b"\x83\xa4name\xa5notes\xa6format\xb1p2pstack document\xa7version\x02"))
    with pytest.raises(LocalProtocolError, match="expected version 1"):
        Log(tmp_path, "notes")
    path.write_bytes(data)
    Log(tmp_path, "notes").close()


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Log(tmp_path, "notes") as log:
        log.add([b"kept"])

        def full(*_: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fdatasync", full)
            with pytest.raises(OSError, match="No space left") as error:
                log.add([b"lost"])
        assert error.value.filename == str(log.path)
        log.add([b"more"])
    with Log(tmp_path, "notes") as log:
        assert log.updates == [b"kept", b"more"]


def test_a_folder_keeps_who_we_are_and_the_secret(tmp_path: Path) -> None:
    folder = Folder("Minutes: März/April", tmp_path)
    assert folder.path.parent == tmp_path
    assert folder.path.name.startswith("Minutes-M-rz-April-")
    assert folder.path != Folder("Minutes: März-April", tmp_path).path
    with folder.open_log():
        key, secret = folder.key(), folder.secret()
    again = Folder("Minutes: März/April", tmp_path)
    assert again.key().public_key == key.public_key
    assert again.secret() == secret
    assert (folder.path / "page.secret").stat().st_mode & 0o077 == 0
