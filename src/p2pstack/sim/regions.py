"""Nodes in regions of the world, as far from each other as these are.

Source: IBM Cloud, VPC network latency, averages from 17 August to 15 September 2024: round trips between regions, and
about 2 ms between the zones of one.
"""

from collections.abc import Callable, Sequence

from p2pstack.errors import LocalProtocolError
from p2pstack.sim.link import Latency, LinkConfig
from p2pstack.sim.machine import Machine

__all__ = ["REGIONS", "in_regions", "region_of", "round_trip"]

#: where nodes may be
REGIONS = (
    "dallas",
    "toronto",
    "washington",
    "frankfurt",
    "london",
    "madrid",
    "osaka",
    "sydney",
    "tokyo",
    "sao paulo",
)

#: milliseconds from each to those behind it
_ROUND_TRIPS = (
    (34, 31, 123, 113, 117, 150, 185, 143, 145),
    (19, 92, 82, 109, 169, 215, 161, 130),
    (91, 76, 88, 173, 214, 166, 118),
    (13, 29, 232, 250, 228, 197),
    (27, 244, 261, 242, 187),
    (259, 275, 256, 207),
    (122, 9, 292),
    (115, 327),
    (284,),
)
_WITHIN = 2


def round_trip(one: str, other: str) -> float:
    """Seconds from one region to the other and back.

    :raises LocalProtocolError: there is no such region
    """
    for name in (one, other):
        if name not in REGIONS:
            raise LocalProtocolError(f"expected a region among {', '.join(REGIONS)}, got {name!r}")
    first, second = sorted((REGIONS.index(one), REGIONS.index(other)))
    return (_WITHIN if first == second else _ROUND_TRIPS[first][second - first - 1]) / 1_000


def region_of(machine: Machine, regions: Sequence[str] = REGIONS) -> str:
    """Where a machine is: they are dealt out in turn."""
    return regions[machine.index % len(regions)]


def in_regions(
    regions: Sequence[str] = REGIONS, *, jitter: float = 0.05, loss: float = 0.0
) -> Callable[[Machine, Machine], LinkConfig]:
    """How links are between machines in regions: `Simulation(link_of=in_regions())`.

    :param regions: which there are; a name that is there twice has twice as many machines
    :param jitter: the standard deviation of latencies, in proportion to their mean
    :param loss: as in `LinkConfig`
    :raises LocalProtocolError: there is no such region
    """
    configs = {
        (one, other): LinkConfig(
            latency=Latency(round_trip(one, other) / 2, jitter * round_trip(one, other) / 2), loss=loss
        )
        for one in regions
        for other in regions
    }
    return lambda one, other: configs[region_of(one, regions), region_of(other, regions)]
