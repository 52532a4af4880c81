"""What can be typed."""

import sys
from collections.abc import AsyncGenerator, Awaitable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option, Typer

from p2pstack.cli.options import ANYWHERE, Connect, Data, Json, ListenAnywhere, Loop, end
from p2pstack.cli.output import Output
from p2pstack.cli.run import Backend, Failed, run

if TYPE_CHECKING:
    from p2pstack.apps.chat.terminal import Terminal

__all__ = ["commands"]

commands = Typer()

#: bytes of a line of standard input
_MAX_LINE = 65_536


@commands.command()
def chat(
    room: Annotated[str, Argument(metavar="ROOM", help="Where to talk.")],
    connect: Connect = None,
    listen: ListenAnywhere = None,
    name: Annotated[str | None, Option(metavar="NICK", help="What to be called. Default: your user name")] = None,
    data: Data = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Talk in a room, with whoever is there, and no server.

    Listens on all addresses (/ip4/0.0.0.0/tcp/0) unless told otherwise. In a pipe, lines of standard input are said; at
    its end the program waits until others keep them. With --json all that happens is a line of JSON.
    """
    output = Output(as_json=json)
    watched = output.live and sys.stdin.isatty()

    def command() -> Awaitable[None]:
        if watched and backend is Backend.TRIO:
            raise Failed("the terminal program runs on asyncio and uvloop; on trio there is --json")
        return _chat(
            output,
            room,
            connect=connect or [],
            listen=listen or ANYWHERE,
            name=name or _user(),
            folder=data,
            watched=watched,
        )

    end(run(command, backend=backend, serves=True))


async def _chat(
    output: Output,
    room: str,
    *,
    connect: Sequence[str],
    listen: Sequence[str],
    name: str,
    folder: Path | None,
    watched: bool,
) -> None:
    from anyio import create_task_group, move_on_after

    from p2pstack import GossipSub, Host, Neighbours
    from p2pstack.apps.chat.client import Client
    from p2pstack.apps.chat.offers import Offers
    from p2pstack.apps.chat.plain import Pipes
    from p2pstack.apps.chat.service import NETWORK, Chat
    from p2pstack.apps.chat.store import HistoryStore
    from p2pstack.apps.storage import data_folder, identity

    folder = folder or data_folder("chat")
    key = identity(folder)
    store = HistoryStore(folder / "history.sqlite3")
    pubsub, neighbours, offers = GossipSub(), Neighbours(connect, network=NETWORK), Offers()
    screen = _terminal() if watched else Pipes(output)
    chat = Chat(pubsub, nick=name, store=store, on_happening=screen.show)
    client = Client(chat, offers, screen)
    try:
        async with (
            Host(listen=listen, key=key, services=[pubsub, neighbours, chat]) as host,
            create_task_group() as tasks,
        ):
            await tasks.start(offers.run)
            addrs = output.listening(host)
            welcome = "\n".join(f"others come by: p2pstack chat {room} --connect {addr}" for addr in addrs)
            try:
                if isinstance(screen, Pipes):
                    output.say(welcome)
                    await client.go(room)
                    delivered = await screen.converse(client, _lines())
                else:
                    screen.attach(chat, client)
                    await screen.converse(client, room, welcome=welcome)
                    delivered = True
            finally:
                with move_on_after(2, shield=True):
                    await chat.leave_all()
            if not delivered:
                raise Failed("nobody keeps what was said: no peers found" + _why(neighbours.failures))
            tasks.cancel_scope.cancel()
    finally:
        store.close()


def _why(failures: dict[str, str]) -> str:
    reasons = [f"{addr}: {reason.splitlines()[-1].strip()}" for addr, reason in failures.items()]
    return f" ({'; '.join(reasons)})" if reasons else "; give an address of somebody to --connect to"


def _terminal() -> "Terminal":
    from p2pstack.apps.chat.terminal import Terminal

    return Terminal()


def _user() -> str:
    from getpass import getuser

    try:
        return getuser()
    except (OSError, KeyError):  # the user has no name
        return "somebody"


async def _lines() -> AsyncGenerator[str]:
    from p2pstack.cli.pipes import lines_of_input

    async for line in lines_of_input(_MAX_LINE):
        yield line.decode(errors="replace")
