"""Two yamux sessions on a wire of virtual time; two yamux connections on pipes and sockets; a peer made of bytes."""

import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from struct import Struct
from typing import Any

import anyio
import pytest
from anyio import Event, create_memory_object_stream, create_task_group

from p2pstack.abc.bytestream import RawStream
from p2pstack.abc.muxer import MuxedStream
from p2pstack.abc.security import SecureChannel
from p2pstack.identity.keys import PrivateKey
from p2pstack.muxers.yamux import Yamux
from p2pstack.muxers.yamux.config import YamuxConfig
from p2pstack.muxers.yamux.connection import YamuxConnection
from p2pstack.muxers.yamux.events import SlotFreed, StreamOpened, StreamReadable, StreamWritable
from p2pstack.muxers.yamux.session import Session
from p2pstack.muxers.yamux.state import StreamState
from p2pstack.streams.memory import memory_pipe
from p2pstack.transports.tcp.stream import SocketStream

_HEADER = Struct(">BBHII")
_KEY = PrivateKey.generate().public_key


# --- frames by hand


def _frame(kind: int, flags: int = 0, stream_id: int = 0, length: int = 0, body: bytes = b"") -> bytes:
    return _HEADER.pack(0, kind, flags, stream_id, length or len(body)) + body


def _frames(data: bytes) -> list[tuple[int, int, int, int, bytes]]:
    """(type, flags, stream id, length, body) of each whole frame."""
    found: list[tuple[int, int, int, int, bytes]] = []
    while data:
        _, kind, flags, stream_id, length = _HEADER.unpack_from(data)
        body = data[12 : 12 + length] if kind == 0 else b""
        assert kind or len(body) == length
        found.append((kind, flags, stream_id, length, body))
        data = data[12 + len(body) :]
    return found


@pytest.fixture(scope="session")
def frame() -> Callable[..., bytes]:
    """frame(type, flags, stream_id, length, body): bytes of a frame."""
    return _frame


@pytest.fixture(scope="session")
def frames() -> Callable[[bytes], list[tuple[int, int, int, int, bytes]]]:
    """frames(data): the frames in `data`, which holds whole ones."""
    return _frames


# --- sessions in virtual time


class Side:
    """A session, and what it told."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.opened: list[StreamState] = []
        self.readable: list[StreamState] = []
        self.writable: list[StreamState] = []
        self.slots = 0

    def listen(self) -> None:
        for event in self.session.events():
            match event:
                case StreamOpened(stream):
                    self.opened.append(stream)
                case StreamReadable(stream):
                    self.readable.append(stream)
                case StreamWritable(stream):
                    self.writable.append(stream)
                case SlotFreed():
                    self.slots += 1

    def receive(self, data: bytes, now: float = 0.0) -> None:
        try:
            self.session.receive_data(data, now)
        finally:
            self.listen()

    def flush(self, now: float = 0.0) -> bytes:
        """All that it has to send."""
        data = b""
        while chunks := self.session.data_to_send(now):
            assert all(chunks)
            data += b"".join(chunks)
        self.listen()
        return data

    def read_all(self, stream: StreamState, size: int = 65_536) -> bytes:
        data = b""
        while part := self.session.read(stream, size):
            assert len(part) <= size
            data += part
        return data

    def write_all(self, stream: StreamState, data: bytes) -> None:
        assert self.session.write(stream, data) == len(data)


class Link:
    """A dialer and a listener; each delivery takes `delay` seconds of virtual time."""

    def __init__(
        self,
        dialer: YamuxConfig | None = None,
        listener: YamuxConfig | None = None,
        *,
        record_size: int = 65_519,
        delay: float = 0.0,
    ) -> None:
        self.dialer = Side(Session(dialer or YamuxConfig(), initiator=True, record_size=record_size))
        self.listener = Side(Session(listener or YamuxConfig(), initiator=False, record_size=record_size))
        self.delay = delay
        self.now = 0.0

    def deliver(self, source: Side, target: Side, cuts: Sequence[int] = ()) -> bool:
        data = source.flush(self.now)
        self.now += self.delay
        for start, stop in zip((0, *cuts), (*cuts, len(data)), strict=True):
            if start < stop:
                target.receive(data[start:stop], self.now)
        return bool(data)

    def settle(self) -> None:
        """Move bytes until neither has any."""
        while self.deliver(self.dialer, self.listener) | self.deliver(self.listener, self.dialer):
            pass

    def open(self) -> tuple[StreamState, StreamState]:
        """A stream of the dialer's, and the same at the listener."""
        stream = self.dialer.session.open()
        self.settle()
        return stream, self.listener.opened[-1]

    def assert_at_rest(self) -> None:
        for side in (self.dialer, self.listener):
            table = side.session.streams
            assert (len(table), table.inbound, table.outbound, table.unacknowledged) == (0, 0, 0, 0)
            assert side.session.bytes_queued == 0
            assert side.session._config.budget.used == 0


