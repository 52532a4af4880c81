"""The tree of hashes that every piece is held against: with its root alone, any piece can be told from a false one.

A leaf is the hash of a piece, a node that of its two children; where the pieces are no power of two, leaves of zeros
fill up. Leaves and nodes are hashed behind different bytes, so that none passes for the other (as in RFC 9162, 2.1.1).
A *proof* is what it takes to get from a leaf to the root: the sibling at each level, from below.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

__all__ = ["HASH", "Tree", "leaf", "root_of"]

#: bytes of a hash
HASH = 32
_LEAF, _NODE = b"\0", b"\1"
_NOTHING = bytes(HASH)


def leaf(piece: Iterable[bytes | memoryview]) -> bytes:
    """The hash of a piece, which is given in parts."""
    state = sha256(_LEAF)
    for part in piece:
        state.update(part)
    return state.digest()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()


def root_of(index: int, digest: bytes, proof: bytes) -> bytes:
    """The root that a proof leads to, from the leaf with number `index`."""
    for start in range(0, len(proof), HASH):
        sibling = proof[start : start + HASH]
        digest = _node(sibling, digest) if index & 1 else _node(digest, sibling)
        index >>= 1
    return digest


class Tree:
    """A tree of which all or some is known: whoever has a piece and its proof can prove it to others.

    :param count: pieces
    :param root: what all proofs have to lead to
    """

    __slots__ = ("_nodes", "_width", "depth", "root")

    def __init__(self, count: int, root: bytes) -> None:
        self.root = root
        #: hashes in a proof
        self.depth = max(count - 1, 0).bit_length()
        self._width = 1 << self.depth
        self._nodes = bytearray(2 * self._width * HASH)  # the children of node n are 2n and 2n + 1; the root is 1

    @classmethod
    def build(cls, leaves: Sequence[bytes]) -> "Tree":
        """The whole tree over some leaves."""
        tree = cls(len(leaves), _NOTHING)
        for index, digest in enumerate(leaves):
            tree._set(tree._width + index, digest)
        for node in range(tree._width - 1, 0, -1):
            tree._set(node, _node(tree._get(2 * node), tree._get(2 * node + 1)))
        tree.root = tree._get(1)
        return tree

    def add(self, index: int, digest: bytes, proof: bytes) -> bool:
        """Learn a leaf by its proof. False, and nothing is learnt, where that does not lead to the root."""
        if len(proof) != self.depth * HASH or root_of(index, digest, proof) != self.root:
            return False
        node = self._width + index
        self._set(node, digest)
        for start in range(0, len(proof), HASH):
            self._set(node ^ 1, proof[start : start + HASH])
            node >>= 1
        return True

    def proof(self, index: int) -> bytes:
        """The proof of a leaf that is known."""
        node = self._width + index
        siblings = bytearray()
        for _ in range(self.depth):
            siblings += self._get(node ^ 1)
            node >>= 1
        return bytes(siblings)

    def _get(self, node: int) -> bytes:
        return bytes(self._nodes[node * HASH : (node + 1) * HASH])

    def _set(self, node: int, digest: bytes) -> None:
        self._nodes[node * HASH : (node + 1) * HASH] = digest
