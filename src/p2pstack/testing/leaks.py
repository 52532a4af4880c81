"""What a test leaves behind: tasks, file descriptors, sockets, streams.

A look before and a look after; what is new is a leak. Tasks that are about to end get a few turns of the event loop to
do so.
"""

import gc
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from types import TracebackType
from typing import Self

from anyio import TaskInfo, get_running_tasks
from anyio.lowlevel import checkpoint

from p2pstack.abc.muxer import MuxedConnection, MuxedStream

__all__ = ["Leak", "LeakCheck", "Leaked"]

#: turns of the event loop for what is about to end
_TURNS = 20
#: where a process finds its file descriptors, as the system has it
_FD_DIRECTORIES = ("/proc/self/fd", "/dev/fd")


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that was left behind."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


class Leaked(AssertionError):
    """Something was left behind. `leaks` says what."""

    def __init__(self, leaks: Iterable[Leak]) -> None:
        self.leaks = tuple(leaks)
        lines = "\n".join(f"  {leak}" for leak in self.leaks)
        super().__init__(f"{len(self.leaks)} thing(s) left behind that were not there before:\n{lines}")


class LeakCheck:
    """`async with LeakCheck():` raises `Leaked` at its end if something was left behind within.

    Nothing is checked where the block ends by an exception, which says more. Can be used without `async with`: make
    one, and ask `await leaks()` later.

    :param streams: whether to look for muxed streams and connections that have not ended: takes some ten milliseconds
    :param descriptors: whether to look for file descriptors, where the system tells them
    """

    def __init__(self, *, streams: bool = True, descriptors: bool = True) -> None:
        self._streams = streams
        self._tasks = {task.id for task in get_running_tasks()}
        self._descriptors = _descriptors() if descriptors else None
        # Held on to, so that none of them lends its identity to another.
        self._open = list(_open_streams()) if streams else []

    async def leaks(self) -> tuple[Leak, ...]:
        """What is there now and was not at the beginning."""
        for _ in range(_TURNS):
            if not self._new_tasks():
                break
            await checkpoint()
        # What is only waiting to be collected still counts as open: nobody closed it.
        known = set(map(id, self._open))
        found = [Leak("task", _describe_task(task)) for task in self._new_tasks()]
        if self._descriptors is not None:
            now = _descriptors()
            for number in sorted(now.keys() - self._descriptors.keys()):
                kind = "socket" if now[number].startswith("socket:") else "file descriptor"
                found.append(Leak(kind, f"{number}, {_describe_descriptor(number, now[number])}"))
        if self._streams:
            found += (Leak(kind, repr(item)) for kind, item in _kinds(_open_streams()) if id(item) not in known)
        return tuple(found)

    async def check(self) -> None:
        """Raise if something was left behind.

        :raises Leaked: it says what
        """
        if leaks := await self.leaks():
            raise Leaked(leaks)

    def _new_tasks(self) -> list[TaskInfo]:
        return [task for task in get_running_tasks() if task.id not in self._tasks and not _runs_tests(task)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            await self.check()


def _runs_tests(task: TaskInfo) -> bool:
    """Whether it is one of those by which anyio's pytest plugin runs tests and fixtures."""
    code = getattr(task.coro, "cr_code", None)
    return code is not None and code.co_qualname.startswith("TestRunner.")


def _describe_task(task: TaskInfo) -> str:
    return f"{task.name or 'without a name'}, {_where(task)}"


def _where(task: TaskInfo) -> str:
    """Where a task waits: the innermost line of its coroutines."""
    place, inner = "", task.coro
    while inner is not None:
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "ag_frame", None) or getattr(inner, "gi_frame", None)
        if frame is not None:
            place = f"at {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
        inner = (
            getattr(inner, "cr_await", None) or getattr(inner, "ag_await", None) or getattr(inner, "gi_yieldfrom", None)
        )
    return place or "at its beginning"


def _descriptors() -> dict[int, str]:
    """What each open file descriptor is of; empty where the system does not tell."""
    directory = next((Path(name) for name in _FD_DIRECTORIES if Path(name).is_dir()), None)
    found: dict[int, str] = {}
    for path in () if directory is None else tuple(directory.iterdir()):
        with suppress(OSError):  # the one that lists them is gone
            os.fstat(int(path.name))
            found[int(path.name)] = str(path.readlink() if path.is_symlink() else path)
    return found


def _describe_descriptor(number: int, target: str) -> str:
    if target.startswith("socket:"):
        with suppress(OSError), socket.socket(fileno=os.dup(number)) as twin:
            local, remote = twin.getsockname(), None
            with suppress(OSError):
                remote = twin.getpeername()
            return f"{twin.family.name} {local} to {remote}" if remote else f"{twin.family.name} {local}"
    return target


def _open_streams() -> Iterable[MuxedStream | MuxedConnection]:
    """All muxed streams and connections of this process that have not ended."""
    kinds = _subclasses(MuxedStream) | _subclasses(MuxedConnection)
    everything = gc.get_objects()  # hundreds of thousands, so no line of Python for each
    for item in compress(everything, map(kinds.__contains__, map(type, everything))):
        if not (item.ended if isinstance(item, MuxedStream) else item.closed):
            yield item


def _kinds(items: Iterable[MuxedStream | MuxedConnection]) -> Iterable[tuple[str, MuxedStream | MuxedConnection]]:
    return (("stream" if isinstance(item, MuxedStream) else "connection", item) for item in items)


def _subclasses(kind: type) -> set[type]:
    return {kind}.union(*map(_subclasses, kind.__subclasses__()))
