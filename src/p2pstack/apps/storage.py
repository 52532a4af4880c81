"""Where applications keep their files, and how a file is replaced so that a crash leaves the old one or the new one."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from platformdirs import user_data_path

from p2pstack import LocalProtocolError, P2PError, PrivateKey

__all__ = ["data_folder", "identity", "keep_first", "replace_file"]


def data_folder(app: str) -> Path:
    """Where an application keeps its files unless it is told otherwise: where the system wants them. Not made yet."""
    return user_data_path("p2pstack", appauthor=False) / app


def replace_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a whole file, durably: after a crash at any moment there is what was there before, or `data`.

    :param private: only its owner may read it
    :raises OSError: no room, no permission
    """
    _write(path, data, os.replace, private=private)


def keep_first(path: Path, make: Callable[[], bytes]) -> bytes:
    """What is in a private file. Where there is none it is made; of several programs that do so at once one is the
    first, and all get what it wrote."""
    while True:
        with suppress(FileNotFoundError):
            return path.read_bytes()
        with suppress(FileExistsError):
            _write(path, make(), os.link, private=True)


def _write(path: Path, data: bytes, place: Callable[[str, Path], None], *, private: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            if not private:
                os.fchmod(file.fileno(), 0o644)
            place(file.name, path)
        finally:
            with suppress(OSError):
                os.unlink(file.name)  # noqa: PTH108 - where it has not been moved
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
    data = keep_first(path, lambda: PrivateKey.generate().to_protobuf())
    try:
        return PrivateKey.from_protobuf(data)
    except P2PError as error:
        raise LocalProtocolError(f"{path} holds no key: {error}") from None
