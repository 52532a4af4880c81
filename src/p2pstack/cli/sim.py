"""`p2pstack sim`: a scenario in virtual time, once or many times."""

import json
from asyncio import get_running_loop
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.live import Live
from rich.progress_bar import ProgressBar
from typer import BadParameter

from p2pstack.cli.output import Output, grid
from p2pstack.cli.plot import plot_delays
from p2pstack.cli.run import Failed
from p2pstack.errors import LocalProtocolError
from p2pstack.sim.record import Case, Record
from p2pstack.sim.scenario import Scenario, Script
from p2pstack.sim.stage import Stage
from p2pstack.sim.summary import Outcome
from p2pstack.sim.sweep import cases
from p2pstack.sim.trace import Trace

__all__ = ["parse_settings", "play_once", "replay", "simulate"]

_BAR = 40


def simulate(
    output: Output,
    file: Path | None,
    *,
    nodes: Sequence[int],
    seeds: Sequence[int],
    settings: Sequence[str],
    trace: Path | None,
    again: Path | None,
    page: Path | None,
    processes: int | None,
    dask: str | None,
) -> None:
    """Do what the command line asks for.

    :param again: the run that is to be played again, in place of `file`
    """
    if again is not None:
        if file or nodes or settings or trace or len(seeds) > 1 or dask:
            raise BadParameter("--replay plays what is in its file, as it was: give it --page and --json at most")
        replay(output, Record.read(again), page=page)
        return
    if file is None:
        raise BadParameter("give a SCENARIO.py to play, or the FILE of a run to --replay")
    script = Script.read(file)
    runs = cases(script, nodes=nodes or [script.load().nodes], seeds=seeds, parameters=parse_settings(settings))
    if len(runs) == 1 and dask is None:
        play_once(output, runs[0], trace_file=trace, page=page)
        return
    if trace or page:
        raise BadParameter(f"--trace and --page are of one run, and these are {len(runs)}")
    from p2pstack.cli.sweep import play_many

    play_many(output, runs, processes=processes, dask=dask)


def parse_settings(settings: Sequence[str]) -> dict[str, list[Any]]:
    """Values of parameters, of `NAME=VALUE`, each of which may be there several times. What is JSON is read as such.

    :raises LocalProtocolError: one of another form
    """
    found: dict[str, list[Any]] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not name or not equals:
            raise LocalProtocolError(f"--set: expected NAME=VALUE, got {setting!r}")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.setdefault(name, []).append(value)
    return found


def play_once(output: Output, case: Case, *, trace_file: Path | None, page: Path | None) -> None:
    """Play a case, with a bar where a person watches, and show what came out.

    :param trace_file: where to keep the trace
    :param page: where to draw the run
    :raises Failed: an expectation of the scenario did not come true
    """
    outcome, trace = _play(output, case, keep=bool(trace_file or page))
    if trace_file:
        Record.write(trace_file, case, trace, outcome)
    _show(output, outcome, {})
    _draw(output, trace, outcome, page)
    if outcome.failure is not None:
        raise Failed(f"{outcome.failure}; to see it again: {case.command}")


def replay(output: Output, record: Record, *, page: Path | None) -> None:
    """Play again what was kept, and see whether it is the same.

    :raises Failed: it is not
    """
    outcome, trace = _play(output, record.case, keep=True)
    same = outcome.trace_hash == record.hash
    _show(output, outcome, {"same": same})
    _draw(output, trace, outcome, page)
    if not same:
        difference = record.first_difference(trace.events)
        where = "where it is, is not in the file" if difference is None else "{} and now {}".format(*difference)
        raise Failed(f"expected a run with the trace hash {record.hash}, got {outcome.trace_hash}; first was {where}")
    output.say("the same again: the trace hash is that of the file", style="green")


def _play(output: Output, case: Case, *, keep: bool) -> tuple[Outcome, Trace]:
    scenario = case.script.load()
    trace = Trace(keep=keep)
    watched = _Watched(scenario, trace)

    def play(watch: Callable[[Stage], None] | None) -> Outcome:
        return scenario.play(nodes=case.nodes, seed=case.seed, parameters=case.parameters, trace=trace, watch=watch)

    if not output.live:
        return play(None), trace
    with Live(get_renderable=watched.line, console=output.console, refresh_per_second=8, transient=True):
        return play(watched.begin), trace


class _Watched:
    """A run as somebody sees it who looks at it from another thread now and then."""

    def __init__(self, scenario: Scenario, trace: Trace) -> None:
        self._scenario = scenario
        self._trace = trace
        self._stage: Stage | None = None
        self._clock: Callable[[], float] = float

    def begin(self, stage: Stage) -> None:
        """It begins."""
        self._stage = stage
        self._clock = get_running_loop().time

    def line(self) -> Any:
        """What there is to see: how far it is, and what has happened."""
        now = self._clock()
        line = grid("", "", "", "", "")
        lasts = self._scenario.lasts
        delivered = self._stage.delivered if self._stage else 0
        line.add_row(
            self._scenario.name,
            ProgressBar(total=lasts, completed=min(now, lasts or now), width=_BAR, pulse=lasts is None),
            f"{now:,.2f} s" if lasts is None else f"{now:,.2f} of about {lasts:g} s",
            f"{self._trace.arrivals:,} arrivals of bytes",
            f"{delivered:,} deliveries",
        )
        line.show_header = False
        return line


def _show(output: Output, outcome: Outcome, more: Mapping[str, Any]) -> None:
    output.record(**outcome.record(), **more)
    parameters = ", ".join(f"{name} {value}" for name, value in outcome.parameters.items())
    output.facts(
        scenario=f"{outcome.scenario}{f' with {parameters}' if parameters else ''}",
        nodes=f"{outcome.nodes:,}",
        seed=str(outcome.seed),
        messages=f"{outcome.published:,}",
        deliveries=f"{outcome.delivered:,} of {outcome.expected:,} ({outcome.coverage:.3%})",
        delivery_latency=_latency(outcome),
        bytes_moved=f"{outcome.bytes:,} in {outcome.arrivals:,} arrivals",
        virtual_time=f"{outcome.virtual_s:,.3f} s",
        real_time=f"{outcome.real_s:,.2f} s",
        trace_hash=outcome.trace_hash,
    )
    for name, fact in outcome.facts.items():
        output.facts(**{name: str(fact)})
    if outcome.delays:
        output.say("")
        output.show(plot_delays(outcome.delays))


def _latency(outcome: Outcome) -> str | None:
    if not outcome.delays:
        return None
    half, most, last = (outcome.quantile_ms(part) for part in (0.5, 0.99, 1.0))
    return f"half within {half:,.1f} ms, 99 % within {most:,.1f} ms, all within {last:,.1f} ms"


def _draw(output: Output, trace: Trace, outcome: Outcome, page: Path | None) -> None:
    if page is not None:
        from p2pstack.sim.page import draw

        draw(trace.events, outcome, page)
        output.say(f"the picture of it is in {page}")
