"""What serves the page, as browsers and others meet it."""

from collections import deque
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import SocketStream
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, RejectConnection, Request

from p2pstack import GossipSub, Host, ListenError
from p2pstack.apps.doc import service
from p2pstack.apps.doc.document import Document
from p2pstack.apps.doc.encoding import blob, uint
from p2pstack.apps.doc.messages import Kind, decode, encode
from p2pstack.apps.doc.page import server
from p2pstack.apps.doc.page.server import Page
from p2pstack.apps.doc.service import SharedText

SECRET = "not-to-be-guessed"
ADA = b'{"user":{"name":"Ada","color":"#0d9488"}}'


class Socket:
    """A browser's WebSocket."""

    def __init__(self, stream: SocketStream) -> None:
        self.stream = stream
        self.wire = WSConnection(ConnectionType.CLIENT)
        self.events: deque[Any] = deque()

    async def open(self, page: Page, *, origin: str | None, path: str, host: str | None) -> bool:
        """Whether it is taken."""
        headers = [] if origin is None else [(b"Origin", origin.encode())]
        await self.stream.send(
            self.wire.send(Request(host=host or f"127.0.0.1:{page._port}", target=path, extra_headers=headers))
        )
        while True:
            event = await self.event()
            if isinstance(event, AcceptConnection):
                return True
            if isinstance(event, RejectConnection):
                assert event.status_code in (400, 403, 404)
                return False

    async def event(self) -> Any:
        while not self.events:
            self.wire.receive_data(await self.stream.receive())
            self.events.extend(self.wire.events())
        return self.events.popleft()

    async def send(self, kind: Kind, content: bytes = b"") -> None:
        await self.raw(encode(kind, content))

    async def raw(self, data: bytes) -> None:
        await self.stream.send(self.wire.send(BytesMessage(data)))

    async def until(self, kind: Kind) -> bytes:
        """The content of the next message of a kind."""
        part = b""
        while True:
            event = await self.event()
            assert isinstance(event, BytesMessage), event
            part += event.data
            if event.message_finished:
                got, content = decode(part)
                part = b""
                if got is kind:
                    return content

    async def closed(self) -> int:
        """The code that it is closed with."""
        while not isinstance(event := await self.event(), CloseConnection):
            pass
        return event.code


@asynccontextmanager
async def serving() -> Any:
    pubsub = GossipSub()
    shared = SharedText("notes & more", pubsub)
    page = Page(shared, port=0, secret=SECRET)
    async with Host(services=[pubsub, shared, page]):
        with anyio.fail_after(120):
            yield page, shared


@asynccontextmanager
async def socket(page: Page, **options: Any) -> Any:
    async with await anyio.connect_tcp("127.0.0.1", page._port) as stream:
        wanted: dict[str, Any] = {"origin": f"http://127.0.0.1:{page._port}", "path": f"/{SECRET}/document"}
        socket = Socket(stream)
        socket.taken = await socket.open(page, **{**wanted, "host": None, **options})  # type: ignore[attr-defined]
        yield socket


async def get(page: Page, path: str, host: str | None = None) -> tuple[int, str]:
    """A page's status, and all of the answer."""
    async with await anyio.connect_tcp("127.0.0.1", page._port) as stream:
        request = f"GET {path} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{page._port}'}\r\nConnection: close\r\n\r\n"
        await stream.send(request.encode())
        answer = b"".join([chunk async for chunk in stream]).decode()
    return int(answer.split()[1]), answer


async def test_the_page_is_served_to_who_knows_the_secret_and_asks_this_machine() -> None:
    async with serving() as (page, _):
        assert page.url == f"http://127.0.0.1:{page._port}/{SECRET}/"
        for name in ("", "editor.js", "editor.css"):
            status, answer = await get(page, f"/{SECRET}/{name}")
            assert status == 200
            assert "default-src 'none'" in answer
        assert (await get(page, f"/{SECRET}/", f"localhost:{page._port}"))[0] == 200
        for path in ("/", "/guessed/", "/guessed/editor.js", f"/{SECRET}/server.py", f"/{SECRET}/../"):
            assert (await get(page, path))[0] in (400, 404)
        assert (await get(page, f"/{SECRET}/", "attacker.example"))[0] == 400


