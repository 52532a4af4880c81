"""Peers that send too much, nonsense, nothing or no end of it: the node goes on, and its text is whole."""

from typing import Any

import anyio
import pytest

from p2pstack import GossipSub, Messages, P2PError, Stream
from p2pstack.apps.doc import exchange
from p2pstack.apps.doc.document import EMPTY, Document
from p2pstack.apps.doc.encoding import uint
from p2pstack.apps.doc.exchange import DEADLINE, MAX_MESSAGE
from p2pstack.apps.doc.messages import Kind, encode
from p2pstack.apps.doc.service import MAX_GOSSIP, SharedText

NONSENSE = [
    pytest.param([b"\xff" * 40], id="no message"),
    pytest.param([encode(Kind.STATE, b"\xff" * 9)], id="no state"),
    pytest.param([encode(Kind.UPDATE, EMPTY)], id="another kind"),
    pytest.param([encode(Kind.STATE, b"\x00"), encode(Kind.MISSING, b"\xff" * 99)], id="no update"),
    pytest.param([encode(Kind.STATE, b"\x00"), encode(Kind.STATE, b"\x00")], id="a state twice"),
    pytest.param([], id="nothing"),
]


def services(interval: float = 1000.0) -> list[Any]:
    pubsub = GossipSub()
    return [pubsub, SharedText("notes", pubsub, interval=interval)]


async def goes_on(text: SharedText) -> None:
    await text.insert(0, "x")
    assert str(text) == "x"


async def closed(stream: Stream) -> bool:
    """Whether the peer ends it."""
    try:
        with anyio.fail_after(120):
            async for _ in stream:
                pass
    except (P2PError, anyio.BrokenResourceError):
        return True
    return True


@pytest.mark.parametrize("messages", NONSENSE)
async def test_who_asks_with_nonsense_is_cut_off(p2p_hosts: Any, messages: list[bytes]) -> None:
    parts = services()
    (victim,) = await p2p_hosts(1, services=lambda: parts)
    (hostile,) = await p2p_hosts(1)
    async with await hostile.open_stream(victim.addrs[0], parts[1].exchanges._protocol) as stream:
        framed = Messages(stream, limit=MAX_MESSAGE)
        for message in messages:
            await framed.send(message)
        await stream.send_eof()
        assert await closed(stream)
    await goes_on(parts[1])
    assert parts[1].document.early == 0


async def test_a_message_that_is_too_long_is_refused_by_its_length(p2p_hosts: Any) -> None:
    parts = services()
    (victim,) = await p2p_hosts(1, services=lambda: parts)
    (hostile,) = await p2p_hosts(1)
    async with await hostile.open_stream(victim.addrs[0], parts[1].exchanges._protocol) as stream:
        await stream.send(uint(MAX_MESSAGE + 1) + b"x")
        assert await closed(stream)
    await goes_on(parts[1])


@pytest.mark.parametrize("messages", NONSENSE)
async def test_who_answers_with_nonsense_is_not_asked_for_a_while(
    p2p_hosts: Any, until: Any, messages: list[bytes]
) -> None:
    parts = services()
    (victim,) = await p2p_hosts(1, services=lambda: parts)
    protocol, asked = parts[1].exchanges._protocol, anyio.Event()
    (hostile,) = await p2p_hosts(1)

    async def answer(stream: Stream) -> None:
        framed = Messages(stream, limit=MAX_MESSAGE)
        await framed.receive()
        for message in messages:
            await framed.send(message)
        asked.set()

    hostile.handle(protocol, handler=answer)
    await victim.connect(hostile.addrs[0])
    with anyio.fail_after(120):
        await asked.wait()
        while not parts[1].exchanges.failed:
            await anyio.lowlevel.checkpoint()
    pause = parts[1].exchanges._not_before[hostile.peer_id] - anyio.current_time()
    assert pause > (10 if messages else 0)
    await goes_on(parts[1])


