"""What can be typed."""

from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, BadParameter, Option, Typer

from p2pstack.cli.options import ANYWHERE, Connect, Data, Json, ListenAnywhere, Loop, end
from p2pstack.cli.output import Output, complain
from p2pstack.cli.run import Backend, run

if TYPE_CHECKING:
    from p2pstack import Neighbours
    from p2pstack.apps.doc.service import SharedText

__all__ = ["commands"]

commands = Typer()

#: seconds until somebody who was named has to have answered, for a person not to be told
_PATIENCE = 3.0


def _name(text: str) -> str:
    if not 0 < len(text) <= 100 or not text.isprintable():
        raise BadParameter("a name has 1 to 100 characters that can be printed")
    return text


@commands.command()
def doc(
    name: Annotated[str, Argument(metavar="NAME", parser=_name, help="What all who write it call the document.")],
    connect: Connect = None,
    listen: ListenAnywhere = None,
    port: Annotated[
        int, Option(min=0, max=65_535, metavar="N", help="The port of the page on this machine; 0: a free one.")
    ] = 0,
    data: Data = None,
    page: Annotated[bool, Option("--page/--no-page", help="Serve a page with an editor to this machine.")] = True,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Write a text together, in an editor in the browser: all who open NAME see what the others type.

    What was written while nobody else was there is merged when they meet. Listens on all addresses, unless told where.

    With --json, edits are lines of standard input, one each: {"insert": [position, "text"]} or
    {"delete": [position, count]}.
    """
    output = Output(as_json=json)
    addrs = listen or ANYWHERE

    def command() -> Awaitable[None]:
        return _serve(output, name, connect=connect or [], listen=addrs, port=port if page else None, data=data)

    end(run(command, backend=backend, serves=True))


async def _serve(
    output: Output, name: str, *, connect: Sequence[str], listen: Sequence[str], port: int | None, data: Path | None
) -> None:
    """Share a document until cancelled."""
    from anyio import create_task_group

    from p2pstack import GossipSub, Host, Neighbours, Service
    from p2pstack.apps.doc.folder import Folder
    from p2pstack.apps.doc.lines import obey, tell
    from p2pstack.apps.doc.service import SharedText, network_of
    from p2pstack.cli.pipes import lines_of_input

    folder = Folder(name, data)
    with folder.open_log() as log:
        if log.cut:
            complain(f"{log.path}: the last {log.cut} bytes were of an edit that had not been saved, and are gone")
        pubsub = GossipSub()
        shared = SharedText(name, pubsub, log=log)
        neighbours = Neighbours(connect, network=network_of(name))
        services: list[Service] = [pubsub, shared, neighbours]
        url = None
        if port is not None:
            from p2pstack.apps.doc.page.server import Page

            page = Page(shared, port=port, secret=folder.secret())
            services.append(page)
            url = page.url
        async with Host(key=folder.key(), listen=listen, services=services) as host, create_task_group() as tasks:
            output.facts(document=name, kept_in=str(log.path), listening_on=output.listening(host))
            if url is not None:
                output.record(event="page", url=url)
                output.facts(editor=url)
            tasks.start_soon(_tell_failures, output, neighbours, connect)
            if output.as_json:
                tasks.start_soon(tell, shared, output.record)
                await obey(shared, lines_of_input(), output.record)
            elif output.live:
                tasks.start_soon(_show, output, shared)


async def _tell_failures(output: Output, neighbours: "Neighbours", connect: Sequence[str]) -> None:
    """Say once who of those that were named cannot be reached; they are called again."""
    from anyio import sleep

    told = set[str]()
    while len(told) < len(connect):
        await sleep(_PATIENCE)
        for addr in neighbours.failures.keys() - told:
            told.add(addr)
            reason = neighbours.failures[addr]
            complain(f"{reason}; the document is open all the same, and {addr} is called again")
            output.record(event="unreachable", addr=addr, error=reason)


async def _show(output: Output, shared: "SharedText") -> None:
    """Keep a line with who is there, where a person watches."""
    from anyio import sleep
    from rich.live import Live
    from rich.text import Text

    with Live(console=output.console, auto_refresh=False) as live:
        while True:
            members, names = len(shared.members), [editor.name for editor in shared.editors]
            line = (
                f"{len(str(shared)):,} characters, {'saved' if shared.saved else 'saving'}; "
                f"{members} other{'' if members == 1 else 's'} connected; "
                f"{', '.join(names) or 'nobody'} editing; ctrl-c ends"
            )
            live.update(Text(line, style="dim"), refresh=True)
            await sleep(0.5)
