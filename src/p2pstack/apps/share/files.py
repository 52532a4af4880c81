"""Contents on disk: what is shared stays where it is, and what is fetched grows in a folder beside where it will be.

    DIR/.p2pstack-<first digits of the hash>/journal     while it is fetched
    DIR/.p2pstack-<first digits of the hash>/content     ... its file, or its files
    DIR/NAME                                             when all of it is there

The journal begins with its version and the manifest, which the content's hash proves. Each piece adds its number, its
hash and the proof of that, which the root proves, when its bytes are written. So whatever a crash leaves, each line of
it is true or is not believed; and the bytes are read again before they count.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from mmap import mmap
from os.path import lexists
from pathlib import Path
from shutil import disk_usage, rmtree

from p2pstack import LocalProtocolError
from p2pstack.apps.share.manifest import MAX_FILES, Extent, File, Manifest, piece_size_for
from p2pstack.apps.share.merkle import HASH, Tree, leaf, root_of
from p2pstack.apps.share.writer import FLAGS, Writer
from p2pstack.apps.storage import replace_file

__all__ = ["Fetched", "Files", "Progress", "open_for", "scan"]

_JOURNAL = b"p2pstack share journal 1\n"
#: bytes read at a time
PART = 1 << 16

#: called with the bytes done so far
Progress = Callable[[int], None]


def _ignore(done: int) -> None:
    pass


class Files:
    """The bytes of a content in its files, which are all there.

    :param paths: where each file of the manifest is
    """

    def __init__(self, manifest: Manifest, paths: Sequence[Path], tree: Tree, *, have: int) -> None:
        self.manifest = manifest
        self.tree = tree
        #: the pieces that are there, a bit each
        self.have = have
        self.paths = paths
        self._stamps: dict[int, int] = {}  # when each file was changed last, as first seen

    def read(self, index: int) -> list[bytes]:
        """A piece, in parts that are good to send.

        :raises OSError: it cannot be read, or is not what it was
        """
        parts: list[bytes] = []
        for number, offset, size in self.manifest.extents(index):
            file = os.open(self.paths[number], os.O_RDONLY | FLAGS)
            try:
                self._check(number, file)
                starts = range(offset, offset + size, PART)
                parts += [os.pread(file, min(PART, offset + size - start), start) for start in starts]
            finally:
                os.close(file)
        if sum(map(len, parts)) != self.manifest.length(index):
            raise OSError(f"{self.manifest.name} has become shorter while it was shared")
        return parts

    def at_hand(self, index: int) -> bool:
        """Whether a piece can be read without waiting for a disk, as far as the system tells."""
        try:
            return all(self._in_memory(extent) for extent in self.manifest.extents(index))
        except (OSError, AttributeError):  # not in memory, or a system that does not know
            return False

    def _in_memory(self, extent: Extent) -> bool:
        file = os.open(self.paths[extent.file], os.O_RDONLY | FLAGS)
        try:
            ends = extent.offset, extent.offset + extent.size - 1
            return all(os.preadv(file, [bytearray(1)], end, os.RWF_NOWAIT) for end in ends)
        finally:
            os.close(file)

    def _check(self, number: int, file: int) -> None:
        changed = os.fstat(file).st_mtime_ns
        if self._stamps.setdefault(number, changed) != changed:
            raise OSError(f"{self.paths[number]} has changed while it was shared: share it again")

    def put(self, index: int, parts: Sequence[bytes], proof: bytes) -> bool:
        """All is here."""
        raise AssertionError("a piece for a content that is complete")

    def finish(self) -> Path:
        """Where the content is: its file, or its folder."""
        path = self.paths[0]
        return path.parents[len(self.manifest.files[0].path) - 1] if self.manifest.files[0].path else path

    def close(self) -> None:
        """Nothing is held open."""


def scan(paths: Sequence[Path], *, name: str | None = None, progress: Progress = _ignore) -> Files:
    """Read files and folders, and make one content of them. Symbolic links and what is no file are left out.

    :param name: what it is called; the path's own name unless given
    :raises OSError: a file cannot be read
    :raises LocalProtocolError: there is nothing in there, or too much, or a name that is not allowed
    """
    tops = [path.resolve(strict=True) for path in paths]
    found: list[tuple[tuple[str, ...], Path]] = []
    for top in tops:
        prefix = () if len(tops) == 1 else (top.name,)
        found += [(prefix, top)] if top.is_file() else [(prefix + parts, path) for parts, path in _walk(top)]
    found.sort()
    if not 1 <= len(found) <= MAX_FILES:
        raise LocalProtocolError(f"{len(found)} files in {', '.join(map(str, paths))}: expected 1 to {MAX_FILES}")
    files = tuple(File(parts, path.stat().st_size) for parts, path in found)
    size = sum(file.size for file in files)
    name = name or (tops[0].name if len(tops) == 1 else "shared")
    manifest = Manifest(name, piece_size_for(size), files, bytes(HASH))
    if wrong := next(manifest.mistakes(), None):  # what others would refuse is better refused here, before all is read
        raise LocalProtocolError(f"{', '.join(map(ascii, map(str, paths)))} cannot be shared: {wrong}")
    draft = Files(manifest, [path for _, path in found], Tree(0, b""), have=0)
    leaves: list[bytes] = []
    for index in range(manifest.count):
        leaves.append(leaf(draft.read(index)))
        progress(min((index + 1) * manifest.piece_size, size))
    draft.tree = Tree.build(leaves)
    draft.manifest = Manifest(name, manifest.piece_size, files, draft.tree.root)
    draft.have = (1 << manifest.count) - 1
    return draft


def _walk(folder: Path) -> Iterator[tuple[tuple[str, ...], Path]]:
    for base, _, names in os.walk(folder):
        for name in names:
            path = Path(base, name)
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).parts, path


class Fetched(Files):
    """The bytes of a content that is fetched, as far as they are there.

    :param folder: where the content will be
    :param progress: called while what is there already is verified
    :raises FileExistsError: something else of that name is there
    :raises BlockingIOError: another process fetches it to there
    :raises OSError: no room, no permission
    """

    def __init__(self, manifest: Manifest, folder: Path, *, progress: Progress = _ignore) -> None:
        self._staging = folder / f".p2pstack-{manifest.id.hex()[:16]}"
        self._content = self._staging / "content"
        self._target = folder / manifest.name
        super().__init__(manifest, _below(self._content, manifest), Tree(manifest.count, manifest.root), have=0)
        if lexists(self._target):  # be it a link that leads nowhere: it is not ours
            raise FileExistsError(f"{self._target} exists already, and is not this content")
        self._writer = Writer(self.paths, [file.size for file in manifest.files])
        self._spare: list[mmap] = []  # memory of pieces, as much as threads have ever written at a time
        self._journal = self._open_journal()
        try:
            self._make_files()
            self._resume(progress)
        except BaseException:
            self.close()
            raise

    def _open_journal(self) -> int:
        path = self._staging / "journal"
        head = self._head()
        if not path.exists():
            replace_file(path, head)
        journal = os.open(path, os.O_RDWR | os.O_APPEND | FLAGS)
        try:
            flock(journal, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            os.close(journal)
            raise BlockingIOError(f"{self._target} is being fetched by another process") from None
        if os.pread(journal, len(head), 0) != head:  # of another version: what it knows of is fetched again
            os.ftruncate(journal, 0)
            os.write(journal, head)
        return journal

    def _head(self) -> bytes:
        encoded = self.manifest.encode()
        return _JOURNAL + len(encoded).to_bytes(4, "big") + encoded

    def _make_files(self) -> None:
        """Files of the right size, with holes where nothing is yet."""
        there = 0
        for path in self.paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                there += path.stat().st_blocks * 512
        free = disk_usage(self._staging).free
        if self.manifest.size > there + free:
            raise OSError(f"no room for {self._target}: {self.manifest.size - there} bytes needed, {free} free")
        for path, described in zip(self.paths, self.manifest.files, strict=True):
            file = os.open(path, os.O_WRONLY | os.O_CREAT | FLAGS, 0o644)
            try:
                os.ftruncate(file, described.size)
            finally:
                os.close(file)

    def _resume(self, progress: Progress) -> None:
        """Believe of the journal what the tree proves and the files hold."""
        size = 4 + HASH + self.tree.depth * HASH
        start = len(self._head())
        length = os.fstat(self._journal).st_size
        whole = start + (length - start) // size * size
        os.ftruncate(self._journal, whole)  # half a line at its end
        done = 0
        for offset in range(start, whole, size):
            line = os.pread(self._journal, size, offset)
            index, digest, proof = int.from_bytes(line[:4], "big"), line[4 : 4 + HASH], line[4 + HASH :]
            known = index >= self.manifest.count or self.have >> index & 1
            if not known and self.tree.add(index, digest, proof) and leaf(self.read(index)) == digest:
                self.have |= 1 << index
                done += self.manifest.length(index)
                progress(done)

    def put(self, index: int, parts: Sequence[bytes], proof: bytes) -> bool:
        """Verify a piece and keep it; False where it is not what it should be.

        :raises OSError: no room
        """
        try:
            buffer = self._spare.pop()
        except IndexError:
            buffer = mmap(-1, self.manifest.piece_size)
        try:
            with memoryview(buffer) as piece:
                digest = self._assemble(piece, parts)
                if root_of(index, digest, proof) != self.manifest.root:
                    return False
                start = 0
                for number, offset, size in self.manifest.extents(index):
                    self._writer.write(number, offset, piece, start, size)
                    start += size
            os.write(self._journal, index.to_bytes(4, "big") + digest + proof)
        except OSError as error:  # writing to what is open says no name
            error.filename = error.filename or str(self._target)
            raise
        finally:
            self._spare.append(buffer)
        return self.tree.add(index, digest, proof)

    @staticmethod
    def _assemble(piece: memoryview, parts: Sequence[bytes]) -> bytes:
        """Put a piece together, and hash it in one call: a thread that is in C stands in nobody's way."""
        end = 0
        for part in parts:
            piece[end : end + len(part)] = part
            end += len(part)
        return leaf([piece[:end]])

    def _check(self, number: int, file: int) -> None:
        """It changes all the time."""

    def finish(self) -> Path:
        """Put the content where it belongs; where that is."""
        if self._staging.exists():
            if lexists(self._target):
                raise FileExistsError(f"{self._target} exists already: the content stays in {self._content}")
            self._content.rename(self._target)
            self.paths = _below(self._target, self.manifest)
            self.close()
            rmtree(self._staging)
        return self._target

    def close(self) -> None:
        """Let others fetch it. Nobody may be writing."""
        self._writer.close()
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1


def _below(root: Path, manifest: Manifest) -> list[Path]:
    return [root.joinpath(*file.path) for file in manifest.files]


def open_for(manifest: Manifest, folder: Path, *, progress: Progress = _ignore) -> Files:
    """Where a content is fetched to; or where it is, if it had been fetched before."""
    target = folder / manifest.name
    if target.exists():
        with suppress(LocalProtocolError):  # it could not be shared, so it is something else
            there = scan([target], progress=progress)
            if there.manifest.id == manifest.id:
                return there
    return Fetched(manifest, folder, progress=progress)
