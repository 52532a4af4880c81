"""`p2pstack pubsub subscribe` and `p2pstack pubsub publish`: gossipsub from the command line."""

from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio

from p2pstack.abc.events import PeerDisconnected
from p2pstack.abc.host import Host
from p2pstack.cli.hosts import make_host
from p2pstack.cli.output import Output
from p2pstack.cli.pipes import lines_of_input
from p2pstack.cli.run import Failed
from p2pstack.pubsub import GossipSub, Message

__all__ = ["publish", "record_of", "subscribe"]


async def subscribe(
    output: Output,
    topic: str,
    *,
    connect: Sequence[str],
    listen: Sequence[str],
    count: int | None,
    key_file: Path | None,
) -> None:
    """Print the messages of a topic, `count` of them or all that come."""
    pubsub = GossipSub()
    async with make_host(key_file, listen=listen, services=[pubsub]) as host, pubsub.subscribe(topic) as messages:
        await _connect(host, connect)
        async with anyio.create_task_group() as tasks:
            if connect and not listen:
                tasks.start_soon(_fail_when_alone, host)
            seen = 0
            while count is None or seen < count:
                message = await anext(messages)
                seen += 1
                output.record(**record_of(message))
                output.say(f"{message.source}  {_text_of(message.data)[0]}")
            tasks.cancel_scope.cancel()


async def publish(
    output: Output,
    topic: str,
    *,
    data: Sequence[str],
    connect: Sequence[str],
    listen: Sequence[str],
    wait: float,
    key_file: Path | None,
) -> None:
    """Publish `data`, or the lines of standard input, once there is somebody to publish to."""
    pubsub = GossipSub()
    async with make_host(key_file, listen=listen, services=[pubsub]) as host:
        await _connect(host, connect)
        with anyio.move_on_after(wait) as waiting:
            await pubsub.wait_for_mesh(topic)
        if waiting.cancelled_caught:
            raise Failed(f"nobody in the topic {topic} was found in {wait:g} s")
        count = 0
        async for message in _given(data) if data else lines_of_input():
            published = await pubsub.publish(topic, message)
            count += 1
            output.record(topic=topic, id=published.id.hex(), peers=published.peers)
        await pubsub.flush()
        output.say(f"{count} message{'' if count == 1 else 's'} published to {topic}")


def record_of(message: Message) -> dict[str, Any]:
    """A message as it is printed for programs."""
    data, encoding = _text_of(message.data)
    return {
        "topic": message.topic,
        "source": None if message.source is None else str(message.source),
        "id": message.id.hex(),
        "data": data,
        "encoding": encoding,
    }


def _text_of(data: bytes) -> tuple[str, str]:
    """The data as text where it is that, else in base64; and which of the two."""
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return b64encode(data).decode(), "base64"


async def _connect(host: Host, addrs: Sequence[str]) -> None:
    async with anyio.create_task_group() as tasks:
        for addr in addrs:
            tasks.start_soon(host.connect, addr)


async def _fail_when_alone(host: Host) -> None:
    """Nobody can reach a host that does not listen: once it is alone, it stays so."""
    with host.events.subscribe(PeerDisconnected) as events:
        while host.peers:
            await anext(events)
    raise Failed("the last peer has gone")


async def _given(data: Sequence[str]) -> AsyncIterator[bytes]:
    for text in data:
        yield text.encode(errors="surrogateescape")  # bytes that are no text come as these
