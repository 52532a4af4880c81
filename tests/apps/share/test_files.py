"""Contents on disk."""

import os
from errno import ENOSPC
from pathlib import Path

import pytest

from p2pstack import LocalProtocolError
from p2pstack.apps.share import files
from p2pstack.apps.share.files import Fetched, Files, open_for, scan
from p2pstack.apps.share.manifest import MIN_PIECE, File, Manifest
from p2pstack.apps.share.merkle import Tree, leaf

PIECE = 1 << 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to be shared: several files, one of them empty, and links that lead elsewhere."""
    (tmp_path / "secret").write_text("secret")
    top = tmp_path / "top"
    (top / "b").mkdir(parents=True)
    (top / "b" / "large").write_bytes(os.urandom(3 * PIECE + 17))
    (top / "a").write_bytes(b"small")
    (top / "empty").write_bytes(b"")
    (top / "link").symlink_to(tmp_path / "secret")
    (top / "links").symlink_to(tmp_path)
    return top


def copy(source: Files, target: Fetched, *indices: int) -> None:
    for index in indices or range(source.manifest.count):
        assert target.put(index, source.read(index), source.tree.proof(index))


def contents(top: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(top)): path.read_bytes()
        for path in top.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def test_a_folder_arrives_as_it_was_without_what_links_lead_to(folder: Path, tmp_path: Path) -> None:
    source = scan([folder])
    assert [file.path for file in source.manifest.files] == [("a",), ("b", "large"), ("empty",)]
    assert source.finish() == folder
    target = Fetched(source.manifest, tmp_path / "out")
    copy(source, target)
    path = target.finish()
    assert path == tmp_path / "out" / "top"
    assert contents(path) == contents(folder)
    assert list((tmp_path / "out").iterdir()) == [path]
    assert target.read(0) == source.read(0)  # it is served from there from now on


def test_files_of_several_places_become_one_content(folder: Path, tmp_path: Path) -> None:
    source = scan([folder / "b", folder / "a"], name="mine")
    assert source.manifest.name == "mine"
    assert [file.path for file in source.manifest.files] == [("a",), ("b", "large")]
    assert scan([folder / "a"]).finish() == folder / "a"


def test_what_cannot_be_shared_says_so(tmp_path: Path) -> None:
    with pytest.raises(LocalProtocolError, match="0 files"):
        scan([tmp_path])
    with pytest.raises(FileNotFoundError):
        scan([tmp_path / "nothing"])
    (tmp_path / "file").write_bytes(b"x")
    for name in ("../file", "\udcff"):
        with pytest.raises(LocalProtocolError, match="the name"):
            scan([tmp_path / "file"], name=name)


def test_a_file_whose_name_is_no_text_cannot_be_shared_and_the_reason_can_be_printed(tmp_path: Path) -> None:
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    try:
        strange.write_bytes(b"x")
    except OSError:
        pytest.skip("a file system that has only text for names")
    for path in (strange, tmp_path):
        with pytest.raises(LocalProtocolError, match=r"cannot be shared: .*\\udcff") as refused:
            scan([path])
        assert str(refused.value).encode()


def test_an_empty_file_is_a_content(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    source = scan([tmp_path / "empty"])
    assert source.manifest.count == source.have == 0
    assert Fetched(source.manifest, tmp_path / "out").finish().read_bytes() == b""


def test_a_bad_piece_is_not_kept(folder: Path, tmp_path: Path) -> None:
    source = scan([folder])
    target = Fetched(source.manifest, tmp_path / "out")
    piece, proof = b"".join(source.read(0)), source.tree.proof(0)
    assert not target.put(0, [piece[:-1], b"!"], proof)
    assert not target.put(1, [piece], proof)
    assert not target.put(0, [piece], proof[:-32])
    assert not any(os.path.getsize(path) and path.stat().st_blocks for path in target.paths)


def test_a_fetch_that_was_killed_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    source = scan([folder])
    first = Fetched(source.manifest, tmp_path / "out")
    copy(source, first, 0, 2)
    first.close()
    journal = next((tmp_path / "out").glob(".p2pstack-*/journal"))
    with journal.open("ab") as file:
        file.write(b"half a li")
    told: list[int] = []
    second = Fetched(source.manifest, tmp_path / "out", progress=told.append)
    assert second.have == 0b101
    assert told == [PIECE, 2 * PIECE]
    copy(source, second, 1, 3)
    assert contents(second.finish()) == contents(folder)


def test_what_the_journal_says_and_the_files_do_not_hold_is_not_believed(folder: Path, tmp_path: Path) -> None:
    source = scan([folder])
    first = Fetched(source.manifest, tmp_path / "out")
    copy(source, first, 0, 1)
    first.close()
    large = next(path for path in first.paths if path.name == "large")
    with large.open("r+b") as file:
        file.seek(PIECE + 99)
        file.write(b"rot")
    second = Fetched(source.manifest, tmp_path / "out")
    assert second.have == 0b01
    second.close()


@pytest.mark.parametrize("damage", ["lines", "head", "short"])
def test_a_journal_that_is_damaged_costs_no_more_than_fetching_again(folder: Path, tmp_path: Path, damage: str) -> None:
    source = scan([folder])
    first = Fetched(source.manifest, tmp_path / "out")
    copy(source, first, 0, 1)
    first.close()
    journal = next((tmp_path / "out").glob(".p2pstack-*/journal"))
    data = bytearray(journal.read_bytes())
    if damage == "lines":
        data[-100] ^= 1
    elif damage == "head":
        data[3] ^= 1
    else:
        del data[40:]
    journal.write_bytes(data)
    second = Fetched(source.manifest, tmp_path / "out")
    assert second.have == (0b01 if damage == "lines" else 0)
    copy(source, second, 0, 1, 2, 3)
    assert contents(second.finish()) == contents(folder)


def test_two_do_not_fetch_to_the_same_place(folder: Path, tmp_path: Path) -> None:
    manifest = scan([folder]).manifest
    first = Fetched(manifest, tmp_path / "out")
    with pytest.raises(BlockingIOError, match="another process"):
        Fetched(manifest, tmp_path / "out")
    first.close()
    Fetched(manifest, tmp_path / "out").close()


@pytest.mark.parametrize("leads_nowhere", [False, True])
def test_what_is_there_already_is_not_overwritten(folder: Path, tmp_path: Path, leads_nowhere: bool) -> None:
    source = scan([folder / "a"])
    out = tmp_path / "out"
    target = Fetched(source.manifest, out)
    copy(source, target)
    if leads_nowhere:
        (out / "a").symlink_to("nowhere")
    else:
        (out / "a").write_text("mine")
    with pytest.raises(FileExistsError, match="exists already"):
        target.finish()
    target.close()
    with pytest.raises(FileExistsError, match="exists already"):
        open_for(source.manifest, out)
    assert (out / "a").is_symlink() if leads_nowhere else (out / "a").read_text() == "mine"


def test_an_empty_folder_of_that_name_exists_already(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "top").mkdir(parents=True)
    with pytest.raises(FileExistsError, match="exists already"):
        open_for(scan([folder]).manifest, tmp_path / "out")


def test_a_disk_that_gets_full_says_what_it_was_that_had_no_room(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(ENOSPC, "No space left on device")

    source = scan([folder])
    target = Fetched(source.manifest, tmp_path / "out")
    for what in ("pwrite", "write"):  # the file, the journal
        with monkeypatch.context() as patched, pytest.raises(OSError, match=r"No space left .*out/top"):
            patched.setattr(os, what, full)
            copy(source, target, 0)
    target.close()


def test_what_has_been_fetched_before_is_found_to_be_there(folder: Path) -> None:
    manifest = scan([folder]).manifest
    there = open_for(manifest, folder.parent)
    assert there.have.bit_count() == manifest.count
    assert there.finish() == folder
    there.close()
    with pytest.raises(AssertionError):
        there.put(0, [], b"")


def test_a_disk_that_is_too_small_is_seen_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 10

    monkeypatch.setattr(files, "disk_usage", lambda path: Usage)  # pyright: ignore
    with pytest.raises(OSError, match=r"no room for .*: 11 bytes needed, 10 free"):
        Fetched(Manifest("it", MIN_PIECE, (File((), 11),), bytes(32)), tmp_path)


def test_a_file_that_changes_while_it_is_shared_is_not_served(folder: Path) -> None:
    source = scan([folder / "a"])
    (folder / "a").write_bytes(b"SMALL")
    os.utime(folder / "a", ns=(1, 1))
    with pytest.raises(OSError, match="changed while it was shared"):
        source.read(0)
    source = scan([folder / "a"])
    (folder / "a").write_bytes(b"s")
    os.utime(folder / "a", ns=(1, 1))
    with pytest.raises(OSError, match="shorter while it was shared"):
        source.read(0)


def test_what_is_in_memory_is_at_hand_where_the_system_can_tell(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = scan([folder])
    if hasattr(os, "RWF_NOWAIT"):
        assert source.at_hand(0)
        monkeypatch.delattr(os, "RWF_NOWAIT")
    assert not source.at_hand(0)


def test_nothing_is_written_through_a_symbolic_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("as it was")
    tree = Tree.build([leaf([b"evil"])])
    manifest = Manifest("it", MIN_PIECE, (File((), 4),), tree.root)
    target = Fetched(manifest, tmp_path / "out")
    target.paths[0].unlink()
    target.paths[0].symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        target.put(0, [b"evil"], b"")
    target.close()
    assert victim.read_text() == "as it was"
