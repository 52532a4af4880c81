"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Exit, Option

from p2pstack.cli.run import Backend

__all__ = [
    "ANYWHERE",
    "Address",
    "Connect",
    "Data",
    "Json",
    "KeyFile",
    "Listen",
    "ListenAnywhere",
    "Loop",
    "address",
    "end",
]


def address(text: str) -> str:
    from p2pstack.errors import LocalProtocolError
    from p2pstack.identity.address import parse_text

    try:
        parse_text(text)
    except LocalProtocolError as error:
        raise BadParameter(str(error)) from None
    return text


def end(code: int) -> None:
    """End a command with an exit code."""
    if code:
        raise Exit(code)


Address = Annotated[
    str,
    Argument(
        metavar="ADDR",
        parser=address,
        help="Where the node listens; with /p2p/<peer id> at its end that id is verified.",
    ),
]
KeyFile = Annotated[
    Path | None, Option(metavar="FILE", help="The identity to use, as made by `p2pstack key new`; default: a new one.")
]
Loop = Annotated[Backend, Option(help="The event loop to run on.")]
Json = Annotated[bool, Option("--json", help="Print one JSON object a line and nothing else.")]
Data = Annotated[
    Path | None,
    Option(
        metavar="DIR", help="Where the identity, and all else that stays, is kept; default: where the system wants it."
    ),
]
Connect = Annotated[
    list[str] | None, Option(metavar="ADDR", parser=address, help="A node to connect to; may be given again.")
]
Listen = Annotated[
    list[str] | None,
    Option(metavar="ADDR", parser=address, help="Where to listen; may be given again. Default: nowhere"),
]
#: where a node listens that is there for others: on all addresses of this machine, at a port that the system chooses
ANYWHERE = ("/ip4/0.0.0.0/tcp/0",)
ListenAnywhere = Annotated[
    list[str] | None,
    Option(
        "--listen",
        metavar="ADDR",
        parser=address,
        help=f"Where to listen; may be given again. Default: {ANYWHERE[0]}",
    ),
]
