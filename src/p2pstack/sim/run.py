"""A program in virtual time."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Literal, TypeVar

import anyio

from p2pstack.errors import LocalProtocolError
from p2pstack.sim.loop import VirtualTimeLoop

__all__ = ["run"]

T = TypeVar("T")


def run(
    main: Callable[..., Awaitable[T]],
    *args: object,
    backend: Literal["asyncio", "trio"] = "asyncio",
    seed: int = 0,
    start: float = 0.0,
) -> T:
    """Run `main(*args)` as `anyio.run` does, in virtual time: a sleep takes none of the world's.

    :param backend: "asyncio" (on `VirtualTimeLoop`), or "trio", with its own clock for tests
    :param seed: of the order in which trio runs tasks that are ready together; asyncio has one of its own
    :param start: what the clock shows first, in seconds
    :raises Deadlock: everything waits, and nothing is left to happen: the text says which task waits where
    """
    if backend == "asyncio":
        options = {"loop_factory": partial(VirtualTimeLoop, start=start)}
        return anyio.run(main, *args, backend="asyncio", backend_options=options)
    if backend == "trio":
        from p2pstack.sim.trio_backend import trio_options

        with trio_options(seed=seed, start=start) as options:
            return anyio.run(main, *args, backend="trio", backend_options=options)
    raise LocalProtocolError(f'expected "asyncio" or "trio" as backend, got {backend!r}')
