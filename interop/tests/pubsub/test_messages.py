"""Messages between this stack and each of the others, in meshes of two."""

import os
from typing import Any

import pytest

from .nodes import DEADLINE, Start, known, meshed, sha256

TOPIC = "a topic"

both_dial = pytest.mark.parametrize("we_dial", [True, False], ids=["we-dial", "they-dial"])


async def pair(start: Start, peer: Any, *, we_dial: bool = True, **config: Any) -> tuple[Any, Any]:
    """A node of ours and one of theirs, in one mesh."""
    ours, theirs = await start("ours", **config), await start(peer.name, **config)
    for node in (ours, theirs):
        await node.subscribe(TOPIC)
    if we_dial:
        await ours.connect(theirs)
    else:
        await theirs.connect(ours)
    await meshed(TOPIC, (ours, theirs))
    return ours, theirs


@both_dial
async def test_signed_messages_go_both_ways(start: Start, peer: Any, we_dial: bool) -> None:
    ours, theirs = await pair(start, peer, we_dial=we_dial)
    sent = {node: [os.urandom(size) for size in (0, 1, 100, 1000, 60_000)] for node in (ours, theirs)}
    for node, messages in sent.items():
        for data in messages:
            await node.publish(TOPIC, data)
    for node, other in ((ours, theirs), (theirs, ours)):
        received = await node.inbox.hold(5)
        assert node.inbox.hashes() == sorted(map(sha256, sent[other]))
        for message in received:
            assert message["topic"] == TOPIC
            assert message["from"] == message["source"] == other.peer_id
            # The specification's id: the author and its sequence number.
            assert message["id"].endswith(message["sequence"])
            assert len(message["sequence"]) == 16
        assert len({message["id"] for message in received}) == 5


@pytest.mark.parametrize("message_id", ["sha256", "first8"])
@pytest.mark.parametrize("publisher", ["ours", "theirs"])
async def test_messages_without_author_have_ids_of_their_content(
    start: Start, peer: Any, message_id: str, publisher: str, request: pytest.FixtureRequest
) -> None:
    ours, theirs = await pair(start, peer, policy="strict-no-sign", message_id=message_id)
    source, reader = (ours, theirs) if publisher == "ours" else (theirs, ours)
    if source.name == "py":
        reason = "py-libp2p puts its author into messages that it does not sign"
        request.applymarker(pytest.mark.xfail(raises=AssertionError, reason=reason, strict=True))
    data = [os.urandom(100) for _ in range(5)]
    for one in data:
        await source.publish(TOPIC, one)
    received = await reader.inbox.hold(5, within=3 if source.name == "py" else DEADLINE)
    assert reader.inbox.hashes() == sorted(map(sha256, data))
    ids = {sha256(one) if message_id == "sha256" else one[:8].hex() for one in data}
    assert {message["id"] for message in received} == ids
    assert {(message["source"], message["sequence"]) for message in received} == {(None, None)}


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "1.2.0"])
async def test_the_version_that_both_speak_is_spoken(start: Start, peer: Any, version: str) -> None:
    protocol = f"/meshsub/{version}"
    ours, theirs = await start("ours", protocols=[protocol]), await start(peer.name)
    for node in (ours, theirs):
        await node.subscribe(TOPIC)
    await ours.connect(theirs)
    await meshed(TOPIC, (ours, theirs))
    for node, other in ((ours, theirs), (theirs, ours)):
        assert (await node.traffic())["protocols"] == {other.peer_id: protocol}
        data = os.urandom(2000)
        await node.publish(TOPIC, data)
        await other.inbox.hold(1)
        assert other.inbox.hashes() == [sha256(data)]


@both_dial
async def test_floodsub_is_spoken_with_who_speaks_nothing_else(start: Start, peer: Any, we_dial: bool) -> None:
    ours, theirs = await start("ours", floodsub=True), await start(peer.name, floodsub=True)
    for node in (ours, theirs):
        await node.subscribe(TOPIC)
    await (ours.connect(theirs) if we_dial else theirs.connect(ours))
    await known(TOPIC, (ours, theirs))
    for node, other in ((ours, theirs), (theirs, ours)):
        data = [os.urandom(1000) for _ in range(5)]
        for one in data:
            await node.publish(TOPIC, one)
        await other.inbox.hold(5)
        assert other.inbox.hashes() == sorted(map(sha256, data))


async def test_the_newest_version_of_both_is_spoken(start: Start, peer: Any) -> None:
    ours, theirs = await pair(start, peer)
    newest = "/meshsub/1.2.0" if peer.name == "js" else "/meshsub/1.3.0"
    assert (await ours.traffic())["protocols"] == {theirs.peer_id: newest}
    assert (await theirs.traffic())["protocols"] == {ours.peer_id: newest}
