"""Verifies many signatures at a time, on more than one core.

Verification is nearly all of what a signed message costs, and it does not need the interpreter: so threads scale. What
does not scale is to hand it over: to wait for a thread that the system has not woken yet costs more than a few
signatures. Hence nobody waits for a thread to begin. The caller puts a batch up and works it off, and whichever threads
are awake by then take signatures from the same heap; in the end the caller waits, at most, for the one signature that
each of them has in hand. Without threads, or where all cores are busy, it is as fast as one after the other.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import count
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TypeAlias

from p2pstack.identity.keys import PublicKey

__all__ = ["Signature", "Verifier"]

#: who has signed, what, and the signature
Signature: TypeAlias = tuple[PublicKey, bytes, bytes]


class Verifier:
    """Threads that help whoever verifies, as long as there is a user. Begun when there is a batch for them.

    :param threads: how many: one less than there are cores, as the caller works too; none is fine
    :param threshold: signatures that are worth waking them
    """

    __slots__ = ("_count", "_heaps", "_lock", "_threads", "_threshold", "_users")

    def __init__(self, *, threads: int, threshold: int = 8) -> None:
        self._count = threads
        self._threshold = threshold
        self._heaps: SimpleQueue[_Heap | None] = SimpleQueue()
        self._threads: list[Thread] = []
        self._lock = Lock()
        self._users = 0

    @contextmanager
    def use(self) -> Generator[None]:
        """Have threads inside. The last one to leave waits for them to end, which is for one signature at most."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                threads = () if self._users else tuple(self._threads)
                if threads:
                    self._threads.clear()
            for _ in threads:
                self._heaps.put(None)
            for thread in threads:
                thread.join()

    def verify(self, signatures: Sequence[Signature]) -> Sequence[bool]:
        """Whether each holds. Returns when all are done. In any thread, and in several."""
        if len(signatures) < self._threshold or not (self._threads or self._begin()):
            return [key.verify(data, signature) for key, data, signature in signatures]
        heap = _Heap(signatures)
        for _ in range(self._count):
            self._heaps.put(heap)
        heap.work()
        heap.finish()
        return heap.results

    def _begin(self) -> bool:
        with self._lock:
            while self._users and len(self._threads) < self._count:
                self._threads.append(Thread(target=self._help, name="pubsub verifier", daemon=True))
                self._threads[-1].start()
            return bool(self._threads)

    def _help(self) -> None:
        while (heap := self._heaps.get()) is not None:
            heap.help()


class _Heap:
    """Signatures, and who is at them."""

    __slots__ = ("_done", "_finished", "_helpers", "_lock", "_next", "_signatures", "results")

    def __init__(self, signatures: Sequence[Signature]) -> None:
        self._signatures = signatures
        self._next = count()
        self._lock = Lock()
        self._helpers = 0
        self._finished = False
        self._done = Lock()
        self._done.acquire()
        self.results = [False] * len(signatures)

    def work(self) -> None:
        """Take signatures until there are none."""
        signatures, results = self._signatures, self.results
        # One counter for all threads: no two of them get the same number.
        for index in self._next:
            if index >= len(signatures):
                return
            key, data, signature = signatures[index]
            results[index] = key.verify(data, signature)

    def help(self) -> None:
        """Work beside the caller, unless that has finished meanwhile."""
        with self._lock:
            if self._finished:
                return
            self._helpers += 1
        try:
            self.work()
        finally:
            with self._lock:
                self._helpers -= 1
                last = self._finished and not self._helpers
            if last:
                self._done.release()

    def finish(self) -> None:
        """Wait for those who still work; nobody else begins."""
        with self._lock:
            self._finished = True
            busy = self._helpers
        if busy:
            self._done.acquire()
