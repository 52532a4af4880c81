"""The tables a run ends with."""

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table

from bench.run import Results
from bench.targets import outcomes

__all__ = ["document", "markdown", "show", "write"]

#: (figure, heading, decimals) of a table of medians
_Columns: TypeAlias = Sequence[tuple[str, str, int]]

_COLUMNS: _Columns = (
    ("upload", "upload MB/s", 0),
    ("download", "download MB/s", 0),
    ("upload 1 KiB", "1 KiB writes MB/s", 0),
    ("stream", "stream ms", 3),
    ("ping", "ping ms", 3),
    ("loaded ping", "ping under load ms", 2),
    ("connect", "connect ms", 2),
    ("accept", "accepted 1/s", 0),
    ("idle KiB", "idle KiB", 1),
)
_PUBSUB_COLUMNS: _Columns = (
    ("pubsub 64 B", "64 B msg/s", 0),
    ("pubsub 1 KiB", "1 KiB msg/s", 0),
    ("pubsub fed rust-libp2p>", "fed by rust msg/s", 0),
    ("pubsub middle", "in the middle msg/s", 0),
    ("pubsub p50", "mesh of ten p50 ms", 1),
    ("pubsub p99", "mesh of ten p99 ms", 1),
)


def show(console: Console, results: Results, names: list[str]) -> None:
    """Print the medians, the ratios to reach, and what failed."""
    for title, columns in (("medians, both ends the same", _COLUMNS), ("publish/subscribe, medians", _PUBSUB_COLUMNS)):
        table = Table(title=title)
        table.add_column("")
        for _, heading, _ in columns:
            table.add_column(heading, justify="right")
        for row in _rows(results, names, columns):
            table.add_row(*row)
        if table.rows:
            console.print(table)

    targets = Table(title="figures to reach")
    for heading in ("what", "loop", "to reach", "measured", ""):
        targets.add_column(heading, justify="right" if heading in ("to reach", "measured") else "left")
    for outcome in outcomes(results):
        target = outcome.target
        sign = "<=" if target.at_most else ">="
        measured = "not measured" if outcome.value is None else f"{outcome.value:.2f} {target.unit}"
        verdict = {True: "[green]reached[/]", False: "[red]missed[/]", None: "[yellow]?[/]"}[outcome.reached]
        targets.add_row(target.what, target.loop, f"{sign} {target.bound:g} {target.unit}", measured, verdict)
    console.print(targets)
    for failure in results.failures:
        console.print(f"[red]failed[/] {failure}", highlight=False)


def document(results: Results, *, rounds: int, size: int) -> dict[str, Any]:
    """All of a run, for results/*.json."""
    return {
        "when": time.strftime("%Y-%m-%d"),
        "machine": {"cores": os.cpu_count(), "cpu": _cpu(), "python": platform.python_version()},
        "rounds": rounds,
        "bulk_bytes": size,
        "medians": {name: statistics.median(samples) for name, samples in sorted(results.samples.items())},
        "samples": {
            name: [round(sample, 4) for sample in samples] for name, samples in sorted(results.samples.items())
        },
        "targets": [
            {
                "what": outcome.target.what,
                "loop": outcome.target.loop,
                "bound": outcome.target.bound,
                "at_most": outcome.target.at_most,
                "measured": None if outcome.value is None else round(outcome.value, 4),
                "reached": outcome.reached,
            }
            for outcome in outcomes(results)
        ],
        "failures": results.failures,
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a run to `path`, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def markdown(results: Results, names: list[str]) -> str:
    """The tables of the README."""
    tables = [(columns, _rows(results, names, columns)) for columns in (_COLUMNS, _PUBSUB_COLUMNS)]
    return "\n".join(_markdown(columns, rows) for columns, rows in tables if rows)


def _markdown(columns: _Columns, rows: list[list[str]]) -> str:
    lines = ["| | " + " | ".join(heading for _, heading, _ in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _rows(results: Results, names: list[str], columns: _Columns) -> list[list[str]]:
    """A row for each of those of whom anything was measured."""
    rows: list[list[str]] = []
    for name in names:
        keys = [f"{figure}{name}" if figure.endswith(">") else f"{figure} {name}" for figure, _, _ in columns]
        if any(key in results for key in keys):
            cells = zip(keys, columns, strict=True)
            rows.append(
                [
                    name,
                    *(f"{results.median(key):,.{digits}f}" if key in results else "-" for key, (_, _, digits) in cells),
                ]
            )
    return rows


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
