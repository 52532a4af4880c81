"""`p2pstack node`: serve until interrupted, and tell who comes and goes."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.text import Text

from p2pstack.abc.events import Event, PeerConnected, PeerDisconnected, PeerIdentified
from p2pstack.abc.host import Host
from p2pstack.cli.hosts import make_host
from p2pstack.cli.output import Output, complain, grid, milliseconds
from p2pstack.errors import P2PError
from p2pstack.protocols.echo import Echo
from p2pstack.protocols.perf import Perf
from p2pstack.pubsub import GossipSub, Grafted, Message, PeerJoined, PeerLeft, PubSub, TopicSubscription

__all__ = ["node"]

#: between two looks at the connections, where a person watches, in seconds
_REFRESH_INTERVAL = 0.5
_TOLD = (PeerConnected, PeerDisconnected, PeerIdentified, PeerJoined, PeerLeft, Grafted)


async def node(
    output: Output, *, listen: Sequence[str], key_file: Path | None, connect: Sequence[str], topics: Sequence[str]
) -> None:
    """Serve identify, ping, perf and echo, and pass on the messages of topics, until cancelled."""
    pubsub = GossipSub()
    services = [Perf(), Echo(), *([pubsub] if topics else [])]
    async with make_host(key_file, listen=listen, services=services) as host, AsyncExitStack() as joined:
        with host.events.subscribe(*_TOLD) as events:
            subscriptions = [
                await joined.enter_async_context(pubsub.subscribe(topic)) for topic in dict.fromkeys(topics)
            ]
            output.facts(peer_id=str(host.peer_id), listening_on=output.listening(host))
            async with anyio.create_task_group() as tasks:
                for subscription in subscriptions:
                    output.record(event="topic_joined", topic=subscription.topic)
                    output.facts(topic=subscription.topic)
                    tasks.start_soon(_drain, subscription)
                for addr in connect:
                    tasks.start_soon(_connect, output, host, addr)
                if output.live:
                    tasks.start_soon(_watch, output, host, pubsub if topics else None)
                async for event in events:
                    _tell(output, host, event)


async def _connect(output: Output, host: Host, addr: str) -> None:
    """A node that cannot be reached keeps nobody from reaching this one."""
    try:
        await host.connect(addr)
    except P2PError as error:
        complain(str(error))
        output.record(event="dial_failed", addr=addr, error=str(error))


async def _drain(messages: TopicSubscription[Message]) -> None:
    """Being in a topic is all that passing its messages on takes."""
    async for _ in messages:
        pass


def _tell(output: Output, host: Host, event: Event) -> None:
    say = partial(output.say, style="dim") if output.live else output.say
    match event:
        case PeerConnected(peer=peer):
            connections = host.connections_to(peer)
            addr = str(connections[0].remote_addr) if connections else None
            direction = connections[0].direction.value if connections else None
            output.record(event="peer_connected", peer_id=str(peer), addr=addr, direction=direction)
            say(f"connected     {peer} {direction or ''} {addr or ''}")
        case PeerDisconnected(peer=peer):
            output.record(event="peer_disconnected", peer_id=str(peer))
            say(f"disconnected  {peer}")
        case PeerIdentified(peer=peer, agent_version=agent, protocols=protocols, pushed=pushed):
            output.record(
                event="peer_identified",
                peer_id=str(peer),
                agent_version=agent,
                protocols=list(protocols),
                pushed=pushed,
            )
            say(f"identified    {peer} as {agent}, {len(protocols)} protocols")
        case PeerJoined(peer=peer, topic=topic):
            output.record(event="peer_joined", peer_id=str(peer), topic=topic)
            say(f"joined        {peer} {topic}")
        case Grafted(peer=peer, topic=topic):
            output.record(event="peer_grafted", peer_id=str(peer), topic=topic)
            say(f"in the mesh   {peer} {topic}")
        case PeerLeft(peer=peer, topic=topic):
            output.record(event="peer_left", peer_id=str(peer), topic=topic)
            say(f"left          {peer} {topic}")
        case _:
            pass


async def _watch(output: Output, host: Host, pubsub: PubSub | None) -> None:
    """Keep a table of the connections below the lines."""
    with Live(console=output.console, auto_refresh=False) as live:
        while True:
            live.update(_table(host, pubsub), refresh=True)
            await anyio.sleep(_REFRESH_INTERVAL)


def _table(host: Host, pubsub: PubSub | None) -> RenderableType:
    connections = host.connections
    if not connections:
        return Text("nobody is connected; ctrl-c ends", style="dim")
    table = grid("peer", "software", "", "address", "over", ">round trip", ">received", ">sent")
    for connection in connections:
        table.add_row(
            str(connection.remote_peer),
            host.peerstore.agent_version(connection.remote_peer) or "",
            connection.direction.value,
            str(connection.remote_addr),
            f"{connection.security} {connection.muxer}",
            milliseconds(connection.rtt),
            decimal(connection.bytes_received),
            decimal(connection.bytes_sent),
        )
    if pubsub is None:
        return Group(table, Text("ctrl-c ends", style="dim"))
    stats = pubsub.stats
    topics = ", ".join(f"{topic} ({len(pubsub.mesh(topic))} in the mesh)" for topic in pubsub.topics)
    line = f"pubsub: {topics}; {stats.delivered} messages, {stats.duplicates} duplicates, {stats.rejected} rejected"
    return Group(table, Text(line), Text("ctrl-c ends", style="dim"))
