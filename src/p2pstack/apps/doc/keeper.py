"""Brings what a document learns to its file: what is written here at once, what others wrote a little later, together.

The work is done in a thread, so that nobody waits for a disk who does not want to.
"""

from collections.abc import Callable, Collection

from anyio import Event, move_on_after, to_thread

from p2pstack import AbstractHost, LimitExceeded, LocalProtocolError, RemoteProtocolError
from p2pstack.apps.doc.document import Document
from p2pstack.apps.doc.log import Log

__all__ = ["Keeper"]

#: seconds until what others wrote is written to disk
_LINGER = 0.25


class Keeper:
    """Keeps a document in a log.

    :param log: None: it is kept nowhere, and counts as saved at once
    :param on_saved: is called whenever something has been saved
    """

    def __init__(self, log: Log | None, *, on_saved: Callable[[], None]) -> None:
        self._log = log
        self._on_saved = on_saved
        self._unsaved: list[bytes] = []
        self._learnt = self._saved = 0
        self._wake, self._hurry, self._progress = Event(), Event(), Event()

    @property
    def saved(self) -> bool:
        """Whether all is on disk."""
        return self._saved == self._learnt

    def open(self, host: AbstractHost) -> Document:
        """The document as it was kept.

        :raises LocalProtocolError: what was kept is none
        """
        kept = Document(0)
        if self._log is None:
            return Document(_unused(host, ()))
        try:
            for update in self._log.updates:
                kept.apply(update)
            document = Document(_unused(host, kept.clocks))
            document.apply(kept.update())
        except (RemoteProtocolError, LimitExceeded) as error:
            raise LocalProtocolError(f"{self._log.path} is damaged: {error}") from None
        return document

    def keep(self, news: bytes, *, hurry: bool) -> None:
        """Have this written."""
        self._learnt += 1
        if self._log is None:
            self._saved += 1
            return
        self._unsaved.append(news)
        self._wake.set()
        if hurry:
            self._hurry.set()

    async def wait(self) -> None:
        """Wait until all that was learnt up to now is on disk."""
        learnt = self._learnt
        while self._saved < learnt:
            await self._progress.wait()

    async def run(self, document: Document) -> None:
        """Write, until cancelled.

        :raises OSError: no room
        """
        log = self._log
        try:
            while log is not None:
                await self._wake.wait()
                with move_on_after(_LINGER):
                    await self._hurry.wait()
                self._wake, self._hurry = Event(), Event()
                batch, self._unsaved = self._unsaved, []
                await to_thread.run_sync(log.add, batch)
                self._count(len(batch))
                if log.outgrown(0) and log.outgrown(len(whole := document.update())):
                    batch, self._unsaved = self._unsaved, []
                    await to_thread.run_sync(log.replace, whole)
                    self._count(len(batch))
        finally:
            if log is not None and self._unsaved:
                log.add(self._unsaved)

    def _count(self, saved: int) -> None:
        self._saved += saved
        progress, self._progress = self._progress, Event()
        progress.set()
        self._on_saved()


def _unused(host: AbstractHost, clients: Collection[int]) -> int:
    """A number to write under that nobody has used, nor have we: not all that we wrote before may be here."""
    while (client_id := host.random.getrandbits(32)) in clients:
        pass
    return client_id
