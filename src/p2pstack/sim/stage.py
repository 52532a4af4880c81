"""What a scenario is given: how many nodes, which seed, and what its run is made of."""

from collections.abc import Iterable
from random import Random
from typing import Any

from p2pstack.sim.audience import Audience
from p2pstack.sim.node import SimNode
from p2pstack.sim.simulation import Simulation
from p2pstack.sim.trace import Trace

__all__ = ["Stage"]


class Stage:
    """One run of a scenario.

    :param nodes: how many nodes the network is to have
    :param seed: of all that is left to chance
    """

    def __init__(self, *, nodes: int, seed: int, trace: Trace) -> None:
        self.nodes = nodes
        self.seed = seed
        self.trace = trace
        #: for what the scenario leaves to chance
        self.random = Random(f"stage {seed}")
        #: what the scenario found out, by name, for the summary: what JSON can hold
        self.facts: dict[str, Any] = {}
        #: all audiences so far
        self.audiences: list[Audience] = []

    def network(self, **options: Any) -> Simulation:
        """The network of this run, to be entered: `async with stage.network(latency="20ms") as net`.

        :param options: those of `Simulation`; nodes, seed and trace are those of the run unless given
        """
        ours: dict[str, Any] = {"nodes": self.nodes, "seed": self.seed, "trace": self.trace}
        return Simulation(**(ours | options))

    def audience(self, net: Simulation, topic: str, nodes: Iterable[SimNode] | None = None) -> Audience:
        """Readers of a topic, to be entered; what they hear is in the summary.

        :param nodes: who reads; all, unless given
        """
        audience = Audience(net, topic, nodes)
        self.audiences.append(audience)
        return audience

    @property
    def delivered(self) -> int:
        """Deliveries so far."""
        return sum(audience.delivered for audience in self.audiences)
