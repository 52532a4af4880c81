"""What hosts tell, in the trace."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from anyio import current_time
from anyio.abc import TaskStatus
from multiaddr import Multiaddr

from p2pstack.abc.connection import Connection
from p2pstack.abc.events import Event
from p2pstack.host import Host
from p2pstack.identity.peer_id import PeerId
from p2pstack.sim.trace import Trace

__all__ = ["watch"]

#: events that may wait: more than a host can emit before the watcher's turn
_BUFFER = 1 << 16


async def watch(
    host: Host,
    name: str,
    kinds: tuple[type[Event], ...],
    *,
    trace: Trace,
    names: Mapping[PeerId, str],
    task_status: TaskStatus[None],
) -> None:
    """Note what a host tells until it ends.

    :param kinds: which events
    :param names: of the nodes: they are in the trace in place of peer ids
    """
    with host.events.subscribe(*kinds, buffer=_BUFFER) as events:
        task_status.started()
        async for event in events:
            facts = {field.name: _plain(getattr(event, field.name), names) for field in fields(event)}
            trace.note(current_time(), type(event).__name__, node=name, **facts)


def _plain(value: Any, names: Mapping[PeerId, str]) -> Any:
    """What JSON can hold."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case PeerId():
            return names.get(value) or str(value)
        case bytes():
            return value.hex()
        case Multiaddr() | BaseException():
            return str(value)
        case Connection():
            return _plain(value.remote_peer, names)
        case tuple() | list():
            return [_plain(item, names) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _ if is_dataclass(value):
            return {field.name: _plain(getattr(value, field.name), names) for field in fields(value)}
        case _:
            return type(value).__name__
