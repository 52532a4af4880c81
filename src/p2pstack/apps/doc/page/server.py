"""Serves the page with the editor, to the browsers of this machine only.

A page of anybody else that is open in the same browser can send requests here as well, so

 - the address has a secret in it, and nothing is served without;
 - `Host` has to name this machine: a name of theirs that was made to point here is not served;
 - a WebSocket has to come from our own page: browsers say in `Origin` where it comes from.

An editor speaks Yjs' messages over a WebSocket, one a message (as y-websocket does): both sides tell what they have and
lack, then what happens. Who does not read what happens is cut off, and gets what it lacks when it comes back.
`STATUS` goes to the page only: JSON with `name`, `members` (how many peers have the document), `saved` and `connect`
(our addresses).
"""

import socket
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from secrets import compare_digest

import msgspec
from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    Event,
    WouldBlock,
    create_memory_object_stream,
    create_task_group,
    current_time,
    fail_after,
    sleep_forever,
)
from anyio.abc import ObjectReceiveStream, TaskStatus
from anyio.lowlevel import current_token
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from p2pstack import AbstractHost, LimitExceeded, ListenError, RemoteProtocolError
from p2pstack.apps.doc.exchange import MAX_MESSAGE
from p2pstack.apps.doc.messages import Kind, decode, encode
from p2pstack.apps.doc.service import SharedText

__all__ = ["MAX_EDITORS", "Page"]

_FILES = Path(__file__).with_name("static")
#: editors that are open here at a time
MAX_EDITORS = 32
#: messages that wait for one that does not read
_MAX_WAITING = 1024
#: seconds for one message to be taken by a browser
_DEADLINE = 20.0

