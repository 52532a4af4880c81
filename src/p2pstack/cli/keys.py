"""Key files: made, shown, and read for the other commands."""

import os
from pathlib import Path

from p2pstack.cli.output import Output
from p2pstack.errors import LocalProtocolError
from p2pstack.identity.keys import PrivateKey

__all__ = ["new", "read", "show"]

#: no private key is longer: RSA of 8,192 bits in PEM has 6.4 KiB
_MAX_SIZE = 65_536


def new(output: Output, path: Path, *, key_type: str, pem: bool, force: bool) -> None:
    """Write a new key to `path`, readable by its owner only.

    :raises LocalProtocolError: the file exists and `force` is not set
    """
    key = PrivateKey.generate(key_type)
    data = key.to_pem() if pem else key.to_protobuf()
    # A key that is replaced is there until the new one is whole.
    fresh = path.with_name(f"{path.name}.new") if force else path
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise LocalProtocolError(
            f"{fresh} exists already: a key is not overwritten; choose another file, or give --force"
        ) from None
    with open(descriptor, "wb") as file:  # noqa: PTH123
        file.write(data)
    fresh.replace(path)
    _tell(output, path, key)


def show(output: Output, path: Path) -> None:
    """Tell whose key the file holds, without the secret."""
    _tell(output, path, read(path))


def read(path: Path) -> PrivateKey:
    """The key in a file: PEM, or the protobuf message that libp2p stores.

    :raises LocalProtocolError: there is none
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_SIZE + 1)
    except FileNotFoundError:
        raise LocalProtocolError(f"{path}: no such file; make a key with: p2pstack key new {path}") from None
    try:
        if data.lstrip().startswith(b"-----BEGIN"):
            return PrivateKey.from_pem(data)
        return PrivateKey.from_protobuf(data[:_MAX_SIZE])
    except LocalProtocolError as error:
        raise LocalProtocolError(
            f"{path} holds no private key, neither in PEM nor as libp2p stores it: {error}"
        ) from None


def _tell(output: Output, path: Path, key: PrivateKey) -> None:
    facts = {
        "file": str(path),
        "peer_id": str(key.peer_id),
        "key_type": key.type.name.lower(),
        "public_key": key.public_key.to_protobuf().hex(),
    }
    output.record(**facts)
    output.facts(**facts)
