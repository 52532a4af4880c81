"""What a person sees of the demo."""

from types import TracebackType
from typing import Self

from rich.console import RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from p2pstack.cli.demo.links import Link, Links
from p2pstack.cli.output import Output, grid, milliseconds, rate

__all__ = ["View"]


class View:
    """A table that changes where a person watches; else a line for each event, and the table at the end."""

    def __init__(self, output: Output, links: Links, *, file_bytes: int) -> None:
        self._output = output
        self._links = links
        self._file_bytes = file_bytes
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
        table = grid("connection", "address", "over", ">ping", "file", ">rate")
        for link in self._links:
            table.add_row(
                f"{link.caller} > {link.callee}",
                link.addr or "connecting",
                link.over,
                milliseconds(link.rtt),
                self._progress(link),
                rate(link.rate) if link.received else "",
            )
        return table

    def _progress(self, link: Link) -> RenderableType:
        if link.equal is None:
            return ProgressBar(total=self._file_bytes, completed=link.received, width=9)
        return Text("same hash", style="green") if link.equal else Text("DIFFERS", style="bold red")