@pytest.mark.parametrize(
    "options",
    [
        {"origin": "http://attacker.example"},
        {"origin": None},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"path": "/guessed/document"},
        {"host": "attacker.example"},
    ],
)
async def test_a_page_of_somebody_else_gets_no_socket(options: dict[str, Any]) -> None:
    async with serving() as (page, _), socket(page, **options) as other:
        assert not other.taken


async def test_editors_get_what_they_lack_and_what_happens() -> None:
    async with serving() as (page, shared), socket(page) as one, socket(page) as two:
        mine, theirs = Document(1), Document(2)
        await shared.insert(0, "there before, ")
        for editor, document in ((one, mine), (two, theirs)):
            await editor.until(Kind.STATE)
            assert b'"notes & more"' in await editor.until(Kind.STATUS)
            await editor.send(Kind.STATE, document.state)
            document.apply(await editor.until(Kind.MISSING))
        await one.send(Kind.UPDATE, mine.insert(14, "typed"))
        theirs.apply(await two.until(Kind.UPDATE))
        assert str(theirs) == str(shared) == "there before, typed"
        await shared.delete(0, 6)
        theirs.apply(await two.until(Kind.UPDATE))
        assert str(theirs) == "before, typed"

        mine.insert(0, "lost")
        await one.until(Kind.UPDATE)
        await one.send(Kind.UPDATE, mine.insert(0, "builds on what was lost "))
        await one.until(Kind.STATE)  # it is asked for what is missing
        await one.send(Kind.MISSING, mine.update(shared.document.state))
        theirs.apply(await two.until(Kind.UPDATE))
        assert str(theirs) == str(shared)
        assert "lost" in str(shared)


async def test_editors_see_each_other_until_they_leave(until: Any) -> None:
    async with serving() as (page, shared), socket(page) as one:
        await one.until(Kind.STATUS)
        async with socket(page) as two:
            await two.send(Kind.PRESENCE, b"\x01" + uint(7) + b"\x01" + blob(ADA))
            assert b"Ada" in await one.until(Kind.PRESENCE)
            await one.send(Kind.ASK_PRESENCE)
            assert b"Ada" in await one.until(Kind.PRESENCE)
        assert b"null" in await one.until(Kind.PRESENCE)
        await until(lambda: not shared.editors, shared)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff", 4400),
        (encode(Kind.UPDATE, b"\xff"), 4400),
        (encode(Kind.STATUS, b"{}"), 4400),
        (encode(Kind.PRESENCE, b"\x01\x01\x01\x01x"), 4400),
        (encode(Kind.UPDATE, Document(1).insert(0, "x" * 2000)), 4413),
    ],
)
async def test_an_editor_that_sends_nonsense_or_too_much_is_cut_off(data: bytes, code: int) -> None:
    async with serving() as (page, shared), socket(page) as editor:
        shared.document._limit = 1000
        await editor.raw(data)
        assert await editor.closed() == code
        await shared.insert(0, "goes on")


async def test_editors_beyond_the_limit_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_EDITORS", 1)
    async with serving() as (page, _), socket(page) as one:
        await one.until(Kind.STATUS)
        async with socket(page) as two:
            assert await two.closed() == 1013


async def test_an_editor_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_MAX_WAITING", 4)
    async with serving() as (page, shared), socket(page) as slow:
        await slow.until(Kind.STATUS)
        for number in range(10):
            shared._learn_of(shared.document.insert(number, "x"), ours=True)
        assert await slow.closed() == 1013


async def test_when_the_node_ends_editors_are_told() -> None:
    async with anyio.create_task_group() as tasks:
        async with serving() as (page, _):
            stream = await anyio.connect_tcp("127.0.0.1", page._port)
            editor = Socket(stream)
            origin = f"http://127.0.0.1:{page._port}"
            assert await editor.open(page, origin=origin, path=f"/{SECRET}/document", host=None)
        with anyio.fail_after(120):
            assert await editor.closed() == 1001
        await stream.aclose()
        tasks.cancel_scope.cancel()


async def test_a_port_that_is_taken_is_told() -> None:
    shared = SharedText("notes", GossipSub())
    async with serving() as (page, _):
        with pytest.raises(ListenError, match="choose another"):
            Page(shared, port=page._port, secret=SECRET)
    assert service.MAX_GOSSIP
