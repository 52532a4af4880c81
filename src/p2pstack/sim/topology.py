"""Who connects to whom.

A topology is a function of the number of nodes and of a source of randomness that gives pairs: who dials, and who is
dialled. All of these are connected: from each node there is a way to every other.

==================  ==============================================================================================
`nobody`            no connections: nodes make theirs themselves
`full`              everybody with everybody
`line`, `ring`      each with the next one
`star`              all with the first one
`random_graph`      a ring, and as many pairs by chance as give each node `degree` connections on average
`k_regular`         each has exactly `k`, by chance (Steger and Wormald's degree, by swaps of edges)
`scale_free`        who has many gets more (Barabási and Albert): a few hubs, many leaves
==================  ==============================================================================================
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

from p2pstack.errors import LocalProtocolError

__all__ = ["Topology", "full", "k_regular", "line", "nobody", "random_graph", "ring", "scale_free", "star"]

#: Of the number of nodes and a source of randomness; pairs of nodes, by number: who dials, and who is dialled.
Topology: TypeAlias = Callable[[int, Random], Sequence[tuple[int, int]]]


def nobody(nodes: int, random: Random) -> Sequence[tuple[int, int]]:
    """No connections."""
    return ()


def full(nodes: int, random: Random) -> Sequence[tuple[int, int]]:
    """Everybody with everybody."""
    return [(one, other) for one in range(nodes) for other in range(one)]


def line(nodes: int, random: Random) -> Sequence[tuple[int, int]]:
    """Each with the one before."""
    return [(node, node - 1) for node in range(1, nodes)]


def ring(nodes: int, random: Random) -> Sequence[tuple[int, int]]:
    """A line whose ends are connected."""
    return [*line(nodes, random), *([(0, nodes - 1)] if nodes > 2 else ())]


def star(nodes: int, random: Random) -> Sequence[tuple[int, int]]:
    """All with the first one."""
    return [(node, 0) for node in range(1, nodes)]


def random_graph(degree: float = 8) -> Topology:
    """A ring, and pairs by chance.

    :param degree: connections that a node has on average
    """
    if degree < 2:
        raise LocalProtocolError(f"random_graph: expected a degree of at least 2, got {degree}")

    def edges(nodes: int, random: Random) -> Sequence[tuple[int, int]]:
        found = {_undirected(*edge): edge for edge in ring(nodes, random)}
        wanted = min(round(nodes * degree / 2), nodes * (nodes - 1) // 2)
        while len(found) < wanted:
            edge = random.randrange(nodes), random.randrange(nodes)
            if edge[0] != edge[1]:
                found.setdefault(_undirected(*edge), edge)
        return list(found.values())

    return edges


def k_regular(k: int = 8) -> Topology:
    """Each node has exactly `k` connections.

    :param k: an even number, or there must be an even number of nodes; less than there are nodes
    """
    if k < 2:
        raise LocalProtocolError(f"k_regular: expected at least 2 connections a node, got {k}")

    def edges(nodes: int, random: Random) -> Sequence[tuple[int, int]]:
        if k >= nodes or nodes * k % 2:
            raise LocalProtocolError(f"no network of {nodes} nodes has {k} connections each: choose another k")
        while True:
            found = _swapped(_lattice(nodes, k), random)
            if _connected(nodes, found):
                return found

    return edges


def _lattice(nodes: int, k: int) -> list[tuple[int, int]]:
    found = [(node, (node + step) % nodes) for node in range(nodes) for step in range(1, k // 2 + 1)]
    if k % 2:
        found += [(node, node + nodes // 2) for node in range(nodes // 2)]
    return found


def _swapped(edges: list[tuple[int, int]], random: Random) -> list[tuple[int, int]]:
    """Two edges exchange ends, again and again: nobody gets more of them, or fewer."""
    known = {_undirected(*edge) for edge in edges}
    for _ in range(10 * len(edges)):
        first, second = random.randrange(len(edges)), random.randrange(len(edges))
        (a, b), (c, d) = edges[first], edges[second]
        new = _undirected(a, d), _undirected(c, b)
        if len({a, b, c, d}) == 4 and not known & set(new):
            known -= {_undirected(a, b), _undirected(c, d)}
            known |= set(new)
            edges[first], edges[second] = (a, d), (c, b)
    return edges


def scale_free(links: int = 4) -> Topology:
    """Each new node connects to `links` that are there, with a chance in proportion to how many they have."""
    if links < 1:
        raise LocalProtocolError(f"scale_free: expected at least 1 connection for a new node, got {links}")

    def edges(nodes: int, random: Random) -> Sequence[tuple[int, int]]:
        core = min(links + 1, nodes)
        found = list(full(core, random))
        ends = [end for edge in found for end in edge]
        for node in range(core, nodes):
            chosen: dict[int, None] = {}
            while len(chosen) < links:
                chosen[random.choice(ends)] = None
            for other in chosen:
                found.append((node, other))
                ends += (node, other)
        return found

    return edges


def _undirected(one: int, other: int) -> tuple[int, int]:
    return (one, other) if one < other else (other, one)


def _connected(nodes: int, edges: Sequence[tuple[int, int]]) -> bool:
    neighbours: list[list[int]] = [[] for _ in range(nodes)]
    for one, other in edges:
        neighbours[one].append(other)
        neighbours[other].append(one)
    seen, todo = {0}, [0]
    while todo:
        for other in neighbours[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return len(seen) == nodes
