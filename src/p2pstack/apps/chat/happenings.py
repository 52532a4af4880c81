"""What a chat tells whoever shows it."""

from dataclasses import dataclass
from typing import TypeAlias

from p2pstack import PeerId
from p2pstack.apps.chat.messages import Entry

__all__ = ["Happening", "Joined", "KeptBy", "Left", "NameInUse", "Said", "Told"]


@dataclass(frozen=True, slots=True)
class Said:
    """A line of a room, each once. `late`: it is from before we came, or was missed at first and found in a history, so
    that newer ones may be here already."""

    entry: Entry
    label: str
    late: bool


@dataclass(frozen=True, slots=True)
class KeptBy:
    """A line of ours is on the disks of so many others: it is in the room whatever happens to us."""

    entry: Entry
    others: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Somebody is here; or is called otherwise than `before`."""

    room: str
    peer: PeerId
    label: str
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody is not here any more."""

    room: str
    peer: PeerId
    label: str


@dataclass(frozen=True, slots=True)
class NameInUse:
    """Another member uses our name: both are shown with the ends of their peer ids from now on."""

    room: str
    nick: str
    peer: PeerId


@dataclass(frozen=True, slots=True)
class Told:
    """A private line to us."""

    peer: PeerId
    label: str
    text: str


Happening: TypeAlias = Said | KeptBy | Joined | Left | NameInUse | Told
