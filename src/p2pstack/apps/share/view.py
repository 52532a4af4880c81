"""What a person sees of a content that is shared or fetched: a bar for the whole, and a line for each peer."""

from types import TracebackType
from typing import Self

from anyio import current_time
from rich.console import Console, Group
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from p2pstack.apps.share.service import Phase, Share

__all__ = ["View"]

#: peers that are shown
_MAX_LINES = 12
#: how much the newest rate counts
_SMOOTHING = 0.2


class View:
    """Lines that change.

    :param live: whether there is somebody who sees them: else nothing is drawn
    """

    def __init__(self, console: Console, *, live: bool) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True) if live else None
        self._hashed = 0
        self._last: tuple[float, int] | None = None
        self._rate = 0.0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def hashed(self, done: int) -> None:
        """So many bytes that are here already have been hashed."""
        if self._live is not None and done - self._hashed > 1 << 24:
            self._hashed = done
            self._live.update(Text(f"hashed {decimal(done)}", style="dim"), refresh=True)

    def show(self, share: Share) -> None:
        """Show how far it is."""
        if self._live is not None and share.phase is not Phase.OPENING:
            self._live.update(self._draw(share), refresh=True)

    def _draw(self, share: Share) -> Group:
        now, total = current_time(), share.manifest.size if share.manifest else 0
        moved = share.sent if share.phase is Phase.COMPLETE else share.done
        if self._last is not None and now > self._last[0] and moved >= self._last[1]:
            self._rate += _SMOOTHING * ((moved - self._last[1]) / (now - self._last[0]) - self._rate)
        self._last = now, moved
        head = Table.grid(padding=(0, 1))
        if share.phase is Phase.COMPLETE:
            head.add_row("sent", decimal(share.sent), f"{decimal(round(self._rate))}/s", "ctrl-c ends")
        else:
            part = f"{share.done / total:.1%}" if total else ""
            bar = ProgressBar(total or 1, share.done, width=40)
            head.add_row(share.phase.value, bar, part, decimal(share.done), f"{decimal(round(self._rate))}/s")
        lines = Table.grid(padding=(0, 1))
        most = sorted(share.downloads.values(), key=lambda download: -download.received)
        for download in most[:_MAX_LINES]:
            has = download.has.bit_count() / max(share.manifest.count if share.manifest else 1, 1)
            lines.add_row(str(download.peer), f"has {has:.0%}", decimal(download.received))
        more = f"and {len(most) - _MAX_LINES} peers more" if len(most) > _MAX_LINES else ""
        return Group(head, lines, Text(more, style="dim"))
