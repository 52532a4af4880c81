"""The host that a command talks through."""

from collections.abc import Sequence
from pathlib import Path

from p2pstack.cli.keys import read
from p2pstack.host import Host

__all__ = ["make_host"]


def make_host(key_file: Path | None, *, listen: Sequence[str] = ()) -> Host:
    """A host with the default parts, not yet running.

    :param key_file: its identity; a new one where there is none
    :raises LocalProtocolError: the file holds no key
    """
    return Host(key=None if key_file is None else read(key_file), listen=listen)
