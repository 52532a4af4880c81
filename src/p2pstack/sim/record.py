"""A run in a file: what was played, what happened, and the hash of it. Lines of JSON, so that other tools can read it.

======  ===============================================================================================================
first   `"kind": "run"`: the scenario with its text, how many nodes, which seed and parameters
then    what happened, in order: `t` (seconds of virtual time), `kind`, and what belongs to it
last    `"kind": "outcome"`: the figures, and `trace_hash`
======  ===============================================================================================================
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from p2pstack.errors import LocalProtocolError
from p2pstack.sim.scenario import Script
from p2pstack.sim.summary import Outcome
from p2pstack.sim.trace import Trace

__all__ = ["Case", "Record"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What to play. It can be sent to another process, or machine."""

    script: Script
    nodes: int
    seed: int
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def command(self) -> str:
        """What plays it, to be typed."""
        settings = [f"--set={name}={json.dumps(value)}" for name, value in self.parameters.items()]
        words = ["p2pstack", "sim", self.script.path, f"--nodes={self.nodes}", f"--seed={self.seed}", *settings]
        return shlex.join(words)


@dataclass(frozen=True, slots=True)
class Record:
    """A run that was kept."""

    case: Case
    events: Sequence[Mapping[str, Any]]
    outcome: Mapping[str, Any]

    @property
    def hash(self) -> str:
        """Of all that happened."""
        return self.outcome["trace_hash"]

    @staticmethod
    def write(path: Path, case: Case, trace: Trace, outcome: Outcome) -> None:
        """Keep a run.

        :raises OSError: it cannot be written
        """
        script = case.script
        first = {"path": script.path, "nodes": case.nodes, "seed": case.seed, "parameters": dict(case.parameters)}
        with path.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"kind": "run", **first, "text": script.text}) + "\n")
            trace.write(file)
            file.write(json.dumps({"kind": "outcome", **outcome.record()}) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """What `write` wrote.

        :raises LocalProtocolError: something else
        :raises OSError: it cannot be read
        """
        try:
            lines: list[dict[str, Any]] = Trace.read(path.read_text(encoding="utf-8").splitlines())
            first, *events, last = lines
            kinds = first["kind"], last["kind"]
            case = Case(
                script=Script(first["path"], first["text"]),
                nodes=first["nodes"],
                seed=first["seed"],
                parameters=first["parameters"],
            )
        except (ValueError, KeyError, TypeError):
            kinds, case, events, last = None, None, [], {}
        if kinds != ("run", "outcome") or case is None or "trace_hash" not in last:
            raise LocalProtocolError(f"{path}: expected a run, as `p2pstack sim --trace FILE` keeps it")
        return cls(case, events, last)

    def first_difference(self, events: Sequence[Mapping[str, Any]]) -> tuple[object, object] | None:
        """What happened here, and there, where two runs part; None where all that was kept is the same."""
        here: list[object] = [*self.events, None]
        there: list[object] = [*json.loads(json.dumps(events)), None]  # as JSON gives it back: no tuples
        return next(((one, other) for one, other in zip(here, there, strict=False) if one != other), None)
