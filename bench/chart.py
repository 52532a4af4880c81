"""The picture of the README: one panel a figure, one bar a contender."""

from pathlib import Path

import matplotlib as mpl

from bench.run import Results

__all__ = ["draw"]

_PANELS = (
    ("upload", "bulk upload, MB/s\n(longer is better)"),
    ("stream", "new stream + 1 byte, ms\n(shorter is better)"),
    ("connect", "connect, ms\n(shorter is better)"),
    ("idle KiB", "idle connection, KiB\n(shorter is better)"),
)
_OURS, _THEIRS = "#1f6feb", "#9aa4b2"


def draw(results: Results, names: list[str], path: Path) -> None:
    """Write the chart as SVG."""
    mpl.use("svg")
    from matplotlib import pyplot as plt  # after the backend is chosen

    mpl.rcParams["svg.hashsalt"] = "p2pstack"  # the same figures give the same file
    figure, panels = plt.subplots(1, len(_PANELS), figsize=(13, 2.8), layout="constrained")
    for panel, (what, title) in zip(panels, _PANELS, strict=True):
        rows = [(name, results.median(f"{what} {name}")) for name in reversed(names) if f"{what} {name}" in results]
        labels = [name for name, _ in rows]
        bars = panel.barh(
            labels, [value for _, value in rows], color=[_OURS if "p2pstack" in name else _THEIRS for name in labels]
        )
        panel.bar_label(
            bars, fmt=lambda value: f"{value:,.0f}" if value >= 10 else f"{value:.2f}", padding=3, fontsize=8
        )
        panel.set_title(title, fontsize=9)
        panel.margins(x=0.2)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
