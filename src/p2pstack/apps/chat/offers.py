"""Files by link: `/file PATH` runs `p2pstack share PATH --json` beside the chat, and says the link that it prints.

Applications know nothing of each other's insides; what one prints for programs, another may read.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE

from anyio import EndOfStream, create_task_group, fail_after, open_process, sleep_forever
from anyio.abc import TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream

from p2pstack import LimitExceeded, LocalProtocolError

__all__ = ["Offers"]

#: files offered at a time, each by a process
MAX_OFFERS = 8
#: bytes of what is printed until there is a link
_MAX_LINE = 65_536
#: seconds until there is one: large files are read once for it
_DEADLINE = 600.0
#: `p2pstack share`; not for longer than we run
_SHARE = (sys.executable, "-m", "p2pstack.apps.chat.until_input_ends", "p2pstack", "share")


class Offers:
    """Files that are offered, for as long as `run` runs.

    :param program: what is run, with the path and `--json` behind it; it has to end when its standard input does
    """

    def __init__(self, program: Sequence[str] = _SHARE) -> None:
        self._program = program
        self._running = 0
        self._tasks = create_task_group()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Keep what is offered there, until cancelled."""
        async with self._tasks:
            task_status.started()
            await sleep_forever()  # offers come and go

    async def offer(self, path: str) -> str:
        """The link to a file or folder.

        :raises LocalProtocolError: it cannot be offered
        :raises LimitExceeded: so many are already
        """
        found = _existing(path)
        if self._running >= MAX_OFFERS:
            raise LimitExceeded("files offered", limit=MAX_OFFERS, used=self._running)
        with fail_after(_DEADLINE):
            link = await self._tasks.start(self._share, found)
        if link is None:
            raise LocalProtocolError(f"{path}: `p2pstack share` ended without a link")
        return link

    async def _share(self, path: str, *, task_status: TaskStatus[str | None]) -> None:
        self._running += 1
        try:
            arguments = [*self._program, path, "--json"]
            async with await open_process(arguments, stdin=PIPE, stderr=DEVNULL) as process:
                assert process.stdout is not None  # it is a pipe
                lines = BufferedByteReceiveStream(process.stdout)
                link = None
                while link is None:
                    link = json.loads(await lines.receive_until(b"\n", _MAX_LINE)).get("link")
                task_status.started(link)
                async for _ in lines:
                    pass  # what else it prints
        except (EndOfStream, ValueError):
            task_status.started(None)
        finally:
            self._running -= 1


def _existing(path: str) -> str:
    found = Path(path).expanduser()
    if not found.exists():
        raise LocalProtocolError(f"{path}: no such file or folder")
    return str(found)
