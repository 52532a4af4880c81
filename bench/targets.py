"""The figures to reach: ratios of medians within one run."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bench.run import Results

__all__ = ["Outcome", "Target", "outcomes"]

GO, RUST, PY = "go-libp2p", "rust-libp2p", "py-libp2p"
LOOPS = ("asyncio", "uvloop", "trio")


@dataclass(frozen=True, slots=True)
class Target:
    """`figure` computes what is compared with `bound`: at least it, or with `at_most` at most."""

    what: str
    loop: str
    bound: float
    figure: Callable[[Results], float]
    at_most: bool = False
    unit: str = "x"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A target and what was measured; `value` is None where something it needs was not."""

    target: Target
    value: float | None

    @property
    def reached(self) -> bool | None:
        """Whether the figure is reached; None where it was not measured."""
        if self.value is None:
            return None
        return self.value <= self.target.bound if self.target.at_most else self.value >= self.target.bound


def _better(results: Results, what: str, names: Iterable[str], pick: Callable[[list[float]], float]) -> float:
    return pick([results.median(f"{what} {name}") for name in names])


def _targets() -> Iterable[Target]:
    for loop in LOOPS:
        us = f"p2pstack {loop}"
        for way in ("upload", "download"):
            yield Target(
                f"bulk {way}, to the better of go and rust", loop, 1.3 if loop == "trio" else 1.5,
                lambda r, w=way, u=us: r.median(f"{w} {u}") / _better(r, w, (GO, RUST), max),
            )  # fmt: skip
            yield Target(
                f"bulk {way}, to py-libp2p", loop, 8.0,
                lambda r, w=way, u=us: r.median(f"{w} {u}") / r.median(f"{w} {PY}"),
            )  # fmt: skip
            for other in (GO, RUST):
                for pair in (f"{us}>{other}", f"{other}>{us}"):
                    yield Target(
                        f"{way} {'to' if pair.endswith(other) else 'from'} a {other} peer, to that peer with itself",
                        loop, 1.0, lambda r, w=way, p=pair, o=other: r.median(f"{w} {p}") / r.median(f"{w} {o}"),
                    )  # fmt: skip
            yield Target(
                f"bulk {way} in 1 KiB writes, to our own bulk", loop, 0.5,
                lambda r, w=way, u=us: r.median(f"{w} 1 KiB {u}") / r.median(f"{w} {u}"),
            )  # fmt: skip
        for what, other, bound in (
            ("stream", GO, 1.1),
            ("stream", PY, 0.15),
            ("ping", GO, 2.0),
            ("connect", RUST, 1.0),
            ("connect", GO, 1.0),
        ):
            yield Target(
                f"{what}, to {other}", loop, bound,
                lambda r, w=what, u=us, o=other: r.median(f"{w} {u}") / r.median(f"{w} {o}"), at_most=True,
            )  # fmt: skip
        yield Target(
            "ping while bulk runs", loop, 2.0, lambda r, u=us: r.median(f"loaded ping {u}"), at_most=True, unit="ms"
        )
        for what in ("accept", "accept per CPU second"):
            yield Target(
                f"connections, {what}, to go", loop, 0.7,
                lambda r, w=what, u=us: r.median(f"{w} {u}") / r.median(f"{w} {GO}"),
            )  # fmt: skip
        yield Target(
            "idle connection, memory", loop, 25.0, lambda r, u=us: r.median(f"idle KiB {u}"), at_most=True, unit="KiB"
        )
        yield Target(
            "idle connection, tasks", loop, 3.0, lambda r, u=us: r.median(f"idle tasks {u}"), at_most=True, unit=""
        )
        yield Target(
            "64 streams, first to last", loop, 0.05, lambda r, u=us: r.median(f"fan spread {u}"), at_most=True, unit=""
        )
        yield Target(
            "64 streams, to one stream", loop, 0.7,
            lambda r, u=us: r.median(f"fan rate {u}") / r.median(f"fan single {u}"),
        )  # fmt: skip
        yield from _pubsub(us, loop)
    yield Target(
        "pubsub, memory of a peer in a topic",
        "",
        1024.0,
        lambda r: r.median("pubsub pair bytes"),
        at_most=True,
        unit="B",
    )
    yield Target(
        "pubsub, heartbeat of 1,000 peers", "", 20.0, lambda r: r.median("pubsub heartbeat"), at_most=True, unit="ms"
    )
    yield Target("import of p2pstack", "", 0.25, lambda r: r.median("import"), at_most=True, unit="s")


def _pubsub(us: str, loop: str) -> Iterable[Target]:
    for size in ("64 B", "1 KiB"):
        for other, bound in ((GO, 1.2), (RUST, 1.0)):
            yield Target(
                f"pubsub messages of {size}, to {other}", loop, bound,
                lambda r, s=size, o=other: r.median(f"pubsub {s} {us}") / r.median(f"pubsub {s} {o}"),
            )  # fmt: skip
    yield Target(
        f"pubsub subscriber fed by rust, to {GO}", loop, 0.9,
        lambda r: r.median(f"pubsub fed {RUST}>{us}") / r.median(f"pubsub fed {RUST}>{GO}"),
    )  # fmt: skip
    yield Target(
        f"pubsub in the middle of a line, to {GO}", loop, 1.0,
        lambda r: r.median(f"pubsub middle {us}") / r.median(f"pubsub middle {GO}"),
    )  # fmt: skip
    for part in ("p50", "p99"):
        yield Target(
            f"pubsub mesh of ten, {part}, to {GO}", loop, 1.5,
            lambda r, p=part: r.median(f"pubsub {p} {us}") / r.median(f"pubsub {p} {GO}"), at_most=True,
        )  # fmt: skip


def outcomes(results: Results) -> list[Outcome]:
    """Every target with what this run measured for it."""
    found: list[Outcome] = []
    for target in _targets():
        try:
            found.append(Outcome(target, target.figure(results)))
        except KeyError:
            found.append(Outcome(target, None))
    return found
