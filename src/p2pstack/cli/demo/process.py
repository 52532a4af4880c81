"""A host of the demo as the director has it: a process that takes orders and tells what it does."""

import json
import sys
from importlib.util import find_spec
from typing import Any, Self

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from p2pstack.cli.run import Backend, Failed

__all__ = ["Member"]

#: how long a line may be that it prints
_MAX_LINE = 1 << 20


class Member:
    """A host in a process of its own. Leave it by the process's own context manager."""

    def __init__(self, name: str, backend: Backend, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.name = name
        self.backend = backend
        self.process = process
        #: who it is and where, once it has said so
        self.peer: dict[str, Any] = {}
        self._orders = process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)

    @classmethod
    async def start(cls, name: str, index: int, *, file_bytes: int) -> Self:
        """Start the process; it then says who it is. The event loops there are take turns."""
        backends = [kind for kind in Backend if kind is Backend.ASYNCIO or find_spec(kind.value) is not None]
        backend = backends[index % len(backends)]
        command = [sys.executable, "-m", "p2pstack.cli.demo.member", str(file_bytes), backend.value]
        # A terminal's ctrl-c is not for them: one that is only about to start would say so in a traceback.
        return cls(name, backend, await anyio.open_process(command, stderr=None, start_new_session=True))

    async def event(self) -> dict[str, Any]:
        """The next thing it tells.

        :raises Failed: the process has ended, or has failed at something
        """
        try:
            event = json.loads(await self._lines.receive_until(b"\n", _MAX_LINE))
        except (anyio.EndOfStream, anyio.IncompleteRead):
            code = await self.process.wait()
            raise Failed(f"{self.name} ended too early, with exit code {code}") from None
        if event["event"] == "failed":
            raise Failed(f"{self.name} could not do with {event['to']} what it was to: {event['error']}")
        return event

    async def order(self, **order: Any) -> None:
        """Tell it what to do."""
        await self._orders.send(json.dumps(order).encode() + b"\n")

    async def end(self) -> None:
        """Let it end, as it does when it has no more orders to wait for.

        :raises Failed: it did not end in order
        """
        await self._orders.aclose()
        if code := await self.process.wait():
            raise Failed(f"{self.name} did not end in order: exit code {code}")
