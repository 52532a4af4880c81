"""Where applications keep their files, and how a file is replaced so that a crash leaves the old one or the new one."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from platformdirs import user_data_path

from p2pstack import PrivateKey

__all__ = ["data_folder", "identity", "replace_file"]


def data_folder(app: str) -> Path:
    """Where an application keeps its files unless it is told otherwise: where the system wants them. Not made yet."""
    return user_data_path("p2pstack", appauthor=False) / app


def replace_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a whole file, durably: after a crash at any moment there is what was there before, or `data`.

    :param private: only its owner may read it
    :raises OSError: no room, no permission
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if not private:
                os.fchmod(file.fileno(), 0o644)
            os.replace(file.name, path)  # noqa: PTH105
        except BaseException:
            with suppress(OSError):
                os.unlink(file.name)  # noqa: PTH108
            raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def identity(folder: Path) -> PrivateKey:
    """The key that a node has kept in `folder`; made at the first time.

    :raises LocalProtocolError: the file holds no key
    """
    path = folder / "identity.key"
    with suppress(FileNotFoundError):
        return PrivateKey.from_protobuf(path.read_bytes())
    key = PrivateKey.generate()
    replace_file(path, key.to_protobuf(), private=True)
    return key
