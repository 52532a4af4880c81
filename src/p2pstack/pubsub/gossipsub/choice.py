"""Choosing at random, by a source that is given."""

from collections.abc import Collection, MutableSequence, Sequence
from itertools import compress
from typing import Any, Protocol, TypeVar

__all__ = ["Randomness", "pick"]

T = TypeVar("T")

#: more than so many are not chosen one by one
_FEW = 64


class Randomness(Protocol):
    """What is needed of a `random.Random`."""

    def sample(self, population: Sequence[T], k: int) -> list[T]: ...
    def shuffle(self, x: MutableSequence[Any]) -> None: ...
    def randbytes(self, n: int) -> bytes: ...


def pick(random: Randomness, pool: Collection[T], count: int) -> list[T]:
    """`count` elements of `pool`; all where there are no more.

    More than 64 are chosen by a coin for each element of the pool, and so are `count` on average: to choose exactly
    costs a draw from the operating system for each of them, which a heartbeat of a hundred topics cannot afford.
    """
    size = len(pool)
    if size <= count:
        return list(pool)
    if count <= _FEW:
        return random.sample(list(pool), max(count, 0))
    faces = -(-256 * count // size)
    chosen = b"\1" * faces + bytes(256 - faces)
    return list(compress(pool, random.randbytes(size).translate(chosen)))
