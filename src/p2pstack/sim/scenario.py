"""A scenario: what happens to a network of so many nodes. A file that holds one can be played, watched, and repeated.

    @scenario(nodes=100)
    async def hello(stage: Stage, *, loss: float = 0.01) -> None:
        async with stage.network(loss=loss, services=lambda: [GossipSub()]) as net, stage.audience(net, "news") as news:
            await anyio.sleep(3)
            await news.publish(net.nodes[0])
            await anyio.sleep(3)

What it asserts and is not so makes the run a failure; its other errors are raised.
"""

import inspect
import linecache
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Concatenate, Literal, ParamSpec, cast

from anyio import current_time

from p2pstack.errors import LocalProtocolError
from p2pstack.sim.run import run
from p2pstack.sim.stage import Stage
from p2pstack.sim.summary import Outcome
from p2pstack.sim.trace import Trace

__all__ = ["Scenario", "Script", "first_cause", "scenario"]

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A function that has things happen.

    :param function: is given the stage, and parameters by keyword
    :param nodes: how many there are unless somebody says otherwise
    :param lasts: about how many seconds of virtual time it takes, for who watches; None: not known
    """

    function: Callable[..., Awaitable[None]]
    nodes: int
    lasts: float | None = None

    @property
    def name(self) -> str:
        """What it is called: its function's name."""
        return getattr(self.function, "__name__", "scenario")

    @property
    def parameters(self) -> dict[str, Any]:
        """What can be set, with the defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}

    def play(
        self,
        *,
        nodes: int | None = None,
        seed: int = 0,
        parameters: Mapping[str, Any] | None = None,
        backend: Literal["asyncio", "trio"] = "asyncio",
        trace: Trace | None = None,
        watch: Callable[[Stage], None] | None = None,
    ) -> Outcome:
        """Play it, from beginning to end.

        :param nodes: how many
        :param seed: the same one, the same run
        :param parameters: keyword arguments for its function
        :param trace: where what happens is told
        :param watch: is called with the stage, in the event loop, before anything happens
        :raises LocalProtocolError: it has no such parameter
        """
        given = dict(parameters or {})
        if unknown := given.keys() - self.parameters.keys():
            raise LocalProtocolError(
                f"{self.name} has no parameter {min(unknown)!r}: expected {', '.join(self.parameters) or 'none'}"
            )
        stage = Stage(nodes=nodes or self.nodes, seed=seed, trace=trace or Trace())
        ended_at = 0.0

        async def main() -> None:
            nonlocal ended_at
            if watch is not None:
                watch(stage)
            try:
                await self.function(stage, **given)
            finally:
                ended_at = current_time()

        failure = None
        started_at = time.perf_counter()
        try:
            run(main, backend=backend, seed=seed)
        except (AssertionError, BaseExceptionGroup) as error:
            failure = _failed_expectation(error)
            if failure is None:
                raise
        return Outcome(
            scenario=self.name,
            nodes=stage.nodes,
            seed=seed,
            parameters=given,
            trace_hash=stage.trace.hash,
            published=sum(len(audience.stories) for audience in stage.audiences),
            expected=sum(audience.expected for audience in stage.audiences),
            delivered=stage.delivered,
            twice=sum(story.twice for audience in stage.audiences for story in audience.stories),
            delays=sorted(
                delay for audience in stage.audiences for story in audience.stories for delay in story.delays
            ),
            facts=stage.facts,
            arrivals=stage.trace.arrivals,
            bytes=stage.trace.bytes,
            virtual_s=ended_at,
            real_s=time.perf_counter() - started_at,
            failure=failure,
        )


def scenario(
    *, nodes: int, lasts: float | None = None
) -> Callable[[Callable[Concatenate[Stage, P], Awaitable[None]]], Scenario]:
    """Make a scenario of a function, as a decorator.

    :param nodes: how many there are unless somebody says otherwise
    :param lasts: about how many seconds of virtual time it takes
    """

    def make(function: Callable[Concatenate[Stage, P], Awaitable[None]]) -> Scenario:
        return Scenario(function, nodes, lasts)

    return make


@dataclass(frozen=True, slots=True)
class Script:
    """A file that holds a scenario. It carries its text with it, so that it can be sent elsewhere.

    :param path: where it is, or was
    """

    path: str
    text: str

    @classmethod
    def read(cls, path: Path | str) -> "Script":
        """Of a file.

        :raises OSError: it cannot be read
        """
        return cls(str(path), Path(path).read_text(encoding="utf-8"))

    def load(self) -> Scenario:
        """Run the file; the scenario that is in it then.

        :raises LocalProtocolError: there is none, or more than one, or it is not Python
        """
        module = ModuleType(f"scenario_{Path(self.path).stem}")
        module.__file__ = self.path
        linecache.cache[self.path] = (len(self.text), None, self.text.splitlines(keepends=True), self.path)
        try:
            code = compile(self.text, self.path, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise LocalProtocolError(f"{self.path}, line {error.lineno}: expected Python: {error.msg}") from None
        sys.modules[module.__name__] = module  # where dataclasses look for it
        exec(code, module.__dict__)
        found = [value for value in vars(module).values() if isinstance(value, Scenario)]
        if len(found) != 1:
            raise LocalProtocolError(
                f"{self.path}: expected one function with @p2pstack.sim.scenario(nodes=...), got {len(found)}"
            )
        return found[0]


def first_cause(error: BaseException) -> BaseException:
    """The first error in a group of them, or in a group of groups; an error that is none itself."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _failed_expectation(error: BaseException) -> str | None:
    """What was asserted and is not so; None where something else is wrong."""
    group = BaseExceptionGroup("", [error])
    if group.split(AssertionError)[1] is not None:
        return None
    cause = first_cause(group)
    (*_, last) = traceback.extract_tb(cause.__traceback__)
    return str(cause) or f"line {last.lineno}: {last.line}"