async def test_who_says_nothing_does_not_keep_others_waiting(p2p_network: Any, p2p_time: Any) -> None:
    net = await p2p_network(nodes=3, services=services)
    victim, hostile, honest = net.nodes
    protocol = victim.service(SharedText).exchanges._protocol
    hostile.host.unhandle(protocol)

    async def silence(stream: Stream) -> None:
        await anyio.sleep_forever()

    hostile.host.handle(protocol, handler=silence)
    shared = victim.service(SharedText)
    shared.document.insert(0, "told by exchange only")
    shared.exchanges.ask([hostile.host.peer_id, honest.host.peer_id])
    stream = await hostile.host.open_stream(victim.host.peer_id, protocol)
    await p2p_time.travel(5)
    assert str(honest.service(SharedText)) == "told by exchange only"
    await p2p_time.travel(2 * DEADLINE)
    assert shared.exchanges.failed >= 1
    assert await closed(stream)
    assert not shared.exchanges._busy


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"\xff" * 50, id="no message"),
        pytest.param(encode(Kind.UPDATE, b"\x01" + b"\xff" * 50), id="no update"),
        pytest.param(encode(Kind.UPDATE, Document(1).insert(0, "x" * MAX_GOSSIP)), id="too long"),
        pytest.param(encode(Kind.MISSING, EMPTY), id="another kind"),
        pytest.param(encode(Kind.PRESENCE, b"\x01\x01\x01\x02{]"), id="no editor"),
        pytest.param(encode(Kind.PRESENCE, b"\x00" * 20_000), id="too many editors"),
    ],
)
async def test_who_gossips_nonsense_pays_for_it(p2p_hosts: Any, message: bytes) -> None:
    parts, theirs = services(), GossipSub()
    (victim,) = await p2p_hosts(1, services=lambda: parts)
    (hostile,) = await p2p_hosts(1, services=lambda: [theirs])
    await hostile.connect(victim.addrs[0])
    with anyio.fail_after(120):
        await theirs.publish(parts[1].topic, message, wait_for_mesh=True)
        while not parts[0].stats.rejected:
            await anyio.lowlevel.checkpoint()
    assert parts[0].score(hostile.peer_id) < 0
    await goes_on(parts[1])


async def test_an_update_that_cuts_a_character_is_not_taken(p2p_hosts: Any) -> None:
    parts, theirs = services(), GossipSub()
    (victim,) = await p2p_hosts(1, services=lambda: parts)
    (hostile,) = await p2p_hosts(1, services=lambda: [theirs])
    await parts[1].insert(0, "😀")
    await hostile.connect(victim.addrs[0])
    client = uint(parts[1].document.client_id)
    between = b"\x01\x01\x05\x00\xc4" + client + b"\x00" + client + b"\x01" + b"\x01x\x00"
    with anyio.fail_after(120):
        await theirs.publish(parts[1].topic, encode(Kind.UPDATE, between), wait_for_mesh=True)
        while not parts[1].rejected:
            await anyio.lowlevel.checkpoint()
    assert str(parts[1]) == "😀"
    await parts[1].insert(1, "!")


async def test_who_fills_the_document_leaves_it_full_and_whole(
    p2p_hosts: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("p2pstack.apps.doc.document.MAX_DOCUMENT", 1)
    parts, theirs = services(), services()
    (victim,) = await p2p_hosts(1, services=lambda: parts)
    (hostile,) = await p2p_hosts(1, services=lambda: theirs)
    parts[1].document._limit = 30_000
    await parts[1].insert(0, "x")
    theirs[1].document.insert(0, "y" * 40_000)
    await hostile.connect(victim.addrs[0])
    with anyio.fail_after(120):
        while not parts[1].rejected:
            await anyio.lowlevel.checkpoint()
    assert str(parts[1]) == "x"
    await parts[1].insert(1, "z")


def test_the_limits_are_what_the_page_says() -> None:
    assert (MAX_GOSSIP, exchange.MAX_EXCHANGES, DEADLINE) == (65_536, 8, 30.0)
