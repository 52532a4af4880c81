"""Who connects to whom."""

from random import Random

import pytest

from p2pstack.errors import LocalProtocolError
from p2pstack.sim import SimNetwork
from p2pstack.sim.regions import REGIONS, in_regions, region_of, round_trip
from p2pstack.sim.topology import Topology, full, k_regular, line, nobody, random_graph, ring, scale_free, star

SHAPES: dict[str, Topology] = {
    "full": full,
    "line": line,
    "ring": ring,
    "star": star,
    "random": random_graph(6),
    "regular": k_regular(4),
    "odd": k_regular(3),
    "scale-free": scale_free(3),
}


def degrees(nodes: int, edges: object) -> list[int]:
    count = [0] * nodes
    for one, other in edges:  # type: ignore[attr-defined]
        count[one] += 1
        count[other] += 1
    return count


@pytest.mark.parametrize("name", SHAPES)
def test_each_is_connected_and_has_no_edge_twice(name: str) -> None:
    edges = SHAPES[name](40, Random(1))
    assert len({frozenset(edge) for edge in edges}) == len(edges)
    assert all(one != other for one, other in edges)
    neighbours: dict[int, set[int]] = {node: set() for node in range(40)}
    for one, other in edges:
        neighbours[one].add(other)
        neighbours[other].add(one)
    seen = {0}
    while new := {other for node in seen for other in neighbours[node]} - seen:
        seen |= new
    assert len(seen) == 40
    assert list(SHAPES[name](40, Random(1))) == list(edges)


@pytest.mark.parametrize(("name", "count"), [("full", 780), ("line", 39), ("ring", 40), ("star", 39), ("random", 120)])
def test_how_many_edges_there_are(name: str, count: int) -> None:
    assert len(SHAPES[name](40, Random(1))) == count


@pytest.mark.parametrize("k", [2, 3, 4, 8])
def test_all_of_a_regular_network_have_as_many(k: int) -> None:
    assert degrees(40, k_regular(k)(40, Random(1))) == [k] * 40


def test_a_scale_free_network_has_hubs() -> None:
    count = degrees(300, scale_free(3)(300, Random(1)))
    assert min(count) == 3
    assert max(count) > 30


def test_small_networks_have_what_there_is() -> None:
    assert list(nobody(5, Random(1))) == []
    assert list(ring(2, Random(1))) == [(1, 0)]
    assert list(random_graph(8)(1, Random(1))) == []
    assert len(random_graph(8)(3, Random(1))) == 3
    assert len(scale_free(4)(3, Random(1))) == 3


@pytest.mark.parametrize("make", [lambda: random_graph(1), lambda: k_regular(1), lambda: scale_free(0)])
def test_a_degree_has_to_be_possible(make: object) -> None:
    with pytest.raises(LocalProtocolError):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("nodes", [4, 5])
def test_a_network_has_to_be_large_enough_to_be_regular(nodes: int) -> None:
    with pytest.raises(LocalProtocolError, match="connections each"):
        k_regular(5)(nodes, Random(1))


def test_regions_are_as_far_apart_as_they_are() -> None:
    assert round_trip("osaka", "tokyo") == round_trip("tokyo", "osaka") == 0.009
    assert round_trip("london", "london") == 0.002
    assert all(0.005 < round_trip(one, other) < 0.35 for one in REGIONS for other in REGIONS if one != other)
    with pytest.raises(LocalProtocolError, match="atlantis"):
        round_trip("london", "atlantis")


def test_machines_are_dealt_out_over_the_regions() -> None:
    net = SimNetwork(link_of=in_regions(("london", "sydney"), jitter=0.1, loss=0.01))
    one, other, third = net.machine(), net.machine(), net.machine()
    assert [region_of(machine, ("london", "sydney")) for machine in (one, other, third)] == [
        "london",
        "sydney",
        "london",
    ]
    assert net.link(one, other).lanes[0].round_trip == pytest.approx(0.261)
    assert net.link(one, third).lanes[0].round_trip == pytest.approx(0.002)
    assert net.link(third, one).config.loss == 0.01
