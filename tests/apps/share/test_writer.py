"""Pieces on their way to disk: whole blocks past the memory of the system, the rest through it."""

import errno
import os
from mmap import mmap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.apps.share import writer
from p2pstack.apps.share.writer import Writer

PIECE = 1 << 16


@pytest.fixture(scope="module")
def content() -> mmap:
    piece = mmap(-1, PIECE)
    piece[:] = os.urandom(PIECE)
    return piece


def empty(folder: Path, count: int) -> list[Path]:
    paths = [folder / str(number) for number in range(count)]
    for path in paths:
        path.write_bytes(b"")
    return paths


@given(
    offset=st.sampled_from([0, 1, 4_096, 8_192, 10_000]),
    start=st.sampled_from([0, 7, 4_096, 12_288]),
    size=st.sampled_from([0, 1, 4_095, 4_096, 4_097, 30_000, 32_768]),
    direct=st.booleans(),
)
def test_it_is_all_there_wherever_it_begins_and_ends(
    tmp_path_factory: pytest.TempPathFactory, content: mmap, offset: int, start: int, size: int, direct: bool
) -> None:
    (path,) = empty(tmp_path_factory.mktemp("writer"), 1)
    writing = Writer([path], [size])
    writing._flags *= direct
    for _ in range(2):  # with the file as it was opened, and as it was kept
        with memoryview(content) as piece:
            writing.write(0, offset, piece, start, size)
        assert path.read_bytes() == (bytes(offset) + content[start : start + size] if size else b"")
    writing.close()


def test_a_file_system_that_cannot_do_it_gets_it_as_usual(
    tmp_path: Path, content: mmap, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = empty(tmp_path, 1)
    tried: list[int] = []
    really = os.open

    def refuse(name: Any, flags: int) -> int:
        tried.append(flags)
        if flags & 0x10:  # no flag that anything else sets here
            raise OSError(errno.EINVAL, "no O_DIRECT")
        return really(name, flags)

    monkeypatch.setattr(writer, "_DIRECT", 0x10)
    monkeypatch.setattr(os, "open", refuse)
    writing = Writer([path], [PIECE])
    with memoryview(content) as piece:
        writing.write(0, 0, piece, 0, PIECE)
        writing.write(0, PIECE, piece, 0, PIECE)
    writing.close()
    assert path.read_bytes() == 2 * bytes(content)
    assert [bool(flags & 0x10) for flags in tried] == [True, False]


def test_other_failures_are_told(tmp_path: Path, content: mmap) -> None:
    writing = Writer([tmp_path / "missing"], [PIECE])
    with memoryview(content) as piece, pytest.raises(FileNotFoundError):
        writing.write(0, 0, piece, 0, PIECE)


def test_of_many_files_only_the_largest_stay_open(tmp_path: Path, content: mmap) -> None:
    paths = empty(tmp_path, 40)
    writing = Writer(paths, [4_096 + number for number in range(40)])
    before = len(os.listdir("/dev/fd"))
    with memoryview(content) as piece:
        for number in range(40):
            writing.write(number, 0, piece, 0, 4_096 + number)
    assert len(os.listdir("/dev/fd")) <= before + 32
    writing.close()
    assert len(os.listdir("/dev/fd")) == before
    assert all(path.read_bytes() == content[: 4_096 + number] for number, path in enumerate(paths))


def test_nothing_is_written_through_a_symbolic_link(tmp_path: Path, content: mmap) -> None:
    (target,) = empty(tmp_path, 1)
    link = tmp_path / "link"
    link.symlink_to(target)
    with memoryview(content) as piece, pytest.raises(OSError, match="symbolic"):
        Writer([link], [1]).write(0, 0, piece, 0, 1)
    assert not target.read_bytes()