@pytest.fixture(scope="session")
def make_link() -> type[Link]:
    """make_link(dialer_config, listener_config, record_size=, delay=): two sessions on a wire."""
    return Link


@pytest.fixture(scope="session")
def make_side() -> Callable[..., Side]:
    """make_side(initiator=, **config): one session, whose peer the test is."""

    def make(*, initiator: bool = False, **config: Any) -> Side:
        return Side(Session(YamuxConfig(**config), initiator=initiator))

    return make


@pytest.fixture
def link() -> Link:
    return Link()


# --- connections


class NullChannel(SecureChannel):
    """A secure channel that secures nothing. `prompt`: it sends at once what the network takes at once."""

    def __init__(self, raw: RawStream, *, prompt: bool = False) -> None:
        self.raw = raw
        self._prompt = prompt
        self._rest = b""

    @property
    def remote_peer(self) -> Any:
        return _KEY.peer_id

    @property
    def remote_public_key(self) -> Any:
        return _KEY

    async def receive_chunks(self) -> list[bytes]:
        return [bytes(await self.raw.receive_view())]

    async def send_chunks(self, chunks: Sequence[bytes]) -> None:
        assert all(0 < len(chunk) <= self.record_size for chunk in chunks)
        data, self._rest = b"".join((self._rest, *chunks)), b""
        await self.raw.send(data)

    @property
    def can_send_now(self) -> bool:
        return self._prompt

    def send_chunks_nowait(self, chunks: Sequence[Any]) -> bool:
        assert not self._rest
        data = b"".join(chunks)
        self._rest = data[self.raw.send_nowait(data) :]
        return not self._rest

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        return await self.raw.receive(max_bytes)

    async def send(self, item: bytes) -> None:
        await self.raw.send(item)

    async def send_eof(self) -> None:
        await self.raw.send_eof()

    def unread(self, data: bytes) -> None:
        self.raw.unread(data)

    async def aclose(self) -> None:
        await self.raw.aclose()

    @property
    def extra_attributes(self) -> Any:
        return self.raw.extra_attributes


class Party:
    """A connection that runs: the streams it is offered, and how it ended."""

    def __init__(self, raw: RawStream, config: Yamux, *, initiator: bool, prompt: bool) -> None:
        self.channel = NullChannel(raw, prompt=prompt)
        self.connection: YamuxConnection = config.connection(self.channel, security="/null", initiator=initiator)
        self.offered: deque[MuxedStream] = deque()
        self._arrived = Event()
        self.failure: Exception | None = None
        self.ended = Event()

    async def run(self) -> None:
        try:
            await self.connection.run(self._offer)
        except Exception as error:
            self.failure = error
        finally:
            self.ended.set()

    def _offer(self, stream: MuxedStream) -> None:
        self.offered.append(stream)
        self._arrived.set()

    async def open(self) -> Any:
        return await self.connection.open_stream()

    async def accept(self) -> Any:
        while not self.offered:
            self._arrived = Event()
            await self._arrived.wait()
        return self.offered.popleft()

    async def outcome(self) -> Exception | None:
        """What `run` raised, once it ended."""
        await self.ended.wait()
        return self.failure


