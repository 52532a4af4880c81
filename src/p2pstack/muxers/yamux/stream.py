"""A yamux stream to await on."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import ref

from anyio import BusyResourceError, ClosedResourceError, EndOfStream, get_cancelled_exc_class
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from p2pstack.abc.muxer import MuxedStream
from p2pstack.errors import ConnectionClosed, StreamReset
from p2pstack.muxers.yamux.state import StreamState
from p2pstack.streams.flag import Flag

if TYPE_CHECKING:
    from p2pstack.muxers.yamux.connection import YamuxConnection

__all__ = ["YamuxStream"]

#: A call that does not have to wait still lets other tasks run, and cancellation in, after about this many bytes.
_YIELD_AFTER = 262_144
#: Bytes that a call receives at most, unless it says otherwise.
_MOST = 65_536
#: What a call costs beside its bytes, in bytes: many small calls yield too.
_CALL = 64


class YamuxStream(MuxedStream):
    """Made by its connection. One task may receive and one may send at a time."""

    __slots__ = (
        "_closed",
        "_connection",
        "_credit",
        "_readable",
        "_session",
        "_state",
        "_take",
        "_take_error",
        "_writable",
    )

    def __init__(self, connection: "YamuxConnection", state: StreamState) -> None:
        self._connection = connection
        self._session = connection.session
        self._state = state
        state.owner = ref(self)
        self._closed = False
        self._credit = _YIELD_AFTER
        self._readable: Flag | None = None
        self._writable: Flag | None = None
        self._take: Callable[[bytes], bool] | None = None  # while `pump` waits
        self._take_error: BaseException | None = None

    @property
    def stream_id(self) -> int:
        """The number it has on the wire."""
        return self._state.id

    @property
    def ended(self) -> bool:
        return self._state.ended

    # --- receiving

    async def receive(self, max_bytes: int = _MOST) -> bytes:
        if self._closed:
            raise ClosedResourceError
        state = self._state
        if state.inbox:
            self._credit -= _CALL
            if self._credit < 0:
                self._credit = _YIELD_AFTER
                await checkpoint()
        if not state.inbox:
            await self._wait_readable()
        session = self._session
        data = session.read(state, max_bytes)
        if session.granting:
            self._connection.wake_writer()
        self._credit -= len(data)
        return data

    async def _wait_readable(self) -> None:
        state = self._state
        if self._readable is not None:
            raise BusyResourceError("receiving from")
        take = self._take
        while not state.inbox and self._take is take:
            if self._closed:
                raise ClosedResourceError
            if state.fin_received and not state.reset_here:
                raise EndOfStream
            self._check()
            if self._session.wants_to_send:
                self._connection.flush()
            self._readable = self._connection.flag()
            try:
                await self._readable.wait()
            finally:
                self._readable = None

    async def pump(self, take: Callable[[bytes], bool]) -> None:
        while take(await self.receive()):
            self._take = take
            try:
                await self._wait_readable()
                if self._take is None:
                    if self._take_error is not None:
                        raise self._take_error
                    return
            finally:
                self._take = self._take_error = None

    def _pass_on(self, take: Callable[[bytes], bool]) -> bool:
        """Give what has come to who pumps, there and then. False where that is for its task: the rest of much, what
        came of it, an end, or where nothing has come."""
        state, session = self._state, self._session
        if not state.inbox or self._credit < 0:
            return False
        while state.inbox and self._credit >= 0:
            data = session.read(state, _MOST)
            if session.granting:
                self._connection.wake_writer()
            self._credit -= len(data) + _CALL
            try:
                if not take(data):
                    self._take = None
                    return False
            except BaseException as error:  # noqa: BLE001 - none is lost: it comes out of `pump`
                self._take, self._take_error = None, error
                return False
        return not (state.inbox or state.fin_received or state.ended)

    def unread(self, data: bytes) -> None:
        if not self._closed:
            self._session.unread(self._state, data)

    # --- sending

    async def send(self, item: bytes) -> None:
        state = self._state
        if state.ended or state.finishing:
            self._check()
            raise ClosedResourceError
        if self._writable is not None:
            raise BusyResourceError("sending to")
        data = item if type(item) is bytes else bytes(item)  # as it should be, and as it may be
        size = len(data)
        written = self._session.write(state, data)
        connection = self._connection
        if connection.idle:
            connection.wake_writer()
        self._credit -= size + _CALL
        if written < size:
            await self._send_rest(memoryview(data), written)
        elif self._credit < 0:
            self._credit = _YIELD_AFTER
            await checkpoint()

    def send_nowait(self, data: bytes) -> bool:
        state = self._state
        if state.ended or state.finishing or self._writable is not None or not self._session.has_room(state, len(data)):
            return False
        self._session.write(state, data)
        self._connection.hurry()
        return True

    async def _send_rest(self, data: memoryview, written: int) -> None:
        state = self._state
        self._credit = _YIELD_AFTER
        while written < len(data):
            if state.wants_room:
                self._writable = self._connection.flag()
                try:
                    await self._writable.wait()
                except get_cancelled_exc_class():
                    if written:
                        self.reset()  # the peer shall take no half for the whole
                    raise
                finally:
                    self._writable = None
            if state.ended or state.finishing:
                self._check()
                raise ClosedResourceError
            written += self._session.write(state, data[written:])
            self._connection.wake_writer()

    async def send_eof(self) -> None:
        state = self._state
        if not state.finishing:
            self._check()
            self._session.close_write(state)
            self._connection.wake_writer()
            self.wake_sender()
        await checkpoint_if_cancelled()

    # --- ending

    def settle(self) -> None:
        """The session has changed by something that did not come from here or from the peer."""
        self._connection.settle()

    def reset(self, code: int = 0) -> None:
        self._session.reset(self._state, code)
        self._connection.settle()

    async def aclose(self) -> None:
        self.close()
        await checkpoint_if_cancelled()

    def close(self) -> None:
        """`aclose` without waiting for anything, which it never has to."""
        if not self._closed:
            self._closed = True
            state = self._state
            self._session.close_write(state)
            self._session.close_read(state, 0.0 if state.fin_received else self._connection.clock())
            self._connection.settle()
            if state.queued:
                self._connection.flush()  # the answer of a handler that is done
            self.wake_reader()
            self.wake_sender()

    def wake_reader(self) -> None:
        """There is something to read, or an end. Called by the connection."""
        take = self._take
        if (take is None or not self._pass_on(take)) and self._readable is not None:
            self._readable.set()

    def wake_sender(self) -> None:
        """There is room to write, or an end. Called by the connection."""
        if self._writable is not None:
            self._writable.set()

    def _check(self) -> None:
        """Raise if a reset, or the end of the connection, ended the stream."""
        state = self._state
        if state.error is not None:
            raise state.error
        if state.reset:
            raise StreamReset(code=state.reset_code, remote=state.reset_by_peer)
        if state.ended and not (state.fin_received and state.fin_sent):
            raise ConnectionClosed(self._connection.epitaph)

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        return self._connection.extra_attributes
