"""What a content is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import msgpack

from p2pstack import RemoteProtocolError
from p2pstack.apps.share.manifest import MAX_PIECE, MAX_PIECES, MIN_PIECE, File, Manifest, piece_size_for

PIECE = MIN_PIECE


def manifest(*files: File, name: str = "it", piece_size: int = PIECE, root: bytes = bytes(32)) -> Manifest:
    return Manifest(name, piece_size, files or (File((), 5),), root)


@given(st.lists(st.integers(0, 3 * PIECE), min_size=1, max_size=12))
def test_pieces_cover_every_byte_of_every_file_once(sizes: list[int]) -> None:
    it = manifest(*(File((str(number),), size) for number, size in enumerate(sizes)))
    seen = dict.fromkeys(range(len(sizes)), 0)
    for index in range(it.count):
        extents = list(it.extents(index))
        assert sum(extent.size for extent in extents) == it.length(index)
        for number, offset, size in extents:
            assert offset == seen[number]
            seen[number] += size
    assert list(seen.values()) == sizes


def test_it_is_the_same_after_a_journey() -> None:
    it = manifest(File(("a", "ä"), 3), File(("b",), 0))
    assert Manifest.parse(it.encode()) == it
    assert Manifest.parse(it.encode()).id == it.id


UNSAFE = ["", ".", "..", "a/b", "/etc", "a\\b", "a\0", "x" * 256, "\ud800"]


@pytest.mark.parametrize("name", UNSAFE)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    for it in (manifest(name=name), manifest(File(("fine", name), 1))):
        if wrong := next(it.mistakes(), None):
            assert repr(name)[1:-1] in wrong or name in wrong
        else:
            pytest.fail("it was allowed")


@pytest.mark.parametrize(
    "wrong",
    [
        manifest(File(("a",), 1), File(("a",), 1)),
        manifest(File(("a",), 1), File(("a", "b"), 1)),
        manifest(File((), 1), File(("a",), 1)),
        manifest(File(tuple("a" * 33), 1)),
        manifest(File((), -1)),
        manifest(File((), PIECE * MAX_PIECES + 1)),
        manifest(piece_size=PIECE + 1),
        manifest(piece_size=0),
        manifest(piece_size=2 * MAX_PIECE),
        manifest(root=b"short"),
        Manifest("it", PIECE, (), bytes(32)),
        Manifest("it", PIECE, (File((), 1),), bytes(32), version=2),
    ],
)
def test_what_is_not_allowed_is_refused(wrong: Manifest) -> None:
    with pytest.raises(RemoteProtocolError, match="not allowed"):
        Manifest.parse(wrong.encode())


@pytest.mark.parametrize("data", [b"", b"\xc1", msgpack.encode({"name": 1}), msgpack.encode([1]), b"\x81" * 40])
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="not a manifest"):
        Manifest.parse(data)


def said_otherwise() -> list[bytes]:
    """What means the same as a manifest, in other bytes."""
    it = msgpack.decode(manifest().encode())
    longer = it | {"files": [[*it["files"][0], "more"]]}
    without = {key: value for key, value in it.items() if key != "version"}
    return [msgpack.encode(one) for one in (longer, without, dict(reversed(it.items())))]


@pytest.mark.parametrize("data", said_otherwise())
def test_what_others_would_pass_on_in_other_bytes_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="other bytes"):
        Manifest.parse(data)


@pytest.mark.parametrize("letter", "\x1b\n\t\x7f\x9b")
def test_what_a_terminal_would_obey_is_no_name_but_may_be_a_file_in_a_folder(letter: str) -> None:
    assert "the name" in next(manifest(name=f"a{letter}[2J").mistakes())
    assert not list(manifest(File((f"a{letter}b",), 1), name="photo \u202f \u200d.jpg").mistakes())


@given(st.integers(0, MAX_PIECES * MAX_PIECE))
def test_pieces_are_never_too_many_and_never_too_large(size: int) -> None:
    piece = piece_size_for(size)
    assert MIN_PIECE <= piece <= MAX_PIECE
    assert not piece & (piece - 1)
    assert -(-size // piece) <= MAX_PIECES


def test_a_file_of_many_gigabytes_has_pieces_of_four_megabytes() -> None:
    assert piece_size_for(100 << 20) == 256 << 10
    assert piece_size_for(1 << 30) == 2 << 20
    assert piece_size_for(100 << 30) == 4 << 20