class Script(RawStream):
    """A wire that does as it is told: `give` bytes or an exception to receive; sending may fail, or wait."""

    def __init__(self) -> None:
        self._give, self._receive = create_memory_object_stream[bytes | Exception](1024)
        self.sent = b""
        self.send_error: Exception | None = None
        self.hold: Event | None = None
        self.eof_sent = False
        self.closed = False

    def give(self, item: bytes | Exception) -> None:
        self._give.send_nowait(item)

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        item = await self._receive.receive()
        if isinstance(item, Exception):
            raise item
        return item

    async def receive_view(self) -> memoryview:
        return memoryview(await self.receive())

    def unread(self, data: bytes) -> None:
        raise NotImplementedError

    async def send(self, item: bytes) -> None:
        if self.hold is not None:
            await self.hold.wait()
        if self.send_error is not None:
            raise self.send_error
        self.sent += item

    async def send_eof(self) -> None:
        self.eof_sent = True

    async def aclose(self) -> None:
        self.closed = True
        self._give.close()
        self._receive.close()


def _sockets() -> tuple[RawStream, RawStream]:
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)  # so that one that is not read soon stalls
    return SocketStream(ours), SocketStream(theirs)


@asynccontextmanager
async def _connected(
    *,
    dialer: Yamux | None = None,
    listener: Yamux | None = None,
    pipe: int = 1 << 20,
    prompt: bool | None = None,
    run: bool = True,
) -> AsyncIterator[tuple[Party, Party]]:
    ours, theirs = memory_pipe(max_buffer=pipe) if pipe else _sockets()
    prompt = not pipe if prompt is None else prompt
    one = Party(ours, dialer or Yamux(), initiator=True, prompt=prompt)
    other = Party(theirs, listener or Yamux(), initiator=False, prompt=prompt)
    try:
        async with create_task_group() as tasks:
            if run:
                tasks.start_soon(one.run)
                tasks.start_soon(other.run)
                await anyio.wait_all_tasks_blocked()
            yield one, other
            tasks.cancel_scope.cancel()
    finally:
        await ours.aclose()
        await theirs.aclose()
    for party in (one, other):
        config = party.connection._config
        assert config.budget.used == 0
        assert not run or party.connection.session.bytes_queued == 0


@asynccontextmanager
async def _facing(
    config: Yamux | None = None, *, pipe: int = 1 << 20, prompt: bool | None = None, initiator: bool = False
) -> AsyncIterator[tuple[Party, RawStream]]:
    ours, theirs = memory_pipe(max_buffer=pipe) if pipe else _sockets()
    prompt = not pipe if prompt is None else prompt
    try:
        async with _running(ours, config, initiator=initiator, prompt=prompt) as party:
            yield party, theirs
    finally:
        await theirs.aclose()


@asynccontextmanager
async def _scripted(config: Yamux | None = None) -> AsyncIterator[tuple[Party, Script]]:
    script = Script()
    async with _running(script, config) as party:
        yield party, script
    assert script.closed


@asynccontextmanager
async def _running(
    raw: RawStream, config: Yamux | None, *, initiator: bool = False, prompt: bool = False
) -> AsyncIterator[Party]:
    party = Party(raw, config or Yamux(), initiator=initiator, prompt=prompt)
    async with create_task_group() as tasks:
        tasks.start_soon(party.run)
        await anyio.wait_all_tasks_blocked()
        yield party
        tasks.cancel_scope.cancel()
    assert party.connection._config.budget.used == 0
    assert len(party.connection.session.streams) == 0


@pytest.fixture
def connected() -> Any:
    """connected(dialer=, listener=, pipe=, prompt=): two connections that run, over a pipe of so many bytes, or (0)
    over sockets, which send at once what they can."""
    return _connected


@pytest.fixture
def facing() -> Any:
    """facing(config, pipe=, initiator=): a connection that runs, and the raw stream of its peer, which the test is."""
    return _facing


@pytest.fixture
def scripted() -> Any:
    """scripted(config): a listener's connection that runs, and a wire that does as it is told."""
    return _scripted
