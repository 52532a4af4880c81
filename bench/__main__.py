"""`python -m bench`: measure, print, write results/."""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bench import chart, report
from bench.contenders import contenders
from bench.measures import MEASURES, Plan
from bench.run import run

RESULTS = Path(__file__).resolve().parent.parent / "results"


def main() -> int:
    """Run from the command line; 1 if a contender failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (5)")
    parser.add_argument("--bytes", type=int, default=1 << 30, help="bytes of a bulk transfer (1 GiB)")
    parser.add_argument("--only", action="append", default=[], metavar="MEASURE", help="measure only this; repeatable")
    parser.add_argument(
        "--who", action="append", default=[], metavar="NAME", help="only contenders with NAME in theirs"
    )
    parser.add_argument("--out", type=Path, default=None, help="a folder for the results (results/ after a full run)")
    arguments = parser.parse_args()

    everybody = [who for who in contenders() if not arguments.who or any(name in who.name for name in arguments.who)]
    measures = [measure for measure in MEASURES if not arguments.only or measure.name in arguments.only]
    if not everybody or not measures:
        parser.error(f"nothing to measure; the measures are: {', '.join(measure.name for measure in MEASURES)}")
    names = [who.name for who in everybody]
    plan = Plan(bytes=arguments.bytes)

    status = Console(stderr=True)
    with Live(console=status, transient=True, refresh_per_second=2) as live:
        results = run(measures, everybody, plan, rounds=arguments.rounds, progress=lambda step: live.update(Text(step)))

    report.show(Console(width=None if sys.stdout.isatty() else 150), results, names)
    full = not arguments.only and not arguments.who
    out = arguments.out or (RESULTS if full else None)
    if out is not None:
        report.write(out / "latest.json", report.document(results, rounds=arguments.rounds, size=arguments.bytes))
        chart.draw(results, names, out / "bench.svg")
        (out / "table.md").write_text(report.markdown(results, names))
        print(f"written to {os.path.relpath(out)}")
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
