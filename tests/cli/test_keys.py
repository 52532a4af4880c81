"""`p2pstack key`."""

import stat
from pathlib import Path
from typing import Any

import pytest

from p2pstack.identity.keys import KeyType, PrivateKey


@pytest.mark.parametrize("key_type", ["ed25519", "secp256k1", "ecdsa", "rsa"])
@pytest.mark.parametrize("form", [[], ["--pem"]], ids=["protobuf", "pem"])
def test_a_new_key_is_its_owners_alone_and_can_be_shown(
    run: Any, tmp_path: Path, key_type: str, form: list[str]
) -> None:
    path = tmp_path / "node.key"
    made = run("key", "new", path, "--type", key_type, "--json", *form)
    assert (made.code, made.err) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shown = run("key", "show", path, "--json")
    assert shown.records == made.records
    (record,) = made.records
    data = path.read_bytes()
    key = PrivateKey.from_pem(data) if form else PrivateKey.from_protobuf(data)
    assert record == {
        "file": str(path),
        "peer_id": str(key.peer_id),
        "key_type": key_type,
        "public_key": key.public_key.to_protobuf().hex(),
    }
    assert key.type is KeyType[key_type.upper()]


def test_a_person_reads_names_and_values(run: Any, tmp_path: Path) -> None:
    made = run("key", "new", tmp_path / "node.key")
    assert made.code == 0
    assert "peer id" in made.out
    assert "12D3KooW" in made.out


def test_a_key_is_not_overwritten_unless_asked(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    (first,) = run("key", "new", path, "--json").records
    refused = run("key", "new", path)
    assert refused.code == 1
    assert "exists already" in refused.complaint
    assert run("key", "show", path, "--json").records == [first]
    forced = run("key", "new", path, "--force", "--json")
    assert forced.code == 0
    assert run("key", "show", path, "--json").records == forced.records != [first]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_key_file_is_named_with_the_command_that_makes_it(run: Any, tmp_path: Path) -> None:
    result = run("key", "show", tmp_path / "none.key")
    assert result.code == 1
    assert f"p2pstack key new {tmp_path / 'none.key'}" in result.complaint


@pytest.mark.parametrize(
    "data", [b"", b"not a key", b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n", bytes(99_999)]
)
def test_a_file_without_a_key_is_refused(run: Any, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "bad.key"
    path.write_bytes(data)
    result = run("key", "show", path)
    assert result.code == 1
    assert "holds no private key" in result.complaint


def test_a_folder_that_is_not_there_is_named(run: Any, tmp_path: Path) -> None:
    result = run("key", "new", tmp_path / "none" / "node.key")
    assert result.code == 1
    assert "none/node.key: No such file or directory" in result.complaint
