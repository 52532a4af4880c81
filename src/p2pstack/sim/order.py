"""Has anyio do things in the same order each time.

What anyio's asyncio backend cancels together it keeps in sets, which are in the order of the objects' addresses in
memory, and so is the order in which the tasks wake up: another one in each process. While a loop in virtual time runs,
cancel scopes keep what is in them in the order in which it came. A function that would be given to a thread runs there
and then: how long a thread takes is nothing that virtual time knows.
"""

# ruff: noqa: SLF001 - asyncio has no other name for who runs where

import math
import sys
from asyncio import AbstractEventLoop, tasks
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from anyio._backends import _asyncio as backend
from anyio._core import _eventloop

from p2pstack.sim.lean import LeanEvent

__all__ = ["same_order"]


class _OrderedSet(dict[Any, None]):
    """As much of a set as cancel scopes use, in the order in which things were added."""

    __slots__ = ()

    add: Any = cast("Any", dict).setdefault  # without a Python function in between
    remove: Any = cast("Any", dict).__delitem__

    def discard(self, item: object) -> None:
        self.pop(item, None)


class _OrderedCancelScope(backend.CancelScope):
    __slots__ = ()

    def __init__(self, *, deadline: float = math.inf, shield: bool = False) -> None:
        super().__init__(deadline, shield)
        self._child_scopes = cast("Any", _OrderedSet())
        self._tasks = cast("Any", _OrderedSet())


async def _run_here(
    cls: object,
    func: Callable[..., Any],
    args: tuple[Any, ...],
    abandon_on_cancel: bool = False,
    limiter: object = None,
) -> Any:
    await backend.AsyncIOBackend.checkpoint()
    return func(*args)


def _asyncio() -> str:
    """The answer to what anyio asks seven times for each message."""
    return "asyncio"


@contextmanager
def same_order(loop: AbstractEventLoop) -> Generator[None]:
    """Inside, what anyio makes anew on asyncio is ordered.

    :param loop: the event loop that runs
    """
    scope, in_thread = backend.CancelScope, backend.AsyncIOBackend.__dict__["run_sync_in_worker_thread"]
    if scope is _OrderedCancelScope:
        yield
        return
    create_event = backend.AsyncIOBackend.__dict__["create_event"]
    current_time = backend.AsyncIOBackend.__dict__["current_time"]
    backend.CancelScope = _OrderedCancelScope
    which = _eventloop.current_async_library
    backend.AsyncIOBackend.create_event = LeanEvent
    backend.AsyncIOBackend.current_time = loop.time
    _eventloop.current_async_library = _asyncio
    asyncio_backend: Any = backend
    current_task = asyncio_backend.current_task
    if sys.version_info < (3, 12):  # where asyncio's is in Python, and looks for the loop each time
        asyncio_backend.current_task = partial(cast("Any", tasks)._current_tasks.get, loop)
    backend.AsyncIOBackend.run_sync_in_worker_thread = partial(_run_here, backend.AsyncIOBackend)
    try:
        yield
    finally:
        backend.CancelScope = scope
        backend.AsyncIOBackend.create_event = create_event
        backend.AsyncIOBackend.current_time = current_time
        _eventloop.current_async_library = which
        asyncio_backend.current_task = current_task
        backend.AsyncIOBackend.run_sync_in_worker_thread = in_thread
