"""Which task waits where."""

from collections.abc import Iterable
from pathlib import Path
from types import CoroutineType
from typing import cast

from p2pstack.errors import P2PError

__all__ = ["Deadlock", "describe_tasks"]

#: tasks that wait at one place are named up to so many
_NAMED = 5
#: machinery that nobody wants to read of
_BELOW = ("anyio", "asyncio", "trio")


class Deadlock(P2PError):
    """Every task waits, and nothing is left that could wake any: the text says which waits where."""


def describe_tasks(tasks: Iterable[tuple[str, object]]) -> str:
    """A line for each place where tasks wait: which, how many, and by what way they came there.

    :param tasks: the name and the coroutine of each
    """
    places: dict[str, list[str]] = {}
    for name, coroutine in sorted(tasks, key=lambda task: task[0]):
        places.setdefault(" > ".join(_way(coroutine)) or "has not begun", []).append(name)
    lines: list[str] = []
    for place, names in places.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(f"  {', '.join(names[:_NAMED])}{more}: {place}")
    return "\n".join(lines)


def _way(coroutine: object) -> list[str]:
    """The functions from the task's own to the one that waits, without those of the event loop."""
    way: list[str] = []
    waits = coroutine
    while isinstance(waits, CoroutineType):
        frame = waits.cr_frame
        if frame is not None and Path(frame.f_code.co_filename).parent.parent.name not in _BELOW:
            path = Path(frame.f_code.co_filename)
            if not any(part in _BELOW for part in path.parts):
                way.append(f"{waits.__qualname__} ({path.name}:{frame.f_lineno})")
        waits = cast("object", waits.cr_await)
    return way
