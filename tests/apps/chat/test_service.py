"""People on hosts: what is said is heard, kept, found again, and private where it should be."""

from typing import Any

import anyio
import pytest

from p2pstack import LocalProtocolError
from p2pstack.apps.chat.happenings import Joined, KeptBy, Left, NameInUse, Said, Told
from p2pstack.apps.chat.room import ChatConfig
from p2pstack.apps.chat.service import MAX_ROOMS


async def test_what_is_said_is_heard_by_all_and_kept_by_others(gather: Any) -> None:
    ann, bob, eve = await gather("ann", "bob", "eve")
    for person, others in ((ann, (bob, eve)), (bob, (ann, eve)), (eve, (ann, bob))):
        await person.knows(*others)
    entry = await ann.chat.say("garden", "hello")
    for person in (ann, bob, eve):
        await person.until(lambda person=person: person.texts == ["hello"])
        (said,) = person.of(Said)
        assert (said.entry.id, said.label, said.late) == (entry.id, "ann", False)
        assert said.entry.author == ann.host.peer_id
    await ann.until(lambda: ann.of(KeptBy))
    assert ann.of(KeptBy)[0].others == 2
    assert ann.chat.rooms["garden"].undelivered == 0


async def test_who_comes_late_finds_what_was_said(gather: Any) -> None:
    ann, bob = await gather("ann", "bob")
    await ann.knows(bob)
    for text in ("one", "two", "three"):
        await ann.chat.say("garden", text)
    await bob.until(lambda: bob.texts == ["one", "two", "three"])
    await bob.chat.leave("garden")
    await ann.until(lambda: ann.of(Left))
    await ann.chat.say("garden", "four")
    await bob.chat.join("garden")
    await bob.until(lambda: len(bob.texts) == 7)
    assert bob.texts[3:] == ["one", "two", "three", "four"]
    assert [said.late for said in bob.of(Said)][:6] == [False] * 3 + [True] * 3
    assert bob.chat.rooms["garden"].history.digest == ann.chat.rooms["garden"].history.digest


async def test_what_is_said_alone_reaches_who_comes(gather: Any) -> None:
    (ann,) = await gather("ann")
    await ann.chat.say("garden", "is anybody there?")
    assert ann.chat.rooms["garden"].undelivered == 1
    bob = (await gather("bob", room=None))[0]
    await bob.host.connect(ann.host.addrs[0])
    await bob.chat.join("garden")
    await bob.until(lambda: bob.texts)
    await ann.until(lambda: ann.of(KeptBy))
    assert bob.of(Said)[0].late


async def test_a_room_is_the_same_after_a_restart(gather: Any, make_person: Any, tmp_path: Any) -> None:
    ann, bob = await gather(make_person("ann", path=tmp_path / "history"), "bob")
    await ann.knows(bob)
    await ann.chat.say("garden", "kept")
    ann.store.close()
    again = make_person("ann", path=tmp_path / "history")
    await gather(again)
    assert again.texts == ["kept"]
    assert again.of(Said)[0].late
    again.store.close()


async def test_a_private_line_is_heard_by_one(gather: Any) -> None:
    ann, bob, eve = await gather("ann", "bob", "eve")
    await ann.knows(bob, eve)
    assert await ann.chat.tell("bob", "psst") == bob.host.peer_id
    (told,) = bob.of(Told)
    assert (told.peer, told.label, told.text) == (ann.host.peer_id, "ann", "psst")
    assert not eve.of(Told)
    for who, text, message in (
        ("zoe", "x", "nobody here is called 'zoe'"),
        ("bob", "", "1 to 2000 characters"),
        ("bob", "x" * 2_001, "1 to 2000 characters"),
    ):
        with pytest.raises(LocalProtocolError, match=message):
            await ann.chat.tell(who, text)


async def test_who_is_not_connected_is_called_for_a_private_line(gather: Any) -> None:
    _, bob, eve = await gather("ann", "bob", "eve")
    await bob.knows(eve)
    await bob.host.disconnect(eve.host.peer_id)
    assert not bob.host.connections_to(eve.host.peer_id)
    await bob.chat.tell("eve", "psst")
    assert eve.of(Told)[0].peer == bob.host.peer_id


async def test_two_of_a_name_are_told_apart(gather: Any) -> None:
    ann, other = await gather("ann", "Ann")
    await ann.until(lambda: ann.of(NameInUse))
    assert ann.of(NameInUse)[0].peer == other.host.peer_id
    await other.until(lambda: other.of(NameInUse))
    label = f"Ann#{str(other.host.peer_id)[-6:]}"
    assert ann.of(Joined)[0].label == label
    await other.chat.say("garden", "it is me")
    await ann.until(lambda: ann.texts)
    assert ann.of(Said)[0].label == label
    assert await ann.chat.tell(label, "who?") == other.host.peer_id


async def test_who_leaves_says_so(gather: Any) -> None:
    ann, bob = await gather("ann", "bob")
    await ann.knows(bob)
    await bob.chat.leave_all()
    await ann.until(lambda: ann.of(Left))
    assert ann.of(Left)[0].label == "bob"
    assert not bob.chat.rooms
    await bob.chat.leave("garden")  # again: nothing happens


async def test_rooms_are_apart(gather: Any) -> None:
    ann, bob = await gather("ann", "bob", room=None)
    await ann.chat.join("garden")
    room = await ann.chat.join("kitchen")
    assert await ann.chat.join("kitchen") is room
    await bob.chat.join("kitchen")
    await ann.knows(bob)
    await ann.chat.say("garden", "only here")
    await ann.chat.say("kitchen", "and here")
    await bob.until(lambda: bob.texts)
    assert bob.texts == ["and here"]


async def test_what_is_not_possible_is_said(gather: Any, make_person: Any) -> None:
    (ann,) = await gather("ann", room=None)
    with pytest.raises(LocalProtocolError, match="not in the room garden"):
        await ann.chat.say("garden", "x")
    with pytest.raises(LocalProtocolError, match="join one first"):
        await ann.chat.tell("bob", "x")
    with pytest.raises(LocalProtocolError, match="1 to 64 characters without spaces"):
        await ann.chat.join("a b")
    for number in range(MAX_ROOMS):
        await ann.chat.join(str(number))
    with pytest.raises(LocalProtocolError, match="more than 64 rooms"):
        await ann.chat.join("one more")
    with pytest.raises(LocalProtocolError, match="1 to 2000 characters"):
        await ann.chat.say("1", "")
    with pytest.raises(LocalProtocolError, match="name: expected 1 to 32"):
        make_person("")
    with pytest.raises(LocalProtocolError, match="is not running"):
        await make_person("bob").chat.join("garden")
    with pytest.raises(LocalProtocolError, match="intervals above 0"):
        ChatConfig(fetch_interval=0)
    with anyio.fail_after(120):
        await ann.chat.leave_all()
