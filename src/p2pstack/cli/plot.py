"""Plots in a terminal."""

from collections.abc import Sequence

from rich.bar import Bar
from rich.console import RenderableType

from p2pstack.cli.output import grid
from p2pstack.sim.summary import histogram

__all__ = ["plot_delays"]

_BINS = 16
_WIDTH = 50


def plot_delays(delays: Sequence[float]) -> RenderableType:
    """How many deliveries took how long.

    :param delays: seconds, sorted
    """
    table = grid(">delivered within", "", ">deliveries", ">so far")
    bins = histogram(delays, bins=_BINS)
    most = max(count for _, _, count in bins)
    so_far = 0
    for _, upper, count in bins:
        so_far += count
        table.add_row(
            f"{upper * 1e3:,.1f} ms",
            Bar(most, 0, count, width=_WIDTH),
            f"{count:,}",
            f"{so_far / len(delays):.1%}",
        )
    return table
