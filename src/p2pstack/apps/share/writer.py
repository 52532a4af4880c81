"""Writing pieces to disk, past the memory in which the system keeps files.

What is written goes there first, and to get that memory can cost more than all else that is done for a piece: in a
virtual machine that gives back to its host what it does not use, 1 GiB takes between one and two seconds of a core. So
whole blocks go to the disk from where the piece was put together (O_DIRECT), where the file system can do that. What
is no whole block, as the end of a file, goes the usual way.
"""

import os
from collections.abc import Sequence
from errno import EINVAL
from pathlib import Path

__all__ = ["FLAGS", "Writer"]

#: never through a symbolic link, which may lead anywhere
FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW
_DIRECT = getattr(os, "O_DIRECT", 0)  # not every system has it
#: what offsets, sizes and memory have to be multiples of: as much as any file system wants
_BLOCK = 4_096
#: files that stay open, the largest: pieces of others are few
_KEPT_OPEN = 16


class Writer:
    """The files of a content, which are there. Several threads may write at a time.

    :param sizes: of the files, in bytes
    """

    def __init__(self, paths: Sequence[Path], sizes: Sequence[int]) -> None:
        self._paths = paths
        self._to_keep = set(sorted(range(len(paths)), key=sizes.__getitem__)[-_KEPT_OPEN:])
        self._kept: dict[tuple[int, int], int] = {}
        self._flags = _DIRECT

    def write(self, number: int, offset: int, piece: memoryview, start: int, size: int) -> None:
        """Write `size` bytes of a piece, from `start` on, to the file with number `number`, at `offset`.

        :param piece: memory that begins where a page does
        :raises OSError: no room, no permission
        """
        end, whole = start + size, 0
        if self._flags and offset % _BLOCK == start % _BLOCK == 0:
            whole = size // _BLOCK * _BLOCK
            try:
                self._write(number, self._flags, offset, piece[start : start + whole])
            except OSError as error:
                if error.errno != EINVAL:
                    raise
                self._flags = whole = 0  # the file system cannot do it
        self._write(number, 0, offset + whole, piece[start + whole : end])

    def close(self) -> None:
        """Close what is open. Nobody may be writing."""
        while self._kept:
            os.close(self._kept.popitem()[1])

    def _write(self, number: int, flags: int, offset: int, data: memoryview) -> None:
        if not data:
            return
        passing = -1  # what is open for this once
        if (file := self._kept.get((number, flags), -1)) < 0:
            file = os.open(self._paths[number], os.O_WRONLY | flags | FLAGS)
            if number not in self._to_keep or self._kept.setdefault((number, flags), file) != file:
                passing = file
        try:
            while data:
                written = os.pwrite(file, data, offset)
                data, offset = data[written:], offset + written
        finally:
            if passing >= 0:
                os.close(passing)
