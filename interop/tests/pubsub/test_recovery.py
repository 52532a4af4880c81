"""What holds a mesh together: gossip, backoff, and others in place of those who died."""

import os
from typing import Any

import anyio
import pytest

from .nodes import Start, known, meshed, sha256, until

TOPIC = "a topic"

#: Whose mesh has no room for a second peer, which then hears of messages by gossip only. (go has no mesh of one.)
NO_ROOM = {"d": 1, "d_lo": 1, "d_hi": 1, "d_out": 0, "d_score": 0, "flood_publish": False}
NO_MESH = {"d": 0, "d_lo": 0, "d_hi": 0, "d_out": 0, "d_score": 0, "flood_publish": False}


@pytest.mark.parametrize("publisher", ["ours", "theirs"])
async def test_messages_missed_in_the_mesh_are_asked_for(start: Start, peer: Any, publisher: str) -> None:
    """IHAVE, IWANT."""
    source_name, reader_name = ("ours", peer.name) if publisher == "ours" else (peer.name, "ours")
    if source_name == "py":
        pytest.xfail("py-libp2p takes in whoever grafts, however full its mesh is, and puts out another")
    source = await start(source_name, **(NO_MESH if source_name == "go" else NO_ROOM))
    first, reader = await start("ours"), await start(reader_name)
    for node in (source, first, reader):
        await node.subscribe(TOPIC)
    # Whoever dials is let in only where there is room.
    await first.connect(source)
    await known(TOPIC, (first, source))
    if source_name != "go":
        await meshed(TOPIC, (source, first))
    await reader.connect(source)
    await known(TOPIC, (reader, source))
    messages = [os.urandom(100) for _ in range(5)]
    for data in messages:
        await source.publish(TOPIC, data)
    for node in (first, reader):
        await node.inbox.hold(5)
        assert node.inbox.hashes() == sorted(map(sha256, messages))
    assert reader.peer_id not in await source.mesh(TOPIC)
    told, heard = await source.traffic(), await reader.traffic()
    for count in (told["sent"]["ihave"], heard["received"]["ihave"], told["received"]["iwant"], heard["sent"]["iwant"]):
        assert count is None or count >= 5


@pytest.mark.parametrize("leaver", ["ours", "theirs"])
async def test_whoever_left_is_grafted_again_when_its_backoff_is_over(start: Start, peer: Any, leaver: str) -> None:
    backoff = 3
    config = {"unsubscribe_backoff_s": backoff, "prune_backoff_s": backoff}
    ours, theirs = await start("ours", **config), await start(peer.name, **config)
    for node in (ours, theirs):
        await node.subscribe(TOPIC)
    await ours.connect(theirs)
    await meshed(TOPIC, (ours, theirs))
    goes, stays = (ours, theirs) if leaver == "ours" else (theirs, ours)
    await goes.unsubscribe(TOPIC)
    left = anyio.current_time()
    await until(lambda: none_in_mesh(stays), "PRUNE taken")
    await goes.subscribe(TOPIC)
    await known(TOPIC, (ours, theirs))
    if peer.name == "py":
        pytest.xfail("py-libp2p counts backoffs in whole seconds: it grafts up to one too early, and its score suffers")
    # Nobody may be grafted now; messages go by gossip or not at all.
    while anyio.current_time() < left + backoff - 0.5:
        assert await none_in_mesh(stays)
        await anyio.sleep(0.1)
    await meshed(TOPIC, (ours, theirs))
    assert anyio.current_time() >= left + backoff - 0.5
    data = os.urandom(100)
    await stays.publish(TOPIC, data)
    await until(lambda: sha256(data) in goes.inbox.hashes(), "a message after the backoff")


async def none_in_mesh(node: Any) -> bool:
    return not await node.mesh(TOPIC)


async def test_when_a_node_is_killed_the_others_go_on(start: Start, peer: Any) -> None:
    """Two ways from the publisher to the reader, of which one ends in the middle."""
    publisher, first, second, reader = [await start(name) for name in ("ours", peer.name, peer.name, "ours")]
    for node in (publisher, first, second, reader):
        await node.subscribe(TOPIC)
    for relay in (first, second):
        await publisher.connect(relay)
        await relay.connect(reader)
    await meshed(TOPIC, *((end, relay) for end in (publisher, reader) for relay in (first, second)))
    messages = [os.urandom(100) for _ in range(100)]
    for i, data in enumerate(messages):
        if i == 50:
            first.kill()
        await publisher.publish(TOPIC, data)
        await anyio.sleep(0.01)
    await reader.inbox.hold(100)
    assert reader.inbox.hashes() == sorted(map(sha256, messages))
    await until(lambda: forgotten(publisher, first), "the dead node is forgotten")
    late = await start(peer.name)
    await late.subscribe(TOPIC)
    await late.connect(publisher)
    await meshed(TOPIC, (publisher, late))
    data = os.urandom(100)
    await reader.publish(TOPIC, data)
    await late.inbox.hold(1)
    assert late.inbox.hashes() == [sha256(data)]


async def forgotten(node: Any, other: Any) -> bool:
    return other.peer_id not in await node.peers(TOPIC)


@pytest.mark.parametrize("ours_tells", [True, False])
async def test_large_messages_are_called_off_where_they_have_come(start: Start, peer: Any, ours_tells: bool) -> None:
    """IDONTWANT: who is in the middle tells who is at the end, which might have them from elsewhere by then."""
    names = (peer.name, "ours", peer.name) if ours_tells else (peer.name, peer.name, "ours")
    publisher, middle, end = chain = [await start(name) for name in names]
    for node in chain:
        await node.subscribe(TOPIC)
    pairs = ((publisher, middle), (middle, end))
    for one, other in pairs:
        await one.connect(other)
    await meshed(TOPIC, *pairs)
    messages = [os.urandom(96 << 10) for _ in range(5)]
    for data in messages:
        await publisher.publish(TOPIC, data)
    for node in (middle, end):
        await node.inbox.hold(5)
        assert node.inbox.hashes() == sorted(map(sha256, messages))

    async def told() -> bool:
        return (await end.traffic())["received"]["idontwant"] == 5

    await until(told, "IDONTWANT for each message")
