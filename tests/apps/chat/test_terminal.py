"""The terminal program, by Textual's own pilot: asyncio only, as Textual is."""

from typing import Any

import anyio
import pytest
from textual.widgets import Input, OptionList, RichLog, Static

from p2pstack.apps.chat.client import Client
from p2pstack.apps.chat.offers import Offers
from p2pstack.apps.chat.terminal import Terminal


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def said(app: Terminal) -> str:
    return "\n".join(strip.text.rstrip() for strip in app.query_one(RichLog).lines)


async def until(done: Any) -> None:
    with anyio.fail_after(120):
        while not done():  # noqa: ASYNC110 - the screen has no event for it
            await anyio.sleep(0.02)


async def enter(pilot: Any, line: str) -> None:
    pilot.app.query_one(Input).value = line
    await pilot.press("enter")


async def test_a_conversation_on_the_screen(gather: Any, make_person: Any) -> None:
    ann, bob = make_person("ann"), make_person("bob")
    app = Terminal()
    client = Client(ann.chat, Offers(), app)
    app.attach(ann.chat, client)
    ann.chat._tell = app.show
    await gather(ann, room=None)
    await gather(bob)
    await bob.chat.say("garden", "before you came")
    await bob.host.connect(ann.host.addrs[0])
    async with app.run_test(size=(100, 30)) as pilot:
        await app.ready.wait()
        await client.go("garden")
        await until(lambda: "bob before you came" in said(app))
        await until(lambda: "bob is here" in said(app))
        assert "bob" in str(app.query_one("#people", Static).content)

        await enter(pilot, "good morning")
        await bob.until(lambda: "good morning" in bob.texts)
        await until(lambda: "ann good morning" in said(app))
        assert app.query_one(Input).value == ""

        await bob.chat.say("garden", "with \x1b[31mcolour\x07")
        await until(lambda: "with \ufffd[31mcolour\ufffd" in said(app))
        await enter(pilot, "/msg bob psst")
        await until(lambda: "to bob alone: psst" in said(app))
        await enter(pilot, "/dance")
        await until(lambda: "/dance: expected one of" in said(app))
        await enter(pilot, "/help")
        await until(lambda: "/msg WHO TEXT" in said(app))

        await bob.chat.join("kitchen")
        await enter(pilot, "/join kitchen")
        await until(lambda: app.sub_title == "kitchen" and "good morning" not in said(app))
        await bob.chat.say("garden", "unread")
        rooms = app.query_one(OptionList)
        await until(lambda: [str(option.prompt) for option in rooms.options] == ["garden (1)", "kitchen"])
        await pilot.press("ctrl+n")
        await until(lambda: "bob unread" in said(app))
        await pilot.press("ctrl+n")
        await enter(pilot, "/leave")
        await until(lambda: app.sub_title == "garden")
        rooms.highlighted = 0
        rooms.action_select()
        await pilot.pause()
        await enter(pilot, "/quit")
        await until(lambda: not app.is_running)


async def test_the_screen_is_there_for_as_long_as_somebody_talks(
    gather: Any, make_person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = make_person("ann")
    app = Terminal()
    client = Client(ann.chat, Offers(), app)
    app.attach(ann.chat, client)
    ann.chat._tell = app.show
    await gather(ann, room=None)
    run = app.run_async
    monkeypatch.setattr(app, "run_async", lambda: run(headless=True, size=(80, 24)))

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:

            async def quit_soon() -> None:
                await app.ready.wait()
                await until(lambda: "others come by" in said(app))
                app.exit()

            tasks.start_soon(quit_soon)
            await app.converse(client, "garden", welcome="others come by this door")
