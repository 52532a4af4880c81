"""What a content is: names and sizes of its files, and the root of the tree that its pieces are held against.

The files lie one behind the other, in the order of the manifest, and the whole is cut into pieces of one size, but for
the last one. A content is named by the SHA-256 of its manifest, so that a manifest from anybody can be trusted.
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from itertools import accumulate
from typing import NamedTuple
from unicodedata import category

from msgspec import Struct, msgpack

from p2pstack import RemoteProtocolError
from p2pstack.apps.malformed import MALFORMED
from p2pstack.apps.share.merkle import HASH

__all__ = ["MAX_FILES", "MAX_MANIFEST", "MAX_PIECES", "Extent", "File", "Manifest", "piece_size_for"]

#: bytes of a manifest
MAX_MANIFEST = 4 << 20
#: files in one content
MAX_FILES = 20_000
#: pieces of one content: so many hashes are kept in memory
MAX_PIECES = 1 << 16
#: bytes of a piece; between, the powers of two
MIN_PIECE, MAX_PIECE = 1 << 14, 1 << 24
#: bytes of a name in a file system, and names in a path
_MAX_NAME, _MAX_DEPTH = 255, 32
#: what pieces are while a content has few of them
_USUAL_PIECES, _USUAL_PIECE, _LEAST_PIECE = 1 << 9, 1 << 22, 1 << 16


class File(Struct, frozen=True, array_like=True):
    """A file of a content: names of folders and its own, below the content's; none where it is the whole content."""

    path: tuple[str, ...]
    size: int


class Extent(NamedTuple):
    """Bytes of a file that belong to a piece."""

    file: int
    offset: int
    size: int


class Manifest(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """What a content is."""

    name: str
    piece_size: int
    files: tuple[File, ...]
    root: bytes
    version: int = 1

    @classmethod
    def parse(cls, data: bytes) -> "Manifest":
        """Of bytes from somebody else.

        :raises RemoteProtocolError: not a manifest, or one that would write where it must not
        """
        try:
            manifest = msgpack.decode(data, type=cls)
        except MALFORMED as error:
            raise RemoteProtocolError(f"not a manifest: {error}") from None
        if wrong := next(manifest.mistakes(), None):
            raise RemoteProtocolError(f"a manifest that is not allowed: {wrong}")
        if manifest.encode() != data:  # else those who pass it on would name the content by another hash
            raise RemoteProtocolError("not a manifest: the same can be said in other bytes, which have another hash")
        return manifest

    def encode(self) -> bytes:
        """Its bytes."""
        return msgpack.encode(self)

    @cached_property
    def id(self) -> bytes:
        """What the content is named by."""
        return sha256(self.encode()).digest()

    @cached_property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def count(self) -> int:
        """Pieces."""
        return -(-self.size // self.piece_size)

    def length(self, index: int) -> int:
        """Bytes of a piece."""
        return min(self.piece_size, self.size - index * self.piece_size)

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(file.size for file in self.files))

    def extents(self, index: int) -> Iterator[Extent]:
        """Where the bytes of a piece lie."""
        start = index * self.piece_size
        end = start + self.length(index)
        number = bisect_right(self._ends, start)
        while start < end:
            begin = self._ends[number] - self.files[number].size
            size = min(end, self._ends[number]) - start
            if size:
                yield Extent(number, start - begin, size)
            start += size
            number += 1

    def mistakes(self) -> Iterator[str]:
        """What is not allowed in it."""
        if self.version != 1:
            yield f"version {self.version}: 1 is known"
        if not _safe(self.name) or any(category(letter) == "Cc" for letter in self.name):  # it is printed
            yield f"the name {self.name!r}"
        if not MIN_PIECE <= self.piece_size <= MAX_PIECE or self.piece_size & (self.piece_size - 1):
            yield f"pieces of {self.piece_size} bytes: expected a power of two from {MIN_PIECE} to {MAX_PIECE}"
            return
        if len(self.root) != HASH:
            yield f"a root of {len(self.root)} bytes"
        if not 1 <= len(self.files) <= MAX_FILES:
            yield f"{len(self.files)} files: expected 1 to {MAX_FILES}"
        if any(file.size < 0 for file in self.files) or self.count > MAX_PIECES:
            yield f"sizes that make {self.count} pieces: at most {MAX_PIECES} are allowed"
        single = len(self.files) == 1 and not self.files[0].path
        files, folders = set[tuple[str, ...]](), set[tuple[str, ...]]()
        for file in self.files:
            if not single and not (1 <= len(file.path) <= _MAX_DEPTH and all(map(_safe, file.path))):
                yield f"the path {'/'.join(file.path)!r}"
            if file.path in files:
                yield f"{'/'.join(file.path)!r} twice"
            files.add(file.path)
            folders.update(file.path[:depth] for depth in range(1, len(file.path)))
        if clash := files & folders:
            yield f"{'/'.join(min(clash))!r} as a file and as a folder"


def _safe(name: str) -> bool:
    """Whether a name stays where it is put."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= _MAX_NAME and name not in (".", "..") and not set(name) & set("/\\\0")


def piece_size_for(size: int) -> int:
    """Bytes of a piece, for a content of so many bytes: small enough to be spread soon, large enough to be few."""
    piece = _LEAST_PIECE
    while size > piece * (_USUAL_PIECES if piece < _USUAL_PIECE else MAX_PIECES):
        piece *= 2
    return piece
