"""Signatures verified on several cores."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.pubsub.verifier import Signature, Verifier

KEY = PrivateKey.generate()
DATA = b"libp2p-pubsub:"
GOOD: Signature = (KEY.public_key, DATA, KEY.sign(DATA))
BAD: Signature = (KEY.public_key, DATA, bytes(64))


def helpers() -> int:
    return sum(thread.name == "pubsub verifier" for thread in threading.enumerate())


@pytest.fixture(autouse=True)
def no_threads_are_left() -> Iterator[None]:
    before = helpers()
    yield
    assert helpers() == before


class Slow(PublicKey):
    """A key that takes its time: until another thread verifies with it too."""

    def __init__(self, barrier: threading.Barrier) -> None:
        super().__init__(b"slow")
        self.barrier = barrier
        self.threads: set[str] = set()

    def verify(self, data: bytes, signature: bytes) -> bool:
        self.barrier.wait(10)
        self.threads.add(threading.current_thread().name)
        return signature == b"good"

    @property
    def type(self) -> Any:
        raise NotImplementedError

    @classmethod
    def from_raw(cls, raw: bytes) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("threads", [0, 1, 3])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 200])
def test_each_signature_has_its_own_answer(threads: int, count: int) -> None:
    signatures = [GOOD if n % 3 else BAD for n in range(count)]
    verifier = Verifier(threads=threads)
    with verifier.use():
        for _ in range(3):
            assert list(verifier.verify(signatures)) == [bool(n % 3) for n in range(count)]


def test_a_thread_helps_with_many() -> None:
    key = Slow(threading.Barrier(2))
    verifier = Verifier(threads=1)
    with verifier.use():
        # Nobody gets by the barrier alone: every signature of one thread has one of the other beside it.
        assert list(verifier.verify([(key, b"", b"good"), (key, b"", b"")] * 8)) == [True, False] * 8
    assert key.threads == {threading.current_thread().name, "pubsub verifier"}


def test_few_are_not_worth_a_thread() -> None:
    verifier = Verifier(threads=2, threshold=8)
    with verifier.use():
        verifier.verify([GOOD] * 7)
        assert helpers() == 0
        verifier.verify([GOOD] * 8)
        assert helpers() == 2


def test_without_a_user_there_are_no_threads() -> None:
    verifier = Verifier(threads=2)
    assert all(verifier.verify([GOOD] * 50))
    assert helpers() == 0


def test_threads_are_there_until_the_last_user_leaves() -> None:
    verifier = Verifier(threads=2)
    with verifier.use():
        with verifier.use():
            verifier.verify([GOOD] * 50)
        assert helpers() == 2
        verifier.verify([GOOD] * 50)
    assert helpers() == 0
    with verifier.use():
        assert all(verifier.verify([GOOD] * 50))
        assert helpers() == 2


def test_several_threads_may_verify_at_a_time() -> None:
    verifier = Verifier(threads=2)
    failures: list[int] = []

    def work(seed: int) -> None:
        for n in range(10):
            signatures = [GOOD if (n + index + seed) % 5 else BAD for index in range(40)]
            if list(verifier.verify(signatures)) != [signature is GOOD for signature in signatures]:
                failures.append(seed)

    with verifier.use():
        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert not failures


def test_a_thread_that_comes_late_finds_nothing_left_to_do() -> None:
    verifier = Verifier(threads=1)
    gate, reached = threading.Event(), threading.Event()

    class Hold:
        """Keeps the thread, so that it comes to the batch when it is done."""

        def help(self) -> None:
            reached.set()
            assert gate.wait(10)

    with verifier.use():
        verifier._heaps.put(Hold())  # type: ignore[arg-type]
        assert verifier._begin()
        assert reached.wait(10)
        assert all(verifier.verify([GOOD] * 20))
        gate.set()
        assert all(verifier.verify([GOOD] * 20))
