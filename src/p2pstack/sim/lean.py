"""What a thousand hosts in one process would pay a thousand times.

====================  ================================================================================================
`LeanEvent`           anyio's event makes two of asyncio's, each with a deque: half a kilobyte for most things that wait
`collect_seldom`      the garbage collector looks at all objects when a quarter of them is new, and at the young ones
                      each time there are 700 more: with gigabytes of hosts that is half of the time
`verify_once`         what one node has verified holds for all: a signature is a function of its arguments
====================  ================================================================================================
"""

import gc
from asyncio import Future, get_running_loop
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Self

from anyio import Event, EventStatistics
from anyio.lowlevel import checkpoint

from p2pstack.identity import ed25519

__all__ = ["LeanEvent", "collect_seldom", "verify_once"]

#: objects made, less those gone, between two collections of the young ones
_YOUNG = 100_000
#: signatures that are remembered
_REMEMBERED = 65_536


class LeanEvent(Event):
    """anyio's event, for asyncio only."""

    __slots__ = ("_is_set", "_waiters")

    _is_set: bool
    _waiters: list[Future[None]] | None

    def __new__(cls) -> Self:
        # Not in `__init__`, which runs again when `Event()` has come here.
        self = object.__new__(cls)
        self._is_set = False
        self._waiters = None
        return self

    def set(self) -> None:
        if not self._is_set:
            self._is_set = True
            for waiter in self._waiters or ():
                if not waiter.done():
                    waiter.set_result(None)

    def is_set(self) -> bool:
        return self._is_set

    async def wait(self) -> None:
        if self._is_set:
            await checkpoint()
            return
        waiter = get_running_loop().create_future()
        if self._waiters is None:
            self._waiters = [waiter]
        else:
            self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)

    def statistics(self) -> EventStatistics:
        return EventStatistics(len(self._waiters or ()))


@contextmanager
def collect_seldom() -> Generator[None]:
    """Inside, garbage is looked for less often."""
    thresholds = gc.get_threshold()
    gc.set_threshold(max(_YOUNG, thresholds[0]), *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


@contextmanager
def verify_once() -> Generator[None]:
    """Inside, an Ed25519 signature that was found valid is not verified again."""
    verify = ed25519.crypto_sign_open
    valid: dict[bytes, None] = {}

    def verify_unless_known(signed: bytes, key: bytes) -> bytes:
        known = key + blake2b(signed, digest_size=32).digest()
        if known in valid:
            return signed[64:]
        opened = verify(signed, key)
        if len(valid) >= _REMEMBERED:
            del valid[next(iter(valid))]
        valid[known] = None
        return opened

    ed25519.crypto_sign_open = verify_unless_known
    try:
        yield
    finally:
        ed25519.crypto_sign_open = verify
