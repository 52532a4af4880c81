"""Rounds, interleaved: every contender takes part once before anybody does twice."""

import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence

from bench.contenders import Contender
from bench.measures import Measure, Plan
from bench.programs import ClientFailedError

__all__ = ["Results", "run"]


class Results:
    """Samples by the name of their figure, and what failed."""

    def __init__(self) -> None:
        self.samples: dict[str, list[float]] = defaultdict(list)
        self.failures: list[str] = []

    def __contains__(self, name: str) -> bool:
        return name in self.samples

    def median(self, name: str) -> float:
        """The median of a figure.

        :raises KeyError: it was not measured
        """
        if name not in self.samples:
            raise KeyError(name)
        return statistics.median(self.samples[name])


def run(
    measures: Sequence[Measure],
    everybody: list[Contender],
    plan: Plan,
    *,
    rounds: int,
    progress: Callable[[str], None],
) -> Results:
    """Measure. `progress` hears of each step before it begins."""
    results = Results()
    order = random.Random(1)
    for turn in range(rounds):
        for measure in measures:
            steps = list(measure.work(everybody, plan))
            order.shuffle(steps)
            for label, work in steps:
                progress(f"round {turn + 1}/{rounds}: {measure.name}: {label}")
                try:
                    figures = work()
                except ClientFailedError as error:
                    results.failures.append(str(error))
                    continue
                for name, value in figures.items():
                    results.samples[name].append(value)
    return results
