"""What a person sees of the demo."""

from statistics import median
from types import TracebackType
from typing import Self

from rich.console import RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from p2pstack.cli.demo.links import Link, Links
from p2pstack.cli.demo.tally import Share, Tally
from p2pstack.cli.output import Output, grid, milliseconds, rate

__all__ = ["KILLED", "View"]

#: what is said of a host whose process was killed
KILLED = "was killed"


class View:
    """A table that changes where a person watches; else a line for each event, and the table at the end."""

    def __init__(self, output: Output, links: Links, tally: Tally, *, file_bytes: int) -> None:
        self._output = output
        self._links = links
        self._tally = tally
        self._file_bytes = file_bytes
        #: the hosts in the order in which they came: on which event loop, and what became of them
        self._loops: dict[str, str] = {}
        self._fates: dict[str, str] = {}
        self._live = (
            Live(get_renderable=self._table, console=output.console, refresh_per_second=10) if output.live else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif kind is None:
            self._output.show(self._table())

    def started(self, name: str, loop: str) -> None:
        """A host is there."""
        self._loops[name] = loop

    def fate(self, name: str, fate: str) -> None:
        """Something became of a host: it was killed, or joined late."""
        self._fates[name] = fate
        if self._live is None:
            self._output.say(f"{name} {fate}")

    def changed(self, link: Link, event: str) -> None:
        """Something happened on `link`."""
        if self._live is not None:
            return
        if event == "connected":
            self._output.say(f"{link.caller} reached {link.callee} at {link.addr} over {link.over}")
        elif event == "received":
            verdict = "equal hashes" if link.equal else "OTHER HASHES"
            self._output.say(
                f"{link.caller} has the file of {link.callee}: {decimal(link.received)} at {rate(link.rate)}, {verdict}"
            )

    def _table(self) -> RenderableType:
        table = grid(
            "host", "on", ">connections", ">ping", "files", ">rate", ">mesh", ">sent", ">received", ">delay", ""
        )
        for name, loop in self._loops.items():
            calls = self._links.called_by(name)
            callers = [link for link in self._links if link.callee == name]
            times = [link.rtt for link in calls if link.rtt is not None]
            share = self._tally.shares.get(name, Share())
            fate = self._fates.get(name, "")
            table.add_row(
                name,
                loop,
                str(sum(link.addr is not None for link in (*calls, *callers)) or ""),
                milliseconds(median(times)) if times else "",
                self._files(calls),
                rate(sum(link.rate for link in calls)) if any(link.received for link in calls) else "",
                str(share.mesh or ""),
                str(share.published or ""),
                str(share.received.total() or ""),
                "" if share.delay is None else milliseconds(share.delay),
                fate,
                style="dim" if fate == KILLED else "",
            )
        return table

    def _files(self, calls: list[Link]) -> RenderableType:
        if any(link.equal is False for link in calls):
            return Text("DIFFER", style="bold red")
        if not calls or all(link.equal for link in calls):
            return Text(f"{len(calls)} same hash" if calls else "", style="green")
        total = self._file_bytes * len(calls)
        return ProgressBar(total=total, completed=sum(link.received for link in calls), width=11)
