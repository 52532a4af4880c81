"""Peers that send what they should not: the node goes on, bounded and correct."""

from typing import Any

import anyio
import pytest

from p2pstack import GossipSub, P2PError
from p2pstack.apps.chat.exchange import HISTORY, ask, hand_over
from p2pstack.apps.chat.happenings import Told
from p2pstack.apps.chat.messages import (
    MAX_AHEAD,
    MAX_BATCH,
    MAX_MESSAGE,
    Ask,
    Hand,
    Ids,
    Kept,
    Presence,
    Private,
    Want,
    decode,
    encode,
)
from p2pstack.apps.chat.service import PRIVATE
from p2pstack.pubsub import Rejected
from p2pstack.streams import Messages

TOPIC = "p2pstack/chat/1/garden"


@pytest.fixture
async def stranger(p2p_hosts: Any) -> Any:
    """A host that chats with nobody, but knows how to publish."""
    (host,) = await p2p_hosts(1, services=lambda: [GossipSub()])
    return host


async def ends(stream: Any) -> bool:
    """Whether the other side ends a stream rather than take more."""
    with anyio.move_on_after(10):
        try:
            while True:
                await stream.receive()
        except (anyio.EndOfStream, P2PError):
            return True
    return False


RUBBISH = [
    b"\xff" * 100,  # a length without end
    b"\x80\x80\x80\x80\x08" + b"x" * 1_000,  # 2 GiB
    b"\x05hello",
    b"",
]


@pytest.mark.parametrize("protocol", [HISTORY, PRIVATE])
async def test_rubbish_ends_its_stream_and_nothing_else(gather: Any, stranger: Any, protocol: str) -> None:
    ann, bob = await gather("ann", "bob")
    for data in RUBBISH:
        async with await stranger.open_stream(ann.host.addrs[0], protocol) as stream:
            if data:
                await stream.send(data)
            await stream.send_eof()
            assert await ends(stream)
    await ann.knows(bob)
    await bob.chat.say("garden", "still here")
    await ann.until(lambda: ann.texts == ["still here"])
    assert not ann.of(Told)


async def test_false_lines_are_not_kept(gather: Any, stranger: Any, make_line: Any) -> None:
    (ann,) = await gather("ann")
    good, bad = make_line("good"), make_line("bad", key=1)
    forged = type(bad.sealed)(good.sealed.author, bad.sealed.line, bad.sealed.signature)
    async with await stranger.open_stream(ann.host.addrs[0], HISTORY) as stream:
        messages = Messages(stream, limit=MAX_MESSAGE)
        for message in (Hand("garden"), good.sealed, forged):
            await messages.send(encode(message))
        assert await ends(stream)
    assert ann.texts == ["good"]


async def test_lines_from_the_future_and_of_other_rooms_are_not_kept(
    gather: Any, stranger: Any, make_line: Any
) -> None:
    (ann,) = await gather("ann")
    future = make_line(time=int(ann.host.clock() * 1e3) + MAX_AHEAD + 60_000)
    assert await hand_over(stranger, ann.host.addrs[0], "garden", [future]) == frozenset()
    assert await hand_over(stranger, ann.host.peer_id, "kitchen", [make_line(room="kitchen")]) == frozenset()
    with pytest.raises(P2PError):
        await hand_over(stranger, ann.host.peer_id, "garden", [make_line(room="kitchen")])
    assert ann.texts == []


async def test_no_more_lines_are_taken_than_a_batch(gather: Any, stranger: Any, make_line: Any) -> None:
    (ann,) = await gather("ann")
    lines = [make_line(str(number), time=number) for number in range(MAX_BATCH + 10)]
    kept = await hand_over(stranger, ann.host.addrs[0], "garden", lines)
    assert len(kept) == len(ann.texts) == MAX_BATCH


class Liar:
    """Answers history questions with what it is given."""

    def __init__(self, *answers: Any, endless: Any = None) -> None:
        self.answers = answers
        self.endless = endless

    async def serve(self, stream: Any) -> None:
        messages = Messages(stream, limit=MAX_MESSAGE)
        decode(await messages.receive(), Ask)
        for answer in self.answers:
            await messages.send(encode(answer))
        while self.endless is not None:
            await messages.send(encode(self.endless))


async def test_history_that_was_not_asked_for_is_refused(gather: Any, stranger: Any, make_line: Any) -> None:
    (ann,) = await gather("ann")
    wanted, other = make_line("wanted"), make_line("other", time=2_000)
    room = ann.chat.rooms["garden"]
    for liar in (
        Liar(Ids((wanted.id,)), wanted.sealed, other.sealed),
        Liar(Ids((wanted.id,)), wanted.sealed, endless=wanted.sealed),
        Liar(Ids(()), endless=other.sealed),
        Liar(endless=Ids((b"x" * 16,) * 2_000)),
        Liar(Kept(())),
        Liar(),
    ):
        stranger.handle(HISTORY, handler=liar.serve)
        await ann.host.connect(stranger.addrs[0])
        with pytest.raises(P2PError):
            await ask(ann.host, stranger.peer_id, room)
        stranger.unhandle(HISTORY)
    assert ann.texts == ["wanted"]


async def test_who_wants_what_is_not_there_gets_nothing(gather: Any, stranger: Any, make_line: Any) -> None:
    (ann,) = await gather("ann")
    for room in ("garden", "nowhere"):
        async with await stranger.open_stream(ann.host.addrs[0], HISTORY) as stream:
            messages = Messages(stream, limit=MAX_MESSAGE)
            await messages.send(encode(Ask(room, bytes(32))))
            assert decode(await messages.receive(), Ids).ids == ()
            await messages.send(encode(Want((b"x" * 16,) * 100)))
            assert [message async for message in messages] == []


async def test_false_publishings_are_not_shown(gather: Any, p2p_hosts: Any, make_line: Any) -> None:
    ann, bob = await gather("ann", "bob")
    await ann.knows(bob)
    pubsub = GossipSub()
    (mallory,) = await p2p_hosts(1, services=lambda: [pubsub])
    await mallory.connect(ann.host.addrs[0])
    for data in (
        b"rubbish",
        encode(Private("x", "y")),
        encode(make_line("somebody else's").sealed),
        encode(Presence("x" * 33, 1.0)),
    ):
        await pubsub.publish(TOPIC, data, wait_for_mesh=True)
    with ann.host.events.subscribe(Rejected) as rejected:
        await pubsub.publish(TOPIC, b"the last", wait_for_mesh=True)
        with anyio.fail_after(120):
            await anext(rejected)
    await bob.chat.say("garden", "after all of it")
    await ann.until(lambda: ann.texts)
    assert ann.texts == ["after all of it"]
    assert mallory.peer_id not in {member.peer for member in ann.chat.rooms["garden"].roster.members}


async def test_a_private_line_is_not_told_to_another(gather: Any) -> None:
    ann, bob, eve = await gather("ann", "bob", "eve")
    await ann.knows(bob, eve)
    roster = ann.chat.rooms["garden"].roster
    lie = Presence("bob", 100.0, tuple(str(addr) for addr in eve.host.addrs))
    await ann.host.disconnect(bob.host.peer_id)
    roster.hear(bob.host.peer_id, lie, anyio.current_time())
    with pytest.raises(P2PError):
        await ann.chat.tell("bob", "psst")
    assert not eve.of(Told)
