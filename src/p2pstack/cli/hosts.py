"""The host that a command talks through."""

from collections.abc import Sequence
from pathlib import Path

from p2pstack.abc.service import Service
from p2pstack.cli.keys import read
from p2pstack.host import Host

__all__ = ["make_host"]


def make_host(key_file: Path | None = None, *, listen: Sequence[str] = (), services: Sequence[Service] = ()) -> Host:
    """A host with the default parts, not yet running.

    :param key_file: its identity; a new one where there is none
    :param services: to run beside identify and ping
    :raises LocalProtocolError: the file holds no key
    """
    return Host(key=None if key_file is None else read(key_file), listen=listen, services=services)
