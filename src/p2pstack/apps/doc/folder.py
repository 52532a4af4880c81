"""Where a document is kept: its log, who we are to those who share it, and the secret of its page's address."""

import re
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe

from p2pstack import PrivateKey
from p2pstack.apps.doc.log import Log
from p2pstack.apps.storage import data_folder, identity, replace_file

__all__ = ["Folder"]


class Folder:
    """The folder of the document `name` in `data`, or where the system wants such things.

    :raises OSError: there is no room, or no permission; so do all methods
    """

    def __init__(self, name: str, data: Path | None = None) -> None:
        readable = re.sub(r"\W+", "-", name, flags=re.ASCII).strip("-")[:40]
        self._name = name
        self.path = (data or data_folder("doc")) / f"{readable}-{sha256(name.encode()).hexdigest()[:8]}"

    def open_log(self) -> Log:
        """Its log.

        :raises LocalProtocolError: another process has the document open
        """
        return Log(self.path, self._name)

    def key(self) -> PrivateKey:
        """Who we are: always the same to those who share this document, and nobody else."""
        return identity(self.path)

    def secret(self) -> str:
        """What makes the address of the page hard to guess. It stays: a page that is open finds its node again."""
        path = self.path / "page.secret"
        with suppress(FileNotFoundError):
            return path.read_text()
        secret = token_urlsafe(16)
        replace_file(path, secret.encode(), private=True)
        return secret
