"""`p2pstack sim` with many seeds, sizes or parameters."""

from collections.abc import Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from p2pstack.cli.output import Output, grid
from p2pstack.cli.plot import plot_delays
from p2pstack.cli.run import Failed
from p2pstack.sim.record import Case
from p2pstack.sim.summary import Outcome
from p2pstack.sim.sweep import dask_executor, process_executor, sweep

__all__ = ["play_many"]


def play_many(output: Output, runs: Sequence[Case], *, processes: int | None, dask: str | None) -> None:
    """Play cases at the same time.

    :param processes: how many runs at a time, on this machine; None: as many as there are cores
    :param dask: the scheduler of the cluster that plays instead
    :raises Failed: an expectation of the scenario did not come true in one of the runs, or more
    """
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=output.console,
        transient=True,
        disable=not output.live,
    )
    outcomes: list[Outcome] = []
    executors = process_executor(processes) if dask is None else dask_executor(dask, processes=processes)
    with progress, executors as executor:
        task = progress.add_task("runs", total=len(runs))
        for outcome in sweep(runs, executor):
            output.record(**outcome.record())
            outcomes.append(outcome)
            progress.advance(task)
    _show_many(output, outcomes)
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    if failed:
        first = min(failed, key=lambda outcome: (outcome.nodes, outcome.seed))
        wanted = first.nodes, first.seed, first.parameters
        case = next(case for case in runs if (case.nodes, case.seed, case.parameters) == wanted)
        raise Failed(
            f"{len(failed)} of {len(runs)} runs failed, with seed {first.seed}: {first.failure}; "
            f"to see it again: {case.command}"
        )


def _show_many(output: Output, outcomes: Sequence[Outcome]) -> None:
    table = grid(">nodes", "with", ">runs", ">failed", ">deliveries", ">of", ">50 %", ">99 %", ">all", ">real")
    together: dict[tuple[int, str], list[Outcome]] = {}
    for outcome in outcomes:
        settings = ", ".join(f"{name} {value}" for name, value in outcome.parameters.items())
        together.setdefault((outcome.nodes, settings), []).append(outcome)
    for (nodes, settings), runs in sorted(together.items()):
        whole = _merged(runs)
        failures = sum(run.failure is not None for run in runs)
        table.add_row(
            f"{nodes:,}",
            settings,
            str(len(runs)),
            Text(str(failures), style="bold red" if failures else ""),
            f"{whole.delivered:,}",
            f"{whole.expected:,}",
            *("-" if (value := whole.quantile_ms(part)) is None else f"{value:,.0f} ms" for part in (0.5, 0.99, 1.0)),
            f"{whole.real_s:,.1f} s",
        )
    output.show(table)
    delays = sorted(delay for outcome in outcomes for delay in outcome.delays)
    if delays:
        output.say("")
        output.show(plot_delays(delays))


def _merged(runs: Sequence[Outcome]) -> Outcome:
    """Runs as one, for their figures."""
    return Outcome(
        scenario=runs[0].scenario,
        nodes=runs[0].nodes,
        seed=runs[0].seed,
        expected=sum(run.expected for run in runs),
        delivered=sum(run.delivered for run in runs),
        delays=sorted(delay for run in runs for delay in run.delays),
        real_s=sum(run.real_s for run in runs),
    )
