"""What a service needs of the place where a content is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from p2pstack.apps.share.manifest import Manifest
from p2pstack.apps.share.merkle import Tree

__all__ = ["Store"]


class Store(Protocol):
    """Where a content is. Its methods may block."""

    manifest: Manifest
    tree: Tree
    have: int

    def read(self, index: int) -> Sequence[bytes]:
        """A piece that is here, in parts."""
        ...

    def at_hand(self, index: int) -> bool:
        """Whether reading it does not take long."""
        ...

    def put(self, index: int, parts: Sequence[bytes], proof: bytes) -> bool:
        """Keep a piece if it is right; whether it is."""
        ...

    def finish(self) -> Path:
        """All is here; where."""
        ...

    def close(self) -> None:
        """No piece is put there any more."""
        ...
