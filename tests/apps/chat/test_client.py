"""What is typed is done, and what happens is shown: through pipes."""

import sys
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from p2pstack import LimitExceeded, LocalProtocolError
from p2pstack.apps.chat import offers as offers_module
from p2pstack.apps.chat.client import Client, printable, record_of, text_of
from p2pstack.apps.chat.happenings import Joined, KeptBy, Left, NameInUse, Said, Told
from p2pstack.apps.chat.offers import Offers
from p2pstack.apps.chat.plain import Pipes

#: prints what `p2pstack share` prints, and a bit more
SHARE = (
    sys.executable,
    "-c",
    "import sys; print('{}'); print('{\"link\": \"share:' + sys.argv[1] + '\"}', flush=True); input()",
)
BROKEN = (sys.executable, "-c", "print('no JSON')")


class Printer:
    """Standard output."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.lines: list[str] = []

    def record(self, **fields: Any) -> None:
        self.records.append(fields)

    def say(self, text: str) -> None:
        self.lines.append(text)


async def typed(*lines: str) -> AsyncGenerator[str]:
    for line in lines:
        yield line


async def test_a_conversation_through_pipes(gather: Any, make_person: Any) -> None:
    ann, bob = make_person("ann"), make_person("bob")
    printer = Printer()
    pipes = Pipes(printer)
    note = ann.chat._tell

    def tell(happening: Any) -> None:
        note(happening)
        pipes.show(happening)

    ann.chat._tell = tell
    await gather(ann, bob, room=None)
    client = Client(ann.chat, Offers(), pipes)
    await client.go("garden")
    await bob.chat.join("garden")
    await ann.knows(bob)
    with anyio.fail_after(120):
        lines = typed(
            "hello", "", "/who", "/msg bob psst", "/msg zoe psst", "/dance", "/help", "/join kitchen", "/leave"
        )
        assert await pipes.converse(client, lines)
    await bob.until(lambda: bob.of(Told))
    assert bob.texts == ["hello"]
    events = [record["event"] for record in printer.records]
    for event in ("room", "joined", "message", "who", "delivered", "help", "kept"):
        assert event in events
    errors = [record["error"] for record in printer.records if record["event"] == "error"]
    assert errors[0] == "nobody here is called 'zoe'"
    assert errors[1].startswith("/dance: expected one of")
    assert [record["room"] for record in printer.records if record["event"] == "room"] == [
        "garden", "kitchen", "garden",
    ]  # fmt: skip
    assert "[garden] ann: hello" in printer.lines
    assert "in garden: you, bob" in printer.lines


async def test_lines_without_a_room_are_an_error(gather: Any) -> None:
    (ann,) = await gather("ann")
    printer = Printer()
    pipes = Pipes(printer)
    client = Client(ann.chat, Offers(), pipes)
    client.room = "garden"
    assert await client.enter("/leave")
    assert await client.enter("hello")
    assert printer.records[-1] == {"event": "error", "error": "not in any room: /join ROOM"}
    assert not await client.enter("/quit")


async def test_what_nobody_takes_is_told_at_the_end(gather: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p2pstack.apps.chat.plain._LAST_WORDS", 0.05)
    (ann,) = await gather("ann")
    pipes = Pipes(Printer())
    client = Client(ann.chat, Offers(), pipes)
    await client.go("garden")
    assert not await pipes.converse(client, typed("is anybody there?", "/quit", "never said"))
    assert ann.texts == ["is anybody there?"]


async def test_without_any_line_it_stays(gather: Any) -> None:
    (ann,) = await gather("ann")
    pipes = Pipes(Printer())
    with anyio.move_on_after(0.05) as scope:
        await pipes.converse(Client(ann.chat, Offers(), pipes), typed())
    assert scope.cancelled_caught


@pytest.mark.p2p_may_leak  # uvloop keeps /dev/null open, once it was needed
async def test_a_file_is_offered_by_a_link(gather: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (ann,) = await gather("ann")
    (tmp_path / "cat.jpg").write_bytes(b"meow")
    path = str(tmp_path / "cat.jpg")
    printer = Printer()
    pipes = Pipes(printer)
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            offers = Offers(SHARE)
            await tasks.start(offers.run)
            client = Client(ann.chat, offers, pipes)
            client.room = "garden"
            assert await client.enter(f"/file {path}")
            assert ann.texts == [f"cat.jpg: share:{path}"]
            assert await client.enter("/file /nowhere/at/all")
            assert printer.records[-1]["error"] == "/nowhere/at/all: no such file or folder"
            monkeypatch.setattr(offers_module, "MAX_OFFERS", 0)
            with pytest.raises(LimitExceeded, match="files offered: limit 0"):
                await offers.offer(path)
            tasks.cancel_scope.cancel()


async def test_a_file_that_cannot_be_offered(tmp_path: Any) -> None:
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            offers = Offers(BROKEN)
            await tasks.start(offers.run)
            with pytest.raises(LocalProtocolError, match="ended without a link"):
                await offers.offer(str(tmp_path))
            tasks.cancel_scope.cancel()


def test_all_that_happens_is_text_and_a_record(make_line: Any) -> None:
    entry = make_line("hello")
    peer = entry.author
    for happening, text, event in (
        (Said(entry, "ann", True), "ann: hello", "history"),
        (Said(entry, "ann", False), "ann: hello", "message"),
        (KeptBy(entry, 3), "3 keep: hello", "kept"),
        (Joined("garden", peer, "ann"), "ann is here", "joined"),
        (Joined("garden", peer, "anna", "ann"), "ann is called anna now", "renamed"),
        (Left("garden", peer, "ann"), "ann has left", "left"),
        (
            NameInUse("garden", "ann", peer),
            f"name in use: ann is also ann#{str(peer)[-6:]}; choose another",
            "name_in_use",
        ),
        (Told(peer, "ann", "psst"), "ann to you alone: psst", "private"),
    ):
        assert text_of(happening).startswith(text)
        assert record_of(happening)["event"] == event


def test_what_terminals_take_for_commands_is_not_printed() -> None:
    assert printable("a\x1b[2Jb\u202ec\nd") == "a\ufffd[2Jb\ufffdc\ufffdd"
    assert printable("👨\u200d👩 Zoë") == "👨\u200d👩 Zoë"