# Codes of closing that the page's side knows: from 4400 to 4499 it does not come back by itself.
_REFUSED, _FULL, _BUSY, _AWAY = 4400, 4413, 1013, 1001

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Page:
    """The page of a document. A service; its port is taken when it is made.

    :param shared: the document, a service of the same host
    :param port: of this machine; 0: a free one
    :param secret: what the address has in it
    :raises ListenError: somebody else has the port
    """

    def __init__(self, shared: SharedText, *, port: int, secret: str) -> None:
        self._shared = shared
        self._secret = secret
        self._host: AbstractHost | None = None
        self._editors = 0
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
            self._socket.listen()
        except OSError as error:
            self._socket.close()
            raise ListenError(
                f"port {port} of this machine cannot be had for the page: {error.strerror}; choose another one by "
                "--port, or none for a free one",
                address=f"127.0.0.1:{port}",
            ) from None
        self._port: int = self._socket.getsockname()[1]

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._port}/{self._secret}/"

    async def run(self, host: AbstractHost, *, task_status: TaskStatus[None]) -> None:
        """Live."""
        config = Config()
        config.bind = [f"fd://{self._socket.detach()}"]
        config.errorlog = None
        config.graceful_timeout = 1.0
        config.include_server_header = False
        config.websocket_max_message_size = MAX_MESSAGE
        on_asyncio = isinstance(current_token().native_token, AbstractEventLoop)
        serve = import_module("hypercorn.asyncio" if on_asyncio else "hypercorn.trio").serve
        self._host = host
        over = self._over = Event()

        async def end_in_order() -> None:
            try:
                task_status.started()
                await sleep_forever()
            finally:
                over.set()
                # asyncio's server, from Python 3.12 on, waits for ever for an editor that does not close its side.
                serving.deadline = current_time() + 2 * config.graceful_timeout

        async with create_task_group() as tasks:
            tasks.start_soon(end_in_order)
            with CancelScope(shield=True) as serving:  # it does not take being cancelled well
                await serve(self._application(), config, shutdown_trigger=over.wait)

    # --- what is served

    def _application(self) -> Starlette:
        root = "/{secret}"
        return Starlette(
            routes=[
                Route(f"{root}/", self._file("index.html", "text/html")),
                Route(f"{root}/editor.js", self._file("editor.js", "text/javascript")),
                Route(f"{root}/editor.css", self._file("editor.css", "text/css")),
                WebSocketRoute(f"{root}/document", self._edit),
            ],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        )

    def _knows(self, secret: str) -> bool:
        return compare_digest(secret.encode(), self._secret.encode())

    def _file(self, name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
        content = (_FILES / name).read_bytes()

        async def serve(request: Request) -> Response:
            if not self._knows(request.path_params["secret"]):
                return PlainTextResponse("Use the address that p2pstack has printed.\n", 404, _HEADERS)
            return Response(content, headers=_HEADERS, media_type=media_type)

        return serve

    async def _edit(self, websocket: WebSocket) -> None:
        ours = {f"http://{name}:{self._port}" for name in ("127.0.0.1", "localhost")}
        if not self._knows(websocket.path_params["secret"]) or websocket.headers.get("origin") not in ours:
            await websocket.close()  # before it is accepted: 403
            return
        await websocket.accept()
        if self._editors >= MAX_EDITORS:
            await websocket.close(_BUSY, f"{MAX_EDITORS} editors are open already")
            return
        self._editors += 1
        try:
            await self._serve_editor(websocket)
        finally:
            self._editors -= 1

    async def _serve_editor(self, websocket: WebSocket) -> None:
        shared, clients = self._shared, set[int]()
        put, waiting = create_memory_object_stream[bytes](_MAX_WAITING)

        def tell(kind: Kind, content: bytes) -> None:
            with suppress(BrokenResourceError, ClosedResourceError):
                try:
                    put.send_nowait(encode(kind, self._status if kind is Kind.STATUS else content))
                except WouldBlock:
                    put.close()  # too slow: what is there is sent, then it is cut off

        try:
            with put, waiting, shared.watch(tell):
                for kind, content in (
                    (Kind.STATE, shared.document.state),
                    (Kind.PRESENCE, shared.presence),
                    (Kind.STATUS, b""),
                ):
                    tell(kind, content)
                async with create_task_group() as tasks:
                    tasks.start_soon(self._send, websocket, waiting)
                    tasks.start_soon(self._close_when_over, websocket)
                    with suppress(WebSocketDisconnect):
                        await self._receive(websocket, tell, clients)
                    tasks.cancel_scope.cancel()
        finally:
            shared.leave(clients)

    async def _send(self, websocket: WebSocket, messages: ObjectReceiveStream[bytes]) -> None:
        with suppress(WebSocketDisconnect, TimeoutError):
            async for message in messages:
                with fail_after(_DEADLINE):
                    await websocket.send_bytes(message)
        await _close(websocket, _BUSY, "too slow")

    async def _close_when_over(self, websocket: WebSocket) -> None:
        await self._over.wait()
        await _close(websocket, _AWAY, "the node has ended")

    async def _receive(self, websocket: WebSocket, tell: Callable[[Kind, bytes], None], clients: set[int]) -> None:
        """Take what the editor says, until it leaves."""
        shared = self._shared
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                kind, content = decode(message.get("bytes") or b"")
                match kind:
                    case Kind.STATE:
                        tell(Kind.MISSING, shared.document.update(content))
                    case Kind.MISSING | Kind.UPDATE:
                        if not shared.apply(content):
                            tell(Kind.STATE, shared.document.state)
                        tell(Kind.STATUS, b"")
                    case Kind.PRESENCE:
                        shared.tell_presence(content, clients)
                    case Kind.ASK_PRESENCE:
                        tell(Kind.PRESENCE, shared.presence)
                    case Kind.STATUS:
                        raise RemoteProtocolError("the status is told, not asked for")
            except RemoteProtocolError as error:
                await _close(websocket, _REFUSED, str(error))
                return
            except LimitExceeded as error:
                await _close(websocket, _FULL, str(error))
                return

    @property
    def _status(self) -> bytes:
        shared, host = self._shared, self._host
        assert host is not None
        return msgspec.json.encode(
            {
                "name": shared.name,
                "members": len(shared.members),
                "saved": shared.saved,
                "connect": [str(addr) for addr in host.addrs],
            }
        )


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):  # it has gone, or is closed already
        await websocket.close(code, reason[:100])
