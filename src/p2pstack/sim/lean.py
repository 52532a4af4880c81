"""What a thousand hosts in one process would pay a thousand times.

====================  ================================================================================================
`LeanEvent`           anyio's event makes two of asyncio's, each with a deque: half a kilobyte for most things that wait
`collect_seldom`      the garbage collector looks at all objects when a quarter of them is new, and at the young ones
                      each time there are 700 more: with gigabytes of hosts that is half of the time
`collect_later`       what is made to set up a large network stays: the garbage collector need not look at it
`work_once`           what follows from its arguments alone, and many nodes would work out each for itself: a signature
                      holds for all; a secret of two is the same for both; bytes mean to all the same
====================  ================================================================================================
"""

import gc
from asyncio import Future, get_running_loop
from collections.abc import Callable, Generator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Self

from anyio import Event, EventStatistics
from anyio.lowlevel import checkpoint

from p2pstack.identity import ed25519
from p2pstack.pubsub import codec
from p2pstack.pubsub.codec import MAX_ELEMENTS
from p2pstack.pubsub.rpc import RPC
from p2pstack.security.noise import backend

__all__ = ["LeanEvent", "collect_later", "collect_seldom", "work_once"]

#: objects made, less those gone, between two collections of the young ones
_YOUNG = 100_000
#: signatures that are remembered
_REMEMBERED = 65_536
#: X25519 keys that are, and secrets whose other end has not asked
_KEYS = 16_384
#: bytes of decoded messages
_DECODED = 8 << 20


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
def collect_later() -> Generator[Callable[[], None]]:
    """Inside, no garbage is looked for until what is given is called, nor is it later among what there is then. Saves a
    fifth of the time that a network takes to be set up, and takes a tenth more of memory."""
    enabled = gc.isenabled()
    gc.disable()

    def settled() -> None:
        gc.freeze()
        if enabled:
            gc.enable()

    try:
        yield settled
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()


@contextmanager
def work_once() -> Generator[None]:
    """Inside, an Ed25519 signature that was found valid is not verified again, an X25519 exchange is made for one of
    its ends only, and messages of pubsub are decoded once for all. What comes of it is the same."""
    with _verify_once(), _exchange_once(), _decode_once():
        yield


@contextmanager
def _verify_once() -> Generator[None]:
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


@contextmanager
def _exchange_once() -> Generator[None]:
    """An exchange of X25519 gives both ends the same: the second one takes what the first one found."""
    multiply, multiply_base = backend.crypto_scalarmult, backend.crypto_scalarmult_base
    publics: dict[bytes, bytes] = {}  # by private key
    secrets: dict[tuple[bytes, bytes], bytes] = {}  # that the other end has still to ask for

    def public(private: bytes) -> bytes:
        if len(publics) >= _KEYS:
            del publics[next(iter(publics))]
        publics[private] = made = multiply_base(private)
        return made

    def secret(private: bytes, theirs: bytes) -> bytes:
        ours = publics.pop(private, None)
        if ours is None:
            return multiply(private, theirs)
        publics[private] = ours  # among the last to be forgotten
        pair = (ours, theirs) if ours < theirs else (theirs, ours)
        found = secrets.pop(pair, None)
        if found is None:
            if len(secrets) >= _KEYS:
                del secrets[next(iter(secrets))]
            found = secrets[pair] = multiply(private, theirs)
        return found

    backend.crypto_scalarmult, backend.crypto_scalarmult_base = secret, public
    try:
        yield
    finally:
        backend.crypto_scalarmult, backend.crypto_scalarmult_base = multiply, multiply_base


@contextmanager
def _decode_once() -> Generator[None]:
    """An RPC that holds messages alone is the same for whoever gets it."""
    decode = codec.decode
    known: dict[bytes, RPC] = {}
    size = 0

    def decode_unless_known(payload: bytes, *, max_elements: int = MAX_ELEMENTS) -> RPC:
        nonlocal size
        if max_elements != MAX_ELEMENTS:
            return decode(payload, max_elements=max_elements)
        rpc = known.get(payload)
        if rpc is None:
            rpc = decode(payload)
            if rpc.messages and rpc == RPC(messages=rpc.messages):
                known[payload] = rpc
                size += len(payload)
                while size > _DECODED:
                    oldest = next(iter(known))
                    del known[oldest]
                    size -= len(oldest)
        return rpc

    codec.decode = decode_unless_known
    try:
        yield
    finally:
        codec.decode = decode
