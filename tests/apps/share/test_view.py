"""What a person sees."""

from io import StringIO
from types import SimpleNamespace

import pytest
from anyio import fail_after
from rich.console import Console

from p2pstack import Host, Memory, MemoryNetwork
from p2pstack.apps.share import view
from p2pstack.apps.share.service import Phase, Share
from p2pstack.apps.share.view import View


def console() -> Console:
    return Console(file=StringIO(), force_terminal=True, width=100, color_system=None)


def seen(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


async def test_a_bar_for_the_whole_and_a_line_for_each_peer(
    memory: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, source = MemoryNetwork(), memory.source(64)
    screen = console()
    share = Share(source.manifest.id, source)
    async with Host(listen=["/memory/0"], transports=[Memory(network=network)], services=[share]) as one:
        get = Share(source.manifest.id, memory.sink, bootstrap=[str(one.addrs[0])])
        with View(screen, live=True) as lines:
            lines.show(get)
            assert Phase.LOOKING.value in seen(screen)
            async with Host(transports=[Memory(network=network)], services=[get]):
                await memory.until(lambda: get.downloads)
                lines.show(get)
                monkeypatch.setattr(view, "_MAX_LINES", 0)
                lines.show(get)
                with fail_after(120):
                    await get.finished.wait()
                lines.show(share)
    assert Phase.FETCHING.value in seen(screen)
    assert str(one.peer_id) in seen(screen)
    assert "and 1 peers more" in seen(screen)
    assert "sent" in seen(screen)


def test_hashing_is_shown_now_and_then() -> None:
    screen = console()
    with View(screen, live=True) as lines:
        lines.hashed(1)
        lines.hashed(1 << 30)
    assert "hashed 1.1 GB" in seen(screen)
    assert "hashed 1 byte" not in seen(screen)


async def test_where_nobody_watches_nothing_is_drawn(memory: SimpleNamespace) -> None:
    screen = console()
    source = memory.source(1)
    with View(screen, live=False) as lines:
        lines.hashed(1 << 30)
        lines.show(Share(source.manifest.id, source))
    assert seen(screen) == ""
