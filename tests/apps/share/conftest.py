"""Contents that are only in memory, and hosts that share them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from anyio import fail_after, sleep

from p2pstack.apps.share.manifest import MIN_PIECE, File, Manifest
from p2pstack.apps.share.merkle import Tree, leaf


class InMemory:
    """A content whose pieces are made of their numbers: what is kept is thrown away once it is verified."""

    def __init__(self, manifest: Manifest, tree: Tree, have: int) -> None:
        self.manifest = manifest
        self.tree = tree
        self.have = have
        self.full = False

    def read(self, index: int) -> Sequence[bytes]:
        return [_piece(index, self.manifest.length(index))]

    def at_hand(self, index: int) -> bool:
        return True

    def put(self, index: int, parts: Sequence[bytes], proof: bytes) -> bool:
        if self.full:
            raise OSError(28, "No space left on device", "the disk")
        return self.tree.add(index, leaf(parts), proof)

    def finish(self) -> Path:
        return Path("memory")

    def close(self) -> None:
        """Nothing is held open."""


def _piece(index: int, size: int) -> bytes:
    return index.to_bytes(4, "big") + bytes(size - 4)


def _source(pieces: int, piece_size: int = MIN_PIECE) -> InMemory:
    """A content that is all there."""
    size = pieces * piece_size - 5
    draft = Manifest("content", piece_size, (File((), size),), bytes(32))
    tree = Tree.build([leaf([_piece(index, draft.length(index))]) for index in range(pieces)])
    return InMemory(Manifest("content", piece_size, (File((), size),), tree.root), tree, (1 << pieces) - 1)


def _sink(manifest: Manifest) -> InMemory:
    """The same, with nothing there yet."""
    return InMemory(manifest, Tree(manifest.count, manifest.root), 0)


async def _until(condition: Callable[[], object]) -> None:
    with fail_after(120):
        while not condition():  # noqa: ASYNC110 - there is no event for most of them
            await sleep(0.01)


@pytest.fixture
def memory() -> SimpleNamespace:
    """`source(pieces)` and `sink(manifest)`: contents in memory; `until(condition)`: waits for something."""
    return SimpleNamespace(source=_source, sink=_sink, until=_until)
