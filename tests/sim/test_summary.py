"""Figures of a run, and its picture."""

import sys
from itertools import pairwise
from math import hypot
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalProtocolError
from p2pstack.sim import Outcome, Stage, Trace, scenario
from p2pstack.sim.page import draw, rings
from p2pstack.sim.summary import histogram, quantile

SECONDS = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1)


@given(SECONDS, st.floats(0.001, 1))
def test_as_many_values_as_wanted_do_not_exceed_a_quantile(values: list[float], part: float) -> None:
    values.sort()
    found = quantile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values)
    assert sum(value < found for value in values) <= part * len(values)


def test_nothing_has_no_quantile() -> None:
    assert quantile([], 0.5) is None


@given(SECONDS, st.integers(1, 20))
def test_a_histogram_counts_every_value_once(values: list[float], bins: int) -> None:
    found = histogram(values, bins=bins)
    assert sum(count for _, _, count in found) == len(values)
    assert found[0][0] == 0
    assert found[-1][1] == max(values)
    assert all(one[1] == other[0] for one, other in pairwise(found))


def test_a_histogram_of_nothing_is_empty() -> None:
    assert histogram([], bins=4) == []


def test_nodes_are_drawn_as_many_rings_out_as_they_are_hops_away() -> None:
    places = rings([0, 1, 2, 3, 4], [(0, 1), (1, 2), (0, 3)], 0)
    assert {node: round(hypot(*place)) for node, place in places.items()} == {0: 0, 1: 1, 3: 1, 2: 2, 4: 3}
    assert len(set(places.values())) == 5


@scenario(nodes=2)
async def nothing(stage: Stage) -> None:
    """A network in which nothing is said."""
    async with stage.network(security="plaintext") as net:
        net.partition(net.nodes[:1], net.nodes[1:])


def test_a_run_in_which_nothing_is_said_has_a_picture(tmp_path: Path) -> None:
    trace = Trace(keep=True)
    outcome = nothing.play(trace=trace)
    draw(trace.events, outcome, tmp_path / "run.svg")
    assert ElementTree.parse(tmp_path / "run.svg").getroot().tag.endswith("svg")


def test_without_matplotlib_it_tells_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(LocalProtocolError, match=r"pip install 'p2pstack\[plot\]'"):
        draw([], Outcome(scenario="s", nodes=1, seed=0), tmp_path / "run.svg")
