"""The statistics that the harness draws box plots from."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor

__all__ = ["BoxPlot"]


@dataclass(frozen=True, slots=True)
class BoxPlot:
    """Samples in ascending order; `least` and `most` are those of the samples that are no outliers."""

    samples: tuple[float, ...]
    outliers: tuple[float, ...]
    least: float
    first_quartile: float
    median: float
    third_quartile: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "BoxPlot":
        """An outlier lies further from the box than one and a half times its height. `values` holds at least one."""
        samples = tuple(sorted(values))
        first, median, third = (_percentile(samples, share) for share in (0.25, 0.5, 0.75))
        reach = 1.5 * (third - first)
        inside = [value for value in samples if first - reach <= value <= third + reach]
        return cls(
            samples=samples,
            outliers=tuple(value for value in samples if value < inside[0] or value > inside[-1]),
            least=inside[0],
            first_quartile=first,
            median=median,
            third_quartile=third,
            most=inside[-1],
        )

    def to_yaml(self, name: str, *, unit: str, digits: int) -> str:
        """The block that the harness greps out of a dialer's log: two spaces before each field, lists on one line."""

        def numbers(values: Sequence[float]) -> str:
            return f"[{', '.join(f'{value:.{digits}f}' for value in values)}]"

        fields = {
            "iterations": len(self.samples),
            "min": f"{self.least:.{digits}f}",
            "q1": f"{self.first_quartile:.{digits}f}",
            "median": f"{self.median:.{digits}f}",
            "q3": f"{self.third_quartile:.{digits}f}",
            "max": f"{self.most:.{digits}f}",
            "outliers": numbers(self.outliers),
            "samples": numbers(self.samples),
            "unit": unit,
        }
        return "\n".join([f"{name}:", *(f"  {field}: {value}" for field, value in fields.items())])


def _percentile(samples: Sequence[float], share: float) -> float:
    """Between two samples, by linear interpolation."""
    position = share * (len(samples) - 1)
    below, above = samples[floor(position)], samples[ceil(position)]
    return below + (above - below) * (position - floor(position))
