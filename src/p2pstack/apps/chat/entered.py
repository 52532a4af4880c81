"""What a person types: a line to say, or a command that begins with a slash."""

from dataclasses import dataclass
from typing import TypeAlias

from p2pstack import LocalProtocolError

__all__ = ["HELP", "Command", "File", "Help", "Join", "Leave", "Quit", "Say", "Tell", "Who", "parse"]

HELP = """\
/msg WHO TEXT   say something to one alone: a name, or a name with the end of the peer id (ann#x7Qk2f)
/join ROOM      be in another room too, and talk there
/leave          leave this room
/who            who is here
/file PATH      offer a file or folder: says a link, which `p2pstack get LINK` fetches while this runs
/quit           leave (or ctrl-q)
//TEXT          say something that begins with a slash"""


@dataclass(frozen=True, slots=True)
class Say:
    """To the room."""

    text: str


@dataclass(frozen=True, slots=True)
class Tell:
    """To one alone."""

    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Join:
    """Go to a room."""

    room: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave the room."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who is here?"""


@dataclass(frozen=True, slots=True)
class File:
    """Offer a file."""

    path: str


@dataclass(frozen=True, slots=True)
class Help:
    """What can be typed?"""


@dataclass(frozen=True, slots=True)
class Quit:
    """The end."""


Command: TypeAlias = Say | Tell | Join | Leave | Who | File | Help | Quit


def parse(line: str) -> Command | None:
    """What was meant; None by an empty line.

    :raises LocalProtocolError: no such command, or something is missing
    """
    line = line.strip()
    if not line:
        return None
    if not line.startswith("/"):
        return Say(line)
    if line.startswith("//"):
        return Say(line[1:])
    name, _, rest = line.partition(" ")
    match name, rest.strip():
        case "/msg", rest if len(words := rest.split(None, 1)) == 2:
            return Tell(*words)
        case "/join", room if room:
            return Join(room)
        case "/file", path if path:
            return File(path)
        case "/leave", "":
            return Leave()
        case "/who", "":
            return Who()
        case "/help", "":
            return Help()
        case "/quit", "":
            return Quit()
        case _:
            raise LocalProtocolError(
                f"{line[:80]}: expected one of /msg WHO TEXT, /join ROOM, /leave, /who, /file PATH"
            )
