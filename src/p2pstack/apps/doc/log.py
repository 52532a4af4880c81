"""The file that a document is kept in: what it was told, in the order it was told.

A file is a row of records, each behind its length and its CRC-32 (both 4 bytes, big-endian). The first one says what
the file is, as MessagePack; each of the others is an update. What is written is added at the end, so that a crash at
any moment costs at most a record that nobody has been told is kept: `Log` cuts a last record that is not whole. When
the file has grown to many times what the document takes, it is replaced by one with a single update, at once or not at
all.
"""

import os
from collections.abc import Sequence
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from struct import Struct as Layout
from typing import Self
from zlib import crc32

import msgspec

from p2pstack import LocalProtocolError
from p2pstack.apps.storage import replace_file

__all__ = ["Log"]

_FORMAT = "p2pstack document"
_VERSION = 1
_HEAD = Layout("!II")
#: bytes of one record; a whole document fits
_MAX_RECORD = 8 << 20
#: a file is written anew when it is so many times as large as its document, and larger than this
_GROWTH = 4
_SMALL = 1 << 18


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    """What the first record says."""

    name: str
    format: str = _FORMAT
    version: int = _VERSION


class Log:
    """The file of a document: `with Log(folder, name) as log:`. No other process can have it meanwhile.

    :param folder: made where it is not there
    :raises LocalProtocolError: another process has it, or the file is no document's, or another one's
    :raises OSError: it cannot be read or written
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / "document.log"
        self._header = msgspec.msgpack.encode(_Header(name=name))
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            flock(self._lock, LOCK_EX | LOCK_NB)
            #: what it was told before
            self.updates: Sequence[bytes] = self._read(name)
        except BlockingIOError:
            os.close(self._lock)
            raise LocalProtocolError(f"the document {name} is open in another process: {folder} is in use") from None
        except BaseException:
            os.close(self._lock)
            raise
        #: bytes that were cut off at the end, of a record that was not whole
        self.cut = self._open()

    def _read(self, name: str) -> Sequence[bytes]:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b""
        if not data:
            replace_file(self.path, _record(self._header))
            data = _record(self._header)
        records, self._end = _whole_records(data)
        try:
            header = msgspec.msgpack.decode(records[0], type=_Header)
        except (IndexError, msgspec.MsgspecError):
            raise LocalProtocolError(f"{self.path} is not the file of a document") from None
        if (header.format, header.version) != (_FORMAT, _VERSION):
            raise LocalProtocolError(f"{self.path}: expected version {_VERSION} of a {_FORMAT}, got {header}")
        if header.name != name:
            raise LocalProtocolError(f"{self.path}: expected the document {name}, found {header.name}")
        return records[1:]

    def _open(self) -> int:
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        cut = os.fstat(self._file).st_size - self._end
        os.ftruncate(self._file, self._end)
        return cut

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._end

    def add(self, updates: Sequence[bytes]) -> None:
        """Keep updates. When this returns they survive even where the power fails.

        :raises OSError: no room
        """
        data = memoryview(b"".join(map(_record, updates)))
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            os.fdatasync(self._file)
        except OSError as error:
            os.ftruncate(self._file, self._end)
            error.filename = str(self.path)
            raise
        self._end += len(data)

    def outgrown(self, size: int) -> bool:
        """Whether the file is worth writing anew, where the document takes so many bytes."""
        return self._end > max(_SMALL, _GROWTH * size)

    def replace(self, update: bytes) -> None:
        """Keep this one update in place of all that were added.

        :raises OSError: no room; all is then as before
        """
        data = _record(self._header) + _record(update)
        replace_file(self.path, data)
        os.close(self._file)
        self._end = len(data)
        self._open()

    def close(self) -> None:
        """Let others have it."""
        os.close(self._file)
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _record(data: bytes) -> bytes:
    return _HEAD.pack(len(data), crc32(data)) + data


def _whole_records(data: bytes) -> tuple[list[bytes], int]:
    """The records up to the first that is not whole, and where they end."""
    records, at = list[bytes](), 0
    while at + _HEAD.size <= len(data):
        size, checksum = _HEAD.unpack_from(data, at)
        record = data[at + _HEAD.size : at + _HEAD.size + size]
        if size > _MAX_RECORD or len(record) < size or crc32(record) != checksum:
            break
        records.append(record)
        at += _HEAD.size + size
    return records, at
