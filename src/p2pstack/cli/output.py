"""What a command prints: tables and lines for a person, or one JSON object a line for a program."""

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console, RenderableType
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from p2pstack.abc.host import Host

__all__ = ["Output", "OutputClosed", "complain", "discard_output", "grid", "milliseconds", "printable", "rate"]

#: what lays out the lines that we write
_BLANK = "\n\t"


class OutputClosed(Exception):
    """Whoever read our standard output has had enough."""


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise OutputClosed


class Output:
    """Standard output in one of its two forms.

    :param as_json: JSON lines and nothing else; `show` and `say` are then silent
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = _Console(quiet=as_json, highlight=False)

    @property
    def live(self) -> bool:
        """Whether a person watches: tables may change and bars may grow."""
        return not self.as_json and self.console.is_terminal

    def record(self, **fields: Any) -> None:
        """One result, as a line of JSON, at once. Silent where a person reads."""
        if self.as_json:
            try:
                print(json.dumps(fields), flush=True)
            except BrokenPipeError:
                raise OutputClosed from None

    def listening(self, host: "Host", **more: Any) -> list[str]:
        """Record who a host is and where it listens. Gives its addresses, as text."""
        addrs = [str(addr) for addr in host.addrs]
        self.record(event="listening", peer_id=str(host.peer_id), addrs=addrs, **more)
        return addrs

    def say(self, text: str, *, style: str | None = None) -> None:
        """A line for a person, never wrapped: addresses are made to be copied."""
        self.console.print(escape(printable(text, also=_BLANK)), style=style, soft_wrap=True)

    def show(self, renderable: RenderableType) -> None:
        """A table or the like for a person."""
        self.console.print(renderable)

    def facts(self, **rows: str | Sequence[str] | None) -> None:
        """Names and values for a person: underscores in names show as spaces, a sequence takes a line an element."""
        for name, value in rows.items():
            label = name.replace("_", " ")
            for element in [value] if value is None or isinstance(value, str) else value or [None]:
                fact = escape(printable(element or "none", also=_BLANK))
                self.console.print(f"[bold]{label:<18}[/bold]{fact}", soft_wrap=True)
                label = ""


def printable(text: str, *, also: str = "") -> str:
    """Names are made by strangers: what would speak to the terminal is not for it.

    :param also: signs that may stay all the same
    """
    return "".join(sign if sign.isprintable() or sign in also else "?" for sign in text)


def complain(text: str) -> None:
    """One line on standard error."""
    line = printable("; ".join(part.strip() for part in text.splitlines() if part.strip()), also=_BLANK)
    print(f"p2pstack: {line}", file=sys.stderr, flush=True)


def discard_output() -> None:
    """Point standard output to nowhere, so that Python's own flush at exit does not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def grid(*columns: str, title: str | None = None) -> Table:
    """An empty table; a column whose name begins with `>` is set to the right."""
    table = Table(
        title=title, title_justify="left", header_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for column in columns:
        table.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left", overflow="fold"
        )
    return table


def rate(bytes_per_second: float) -> str:
    """Bytes per second, in decimal units."""
    return f"{decimal(round(bytes_per_second))}/s"


def milliseconds(seconds: float | None) -> str:
    """A duration in milliseconds, to the microsecond."""
    return "-" if seconds is None else f"{seconds * 1e3:.3f} ms"
