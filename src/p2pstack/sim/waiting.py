"""Which task waits where."""

import asyncio
from pathlib import Path
from types import CoroutineType
from typing import Any, cast

__all__ = ["describe_tasks"]

#: tasks that wait at one place are named up to so many
_NAMED = 5
#: machinery that nobody wants to read of
_BELOW = ("anyio", "asyncio", "trio")


def describe_tasks(loop: asyncio.AbstractEventLoop) -> str:
    """A line for each place where tasks wait: which, how many, and by what way they came there."""
    places: dict[str, list[str]] = {}
    for task in sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name()):
        places.setdefault(" > ".join(_way(task)) or "has not begun", []).append(task.get_name())
    lines: list[str] = []
    for place, names in places.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(f"  {', '.join(names[:_NAMED])}{more}: {place}")
    return "\n".join(lines)


def _way(task: "asyncio.Task[Any]") -> list[str]:
    """The functions from the task's own to the one that waits, without those of the event loop."""
    way: list[str] = []
    waits: Any = task.get_coro()
    while isinstance(waits, CoroutineType):
        frame = waits.cr_frame
        if frame is not None and Path(frame.f_code.co_filename).parent.parent.name not in _BELOW:
            path = Path(frame.f_code.co_filename)
            if not any(part in _BELOW for part in path.parts):
                way.append(f"{waits.__qualname__} ({path.name}:{frame.f_lineno})")
        waits = cast("Any", waits).cr_await
    return way
