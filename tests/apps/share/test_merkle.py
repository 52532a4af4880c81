"""The tree of hashes."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from p2pstack.apps.share.merkle import HASH, Tree, leaf, root_of

PIECES = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


def built(pieces: list[bytes]) -> Tree:
    return Tree.build([leaf([piece]) for piece in pieces])


@given(PIECES)
def test_every_piece_is_proved_and_no_other_passes_for_it(pieces: list[bytes]) -> None:
    tree = built(pieces)
    for index, piece in enumerate(pieces):
        proof = tree.proof(index)
        assert len(proof) == tree.depth * HASH
        assert root_of(index, leaf([piece]), proof) == tree.root
        assert root_of(index, leaf([piece + b"!"]), proof) != tree.root


@given(PIECES, st.data())
def test_a_proof_that_is_not_whole_proves_nothing(pieces: list[bytes], data: st.DataObject) -> None:
    tree = built(pieces)
    index = data.draw(st.integers(0, len(pieces) - 1))
    proof = bytearray(tree.proof(index))
    learner = Tree(len(pieces), tree.root)
    if proof:
        proof[data.draw(st.integers(0, len(proof) - 1))] ^= 1
    else:
        proof += b"!"
    assert not learner.add(index, leaf([pieces[index]]), bytes(proof))
    assert not learner.add(index, leaf([pieces[index]]), bytes(tree.proof(index) + bytes(HASH)))


@given(PIECES, st.data())
def test_what_has_learnt_a_piece_can_prove_it_to_others(pieces: list[bytes], data: st.DataObject) -> None:
    tree = built(pieces)
    learner = Tree(len(pieces), tree.root)
    known = data.draw(st.sets(st.integers(0, len(pieces) - 1)))
    for index in known:
        assert learner.add(index, leaf([pieces[index]]), tree.proof(index))
    for index in known:
        assert learner.proof(index) == tree.proof(index)


def test_the_hashes_are_those_of_rfc_9162() -> None:
    one, two = sha256(b"\0a").digest(), sha256(b"\0b").digest()
    assert leaf([b"a"]) == one
    assert built([b"a", b"b"]).root == sha256(b"\1" + one + two).digest()


def test_a_node_does_not_pass_for_a_piece() -> None:
    pieces = [b"a", b"b", b"c", b"d"]
    tree = built(pieces)
    inner = leaf([b"a"]) + leaf([b"b"])
    assert root_of(0, leaf([inner]), tree.proof(0)[HASH:]) != tree.root


def test_parts_make_the_same_hash_as_the_whole() -> None:
    assert leaf([b"ab", b"", b"c"]) == leaf([b"abc"])
