"""What can be typed: `p2pstack share` and `p2pstack get`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from anyio import create_task_group, current_time, move_on_after, sleep
from typer import Argument, BadParameter, Option, Typer

from p2pstack.cli.options import ANYWHERE, Connect, Data, Json, ListenAnywhere, Loop, end
from p2pstack.cli.output import Output, rate
from p2pstack.cli.run import Backend, Failed, run

if TYPE_CHECKING:
    from p2pstack import Host
    from p2pstack.apps.share.link import Link
    from p2pstack.apps.share.service import Share
    from p2pstack.apps.share.view import View

__all__ = ["commands"]

commands = Typer()

#: between two looks at how far it is: seconds where a person watches, and for programs
_REFRESH_INTERVAL, _RECORD_INTERVAL = 0.2, 1.0


@commands.command()
def share(
    paths: Annotated[list[Path], Argument(metavar="PATH...", help="Files and folders.", exists=True)],
    name: Annotated[str | None, Option(metavar="NAME", help="What it is called; default: as PATH.")] = None,
    connect: Connect = None,
    listen: ListenAnywhere = None,
    data: Data = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Print a link to files and folders, and serve them to everybody who has it, until interrupted.

    The system chooses a port, on all addresses of this machine; for a link that stays the same, give --listen.
    """
    output = Output(as_json=json)
    addrs = listen or ANYWHERE
    end(run(lambda: _share(output, paths, name, connect or [], addrs, data), backend=backend, serves=True))


@commands.command()
def get(
    link: Annotated[str, Argument(metavar="LINK", help="As printed by `p2pstack share`.")],
    folder: Annotated[Path, Option("--output", "-o", metavar="DIR", help="Where to put it.")] = Path(),
    seed: Annotated[bool, Option("--seed", help="Go on serving it when all is here, until interrupted.")] = False,
    wait: Annotated[
        float, Option(min=0.1, metavar="SECONDS", help="How long to be without anybody who has it before giving up.")
    ] = 60,
    connect: Connect = None,
    listen: ListenAnywhere = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Fetch what a link stands for, from everybody who has parts of it, and serve those parts meanwhile.

    When interrupted or killed, the same command goes on where it was.
    """
    from p2pstack import LocalProtocolError
    from p2pstack.apps.share.link import Link

    try:
        parsed = Link.parse(link)
    except LocalProtocolError as error:
        raise BadParameter(str(error)) from None
    output = Output(as_json=json)
    addrs = listen or ANYWHERE
    end(run(lambda: _get(output, parsed, folder, seed, wait, connect or [], addrs), backend=backend, serves=seed))


async def _share(
    output: Output,
    paths: Sequence[Path],
    name: str | None,
    connect: Sequence[str],
    listen: Sequence[str],
    data: Path | None,
) -> None:
    from anyio import to_thread

    from p2pstack import Host
    from p2pstack.apps.share.files import scan
    from p2pstack.apps.share.service import Share
    from p2pstack.apps.share.view import View
    from p2pstack.apps.storage import data_folder, identity

    with View(output.console, live=output.live) as view:
        files = await to_thread.run_sync(lambda: scan(paths, name=name, progress=view.hashed), abandon_on_cancel=True)
        manifest = files.manifest
        key = identity((data or data_folder("share")) / manifest.id.hex()[:16])
        service = Share(manifest.id, files, bootstrap=connect)
        async with Host(key=key, listen=listen, services=[service]) as host:
            link = _link_to(service, host)
            facts = {"name": manifest.name, "bytes": manifest.size, "files": len(manifest.files)}
            output.record(link=link, **facts, peer_id=str(host.peer_id), addrs=[str(addr) for addr in host.addrs])
            output.say(f"{manifest.name}: {manifest.size:,} bytes, {len(manifest.files):,} files. To fetch it:\n")
            output.say(f"p2pstack get {link}\n", style="bold")
            while True:
                view.show(service)
                await sleep(_REFRESH_INTERVAL)


async def _get(
    output: Output, link: Link, folder: Path, seed: bool, wait: float, connect: Sequence[str], listen: Sequence[str]
) -> None:
    from p2pstack import Host
    from p2pstack.apps.share.files import open_for
    from p2pstack.apps.share.service import Share
    from p2pstack.apps.share.view import View

    began_at = current_time()
    with View(output.console, live=output.live) as view:
        service = Share(
            link.id, lambda it: open_for(it, folder, progress=view.hashed), bootstrap=[*link.addrs, *connect]
        )
        async with Host(listen=listen, services=[service]) as host:
            output.listening(host)
            async with create_task_group() as tasks:
                tasks.start_soon(_tell, output, service, link)
                await _fetched(service, view, wait)
                tasks.cancel_scope.cancel()
            manifest = service.manifest
            assert manifest is not None
            seconds = current_time() - began_at
            facts = {"path": str(service.path), "bytes": manifest.size, "seconds": round(seconds, 3)}
            output.record(event="done", **facts, peers=len(service.received), link=_link_to(service, host))
            view.show(service)
            output.say(f"{service.path}: {manifest.size:,} bytes in {seconds:.1f} s, {rate(manifest.size / seconds)}")
            while seed:
                view.show(service)
                await sleep(_REFRESH_INTERVAL)


async def _fetched(service: Share, view: View, wait: float) -> None:
    """Wait until all is here; not forever for somebody who has it."""
    from p2pstack.apps.share.service import Phase

    seen_at = current_time()
    while not service.finished.is_set():
        view.show(service)
        if service.phase is not Phase.LOOKING:
            seen_at = current_time()
        elif current_time() - seen_at > wait:
            reasons = "; ".join(f"{addr}: {why}" for addr, why in service.neighbours.failures.items())
            raise Failed(f"nobody who has it was found in {wait:g} s{reasons and ': '}{reasons}")
        with move_on_after(_REFRESH_INTERVAL):
            await service.finished.wait()


async def _tell(output: Output, service: Share, link: Link) -> None:
    """How far it is, once a second."""
    while True:
        await sleep(_RECORD_INTERVAL)
        total = service.manifest.size if service.manifest else link.size
        output.record(event="progress", bytes=service.done, total=total, peers=len(service.downloads))


def _link_to(service: Share, host: Host) -> str:
    """The link under which a host serves."""
    from p2pstack.apps.share.link import Link

    manifest = service.manifest
    assert manifest is not None
    addrs = [str(addr) for addr in host.addrs]
    return str(Link(id=manifest.id, size=manifest.size, name=manifest.name, addrs=addrs))
