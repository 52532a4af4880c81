"""Nodes that come and go."""

from collections.abc import Sequence
from math import log
from random import Random
from typing import Protocol

from anyio import CancelScope, create_task_group, sleep

from p2pstack.sim.node import SimNode

__all__ = ["Churn"]


class Nodes(Protocol):
    """What has the nodes."""

    def kill(self, node: SimNode, *, silently: bool = False) -> None: ...
    async def restart(self, node: SimNode) -> None: ...


class Churn:
    """Kills nodes and starts them again: each lives, and is away, for times that are distributed exponentially.

    :param up: seconds that a node lives, on average
    :param down: seconds that it is away, on average
    :param nodes: which come and go
    :param silently: die without telling anybody
    """

    def __init__(
        self, net: Nodes, nodes: Sequence[SimNode], *, up: float, down: float, silently: bool, random: Random
    ) -> None:
        self._net = net
        self._nodes = nodes
        self._up = up
        self._down = down
        self._silently = silently
        self._random = random
        self._scope = CancelScope()
        #: how often a node died so far
        self.deaths = 0

    async def run(self) -> None:
        """Go on until stopped."""
        with self._scope:
            async with create_task_group() as tasks:
                for node in self._nodes:
                    tasks.start_soon(self._live, node, Random(self._random.getrandbits(64)))

    def stop(self) -> None:
        """Kill no more. Who is away stays away."""
        self._scope.cancel()

    async def _live(self, node: SimNode, random: Random) -> None:
        while True:
            await sleep(-self._up * log(1 - random.random()))
            if not node.running:
                return
            self.deaths += 1
            self._net.kill(node, silently=self._silently)
            await sleep(-self._down * log(1 - random.random()))
            await self._net.restart(node)
