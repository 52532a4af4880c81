"""A run as a picture: one SVG file that a browser shows, drawn by matplotlib.

==================  =================================================================================================
readers             how many nodes read, over time
messages            deliveries a second, over time; a mark for each message, where it was published
delivery latency    what part of the deliveries took how long at most
mesh                who exchanges messages with whom at the end: in the middle the node that published first, around it
                    those that are one hop away, and so on; outermost those that it does not reach
==================  =================================================================================================
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from p2pstack.errors import LocalProtocolError
from p2pstack.sim.summary import Outcome

__all__ = ["draw", "rings"]

_INK, _SOFT, _LOST = "#1f6feb", "#9aa4b2", "#d1242f"
#: columns of the messages over time
_COLUMNS = 80

Event = Mapping[str, Any]


def rings(nodes: Sequence[int], links: Sequence[tuple[int, int]], middle: int) -> dict[int, tuple[float, float]]:
    """Where nodes are drawn: at a distance of as many units from the origin as they are hops from `middle`. Those
    that cannot be reached are in the ring after the last."""
    neighbours: dict[int, list[int]] = {node: [] for node in nodes}
    for one, other in links:
        neighbours.setdefault(one, []).append(other)
        neighbours.setdefault(other, []).append(one)
    hops = {middle: 0}
    todo = deque([middle])
    while todo:
        node = todo.popleft()
        for other in neighbours.get(node, ()):
            if other not in hops:
                hops[other] = hops[node] + 1
                todo.append(other)
    outermost = max(hops.values()) + 1
    by_ring: dict[int, list[int]] = {}
    for node in dict.fromkeys((*hops, *neighbours)):  # those reached by one another next to each other
        by_ring.setdefault(hops.get(node, outermost), []).append(node)
    places: dict[int, tuple[float, float]] = {}
    for ring, members in by_ring.items():
        for place, node in enumerate(members):
            angle = 2 * math.pi * (place + ring / 2) / len(members)
            places[node] = ring * math.cos(angle), ring * math.sin(angle)
    return places


def draw(events: Sequence[Event], outcome: Outcome, path: Path) -> None:
    """Write the picture.

    :param events: what the trace kept
    :raises LocalProtocolError: matplotlib is not installed
    :raises OSError: the file cannot be written
    """
    try:
        mpl: Any = import_module("matplotlib")
    except ModuleNotFoundError:
        raise LocalProtocolError("matplotlib is not installed: pip install 'p2pstack[plot]'") from None
    figures: Any = import_module("matplotlib.figure")
    # The same run gives the same file.
    with mpl.rc_context({"svg.hashsalt": outcome.trace_hash, "font.size": 9}):
        figure = figures.Figure(figsize=(13, 8), layout="constrained")
        (top_left, top_right), (bottom_left, bottom_right) = figure.subplots(2, 2)
        _draw_readers(top_left, events, outcome)
        _draw_messages(top_right, events)
        _draw_delays(bottom_left, outcome)
        _draw_mesh(bottom_right, events)
        figure.suptitle(
            f"{outcome.scenario}: {outcome.nodes:,} nodes, seed {outcome.seed}, {outcome.delivered:,} of "
            f"{outcome.expected:,} deliveries\ntrace hash {outcome.trace_hash}"
        )
        for axes in (top_left, top_right, bottom_left):
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _of(events: Sequence[Event], kind: str) -> list[Event]:
    return [event for event in events if event["kind"] == kind]


def _draw_readers(axes: Any, events: Sequence[Event], outcome: Outcome) -> None:
    times, readers = [0.0], [0]
    for event in events:
        change = {"reads": 1, "ended": -1}.get(event["kind"], 0)
        if change:
            times.append(event["t"])
            readers.append(readers[-1] + change)
    axes.step([*times, outcome.virtual_s], [*readers, readers[-1]], where="post", color=_INK)
    for event in events:
        if event["kind"] in ("partition", "heal"):
            axes.axvline(event["t"], color=_LOST, linewidth=0.8)
            axes.text(event["t"], 0, f" {event['kind']}", color=_LOST, rotation=90, va="bottom")
    axes.set(title="nodes that read", xlabel="seconds of virtual time", ylim=(0, None))


def _draw_messages(axes: Any, events: Sequence[Event]) -> None:
    times = [event["t"] for event in _of(events, "heard")]
    if times:
        width = (max(times) - min(times)) / _COLUMNS or 1.0
        counts = [0] * (_COLUMNS + 1)
        for time in times:
            counts[int((time - min(times)) / width)] += 1
        starts = [min(times) + width * column for column in range(len(counts))]
        axes.bar(starts, [count / width for count in counts], width=width, align="edge", color=_INK)
    published = [event["t"] for event in _of(events, "published")]
    axes.plot(published, [0] * len(published), "^", color=_LOST, markersize=4, label="published", clip_on=False)
    axes.legend(frameon=False)
    axes.set(title="deliveries a second", xlabel="seconds of virtual time")


def _draw_delays(axes: Any, outcome: Outcome) -> None:
    delays = outcome.delays
    axes.step(
        [0.0, *(delay * 1e3 for delay in delays)],
        [number / max(outcome.expected, 1) for number in range(len(delays) + 1)],
        where="post",
        color=_INK,
    )
    axes.axhline(1.0, color=_SOFT, linewidth=0.8)
    axes.set(title="part of the deliveries made within", xlabel="milliseconds", ylim=(0, 1.02), xlim=(0, None))


def _draw_mesh(axes: Any, events: Sequence[Event]) -> None:
    collections: Any = import_module("matplotlib.collections")
    meshes = _of(events, "mesh")
    axes.set_axis_off()
    axes.set_aspect("equal")
    if not meshes or not meshes[-1]["nodes"]:
        axes.set_title("no mesh")
        return
    mesh = meshes[-1]
    authors = [event["node"] for event in _of(events, "published") if event["node"] in mesh["nodes"]]
    links = [(one, other) for one, other in mesh["links"]]
    places = rings(mesh["nodes"], links, authors[0] if authors else mesh["nodes"][0])
    segments = [(places[one], places[other]) for one, other in links]
    axes.add_collection(collections.LineCollection(segments, colors=_SOFT, linewidths=0.3))
    axes.scatter(*zip(*places.values(), strict=True), s=max(2, 60 / math.sqrt(len(places))), color=_INK, zorder=2)
    axes.set_title(f"mesh of {mesh['topic']} at the end: {len(places):,} nodes, {len(links):,} links")
