"""What can be typed: commands, arguments, options. What a command does is in its own module, loaded when it runs."""

from collections.abc import Awaitable
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Exit, Option, Typer

from p2pstack.cli.options import Address, Connect, Json, KeyFile, Listen, Loop, address, end
from p2pstack.cli.output import Output
from p2pstack.cli.run import Backend, guard, run

__all__ = ["app"]

app = Typer(
    help="Peer-to-peer networking that speaks the libp2p wire protocols.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
keys = Typer(help="Make and show identity keys.", no_args_is_help=True)
app.add_typer(keys, name="key")
pubsub = Typer(help="Publish to topics, and subscribe to them, by gossipsub.", no_args_is_help=True)
app.add_typer(pubsub, name="pubsub")


class KeyKind(StrEnum):
    """The types of key that a peer may have."""

    ED25519 = "ed25519"
    SECP256K1 = "secp256k1"
    ECDSA = "ecdsa"
    RSA = "rsa"


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"p2pstack {version('p2pstack')}")
        raise Exit


Topic = Annotated[str, Argument(metavar="TOPIC", help="What it is about.")]
WhichKey = Annotated[Path, Argument(metavar="FILE", help="The key file.")]


@app.callback()
def p2pstack(
    version: Annotated[bool, Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


@keys.command("new")
def key_new(
    file: WhichKey = Path("p2pstack.key"),
    key_type: Annotated[KeyKind, Option("--type", help="The type of key.")] = KeyKind.ED25519,
    pem: Annotated[bool, Option("--pem", help="Write PKCS#8 in PEM, not what other libp2p software stores.")] = False,
    force: Annotated[bool, Option("--force", help="Replace the file if there is one.")] = False,
    json: Json = False,
) -> None:
    """Write a new identity key to FILE, readable by you only."""
    from p2pstack.cli.keys import new

    output = Output(as_json=json)
    end(guard(lambda: new(output, file, key_type=key_type.value, pem=pem, force=force)))


@keys.command("show")
def key_show(file: WhichKey = Path("p2pstack.key"), json: Json = False) -> None:
    """Show the peer id and the public key that belong to the key in FILE."""
    from p2pstack.cli.keys import show

    end(guard(lambda: show(Output(as_json=json), file)))


@app.command()
def node(
    listen: Annotated[
        list[str] | None,
        Option(
            metavar="ADDR", parser=address, help="Where to listen; may be given again. Default: /ip4/127.0.0.1/tcp/0"
        ),
    ] = None,
    key: KeyFile = None,
    connect: Connect = None,
    topic: Annotated[
        list[str] | None,
        Option(metavar="TOPIC", help="A topic of pubsub to join, and to pass on messages of; may be given again."),
    ] = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Serve a node until interrupted: identify, ping, perf and /echo/1.0.0; with --topic, pubsub.

    To be reached from other machines, listen on /ip4/0.0.0.0/tcp/4001 or the like.
    """
    from p2pstack.cli.node import node

    output = Output(as_json=json)
    addrs = listen or ["/ip4/127.0.0.1/tcp/0"]

    def command() -> Awaitable[None]:
        return node(output, listen=addrs, key_file=key, connect=connect or [], topics=topic or [])

    end(run(command, backend=backend, serves=True))


@app.command()
def ping(
    addr: Address,
    count: Annotated[int, Option(min=1, help="How many pings.")] = 5,
    interval: Annotated[float, Option(min=0, help="Seconds from one ping to the next.")] = 0,
    key: KeyFile = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Measure round trips to a node."""
    from p2pstack.cli.ping import ping

    end(run(lambda: ping(Output(as_json=json), addr, count=count, interval=interval, key_file=key), backend=backend))


@app.command()
def identify(addr: Address, key: KeyFile = None, backend: Loop = Backend.ASYNCIO, json: Json = False) -> None:
    """Ask a node who it is and what it speaks."""
    from p2pstack.cli.identify import identify

    end(run(lambda: identify(Output(as_json=json), addr, key_file=key), backend=backend))


@app.command()
def echo(
    addr: Address,
    key: KeyFile = None,
    backend: Loop = Backend.ASYNCIO,
    json: Annotated[
        bool, Option("--json", help="Print no echo, but one JSON object: how much was sent, and both SHA-256.")
    ] = False,
) -> None:
    """Send standard input through a node's /echo/1.0.0 to standard output."""
    from p2pstack.cli.echo import echo

    end(run(lambda: echo(Output(as_json=json), addr, key_file=key), backend=backend))


@app.command()
def perf(
    addr: Address,
    upload_bytes: Annotated[int, Option(min=0, metavar="N", help="Bytes to send.")] = 1 << 28,
    download_bytes: Annotated[int, Option(min=0, metavar="N", help="Bytes to receive.")] = 1 << 28,
    iterations: Annotated[int, Option(min=1, metavar="N", help="How often to measure.")] = 1,
    key: KeyFile = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Measure a node's throughput and latency through /perf/1.0.0."""
    from p2pstack.cli.perf import perf

    def command() -> Awaitable[None]:
        return perf(
            Output(as_json=json),
            addr,
            upload=upload_bytes,
            download=download_bytes,
            iterations=iterations,
            key_file=key,
        )

    end(run(command, backend=backend))


@pubsub.command("subscribe")
def pubsub_subscribe(
    topic: Topic,
    connect: Connect = None,
    listen: Listen = None,
    count: Annotated[int | None, Option(min=1, metavar="N", help="End after so many messages.")] = None,
    key: KeyFile = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Print the messages of TOPIC."""
    from p2pstack.cli.pubsub import subscribe

    output = Output(as_json=json)
    _expect_peers(connect, listen)

    def command() -> Awaitable[None]:
        return subscribe(output, topic, connect=connect or [], listen=listen or [], count=count, key_file=key)

    end(run(command, backend=backend, serves=count is None))


@pubsub.command("publish")
def pubsub_publish(
    topic: Topic,
    data: Annotated[
        list[str] | None, Argument(metavar="DATA", help="Messages; default: the lines of standard input.")
    ] = None,
    connect: Connect = None,
    listen: Listen = None,
    wait: Annotated[float, Option(min=0, metavar="SECONDS", help="How long to wait for somebody to publish to.")] = 30,
    key: KeyFile = None,
    backend: Loop = Backend.ASYNCIO,
    json: Json = False,
) -> None:
    """Publish messages to TOPIC, once somebody there is found."""
    from p2pstack.cli.pubsub import publish

    output = Output(as_json=json)
    _expect_peers(connect, listen)

    def command() -> Awaitable[None]:
        return publish(
            output, topic, data=data or [], connect=connect or [], listen=listen or [], wait=wait, key_file=key
        )

    end(run(command, backend=backend))


@app.command()
def demo(
    hosts: Annotated[int, Option(min=3, max=25, help="How many hosts.")] = 10,
    file_bytes: Annotated[int, Option(min=1, metavar="N", help="How large a file each host has.")] = 1 << 24,
    seconds: Annotated[float, Option(min=0.1, metavar="SECONDS", help="How long they publish messages.")] = 12,
    json: Json = False,
) -> None:
    """Start several hosts on this machine that call each other by peer id, fetch each other's files, and publish.

    While messages flow in a mesh, one of the hosts is killed and another one joins.
    """
    from p2pstack.cli.demo.director import demo

    end(run(lambda: demo(Output(as_json=json), hosts=hosts, file_bytes=file_bytes, seconds=seconds)))


@app.command()
def sim(
    scenario: Annotated[
        Path | None,
        Argument(metavar="SCENARIO.py", help="A file with a scenario, such as those in examples/scenarios."),
    ] = None,
    nodes: Annotated[
        list[int] | None,
        Option(min=1, metavar="N", help="How many nodes; may be given again. Default: as the scenario says"),
    ] = None,
    seed: Annotated[int, Option(help="Of all that is left to chance: the same seed gives the same run.")] = 0,
    seeds: Annotated[int, Option(min=1, metavar="N", help="Play with so many seeds, from --seed on.")] = 1,
    settings: Annotated[
        list[str] | None,
        Option("--set", metavar="NAME=VALUE", help="A parameter of the scenario; may be given again, to try them all."),
    ] = None,
    trace: Annotated[Path | None, Option(metavar="FILE", help="Keep what happens in FILE, as JSON lines.")] = None,
    replay: Annotated[
        Path | None, Option(metavar="FILE", help="Play what is in FILE again, and see whether it is the same.")
    ] = None,
    page: Annotated[Path | None, Option(metavar="FILE", help="Draw the run into FILE, as SVG.")] = None,
    processes: Annotated[
        int | None, Option(min=1, metavar="N", help="Runs at a time. Default: as many as there are cores")
    ] = None,
    dask: Annotated[
        str | None, Option(metavar="ADDRESS", help="Play on a Dask cluster: its scheduler's address, or `local`.")
    ] = None,
    json: Json = False,
) -> None:
    """Play a scenario: many nodes with the whole stack, on a simulated network, in virtual time."""
    from p2pstack.cli.sim import simulate

    def command() -> None:
        simulate(
            Output(as_json=json),
            scenario,
            nodes=nodes or [],
            seeds=range(seed, seed + seeds),
            settings=settings or [],
            trace=trace,
            again=replay,
            page=page,
            processes=processes,
            dask=dask,
        )

    end(guard(command))


def _expect_peers(connect: list[str] | None, listen: list[str] | None) -> None:
    if not connect and not listen:
        raise BadParameter("give at least one node to --connect to, or an address to --listen on")


# Applications bring their commands, those of p2pstack and anybody's: each entry point of this group is a `Typer`.
for _commands in entry_points(group="p2pstack.commands"):
    app.add_typer(_commands.load())
