"""A byte stream on a non-blocking socket.

Faster than anyio's own socket streams, with backpressure from the first byte (nothing reads ahead of the caller), and
the same on asyncio, uvloop and trio: it needs `wait_readable` and `wait_writable` of the event loop and nothing else.
"""

import errno
import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from struct import Struct
from typing import Any

from anyio import (
    BrokenResourceError,
    BusyResourceError,
    ClosedResourceError,
    EndOfStream,
    notify_closing,
    wait_readable,
    wait_writable,
)
from anyio.abc import SocketAttribute
from anyio.lowlevel import RunVar, checkpoint, checkpoint_if_cancelled

from p2pstack.abc.bytestream import RawStream
from p2pstack.transports.tcp.busy_poll import BusyPoll, Upgrades
from p2pstack.transports.tcp.pump import Pump

__all__ = ["BUSY_POLL", "SocketStream", "connect"]

RECEIVE_BUFFER = 131_072

#: Seconds to stay awake for an answer that is expected soon: what a computer nearby needs for one that is no work.
BUSY_POLL = 0.0002

_RTT = Struct("@68xI")

#: A read of at least this many bytes is taken for part of a burst, of which more has come meanwhile.
_BRIMMING = 16_384


class _Shared:
    """What all streams of an event loop share. The content of the buffer is consumed before anything else runs, so one
    is enough: a buffer for each connection would cost 128 KiB each."""

    __slots__ = ("buffer", "upgrades")

    def __init__(self) -> None:
        self.buffer = memoryview(bytearray(RECEIVE_BUFFER))
        self.upgrades = Upgrades()


_of_this_loop: RunVar[_Shared] = RunVar("p2pstack_tcp")


def _shared() -> _Shared:
    try:
        return _of_this_loop.get()
    except LookupError:
        shared = _Shared()
        _of_this_loop.set(shared)
        return shared


class SocketStream(RawStream):
    """Owns a connected, non-blocking TCP socket. What comes first is taken for an upgrade, until `pump` is called.

    :param busy_poll: seconds to stay awake for an answer that is expected soon; 0: never
    """

    __slots__ = ("_brimming", "_buffer", "_held", "_poll", "_pump", "_receiving", "_sending", "_socket", "_surplus")

    def __init__(self, sock: socket.socket, *, busy_poll: float = BUSY_POLL) -> None:
        shared = _shared()
        self._socket = sock
        self._poll = BusyPoll(busy_poll)
        if busy_poll and 0.0 < _round_trip(sock) < busy_poll:
            self._poll.upgrade_begins(shared.upgrades)
        self._surplus = b""
        self._held = b""  # goes out with what is sent next
        self._buffer = shared.buffer
        self._brimming = True  # the last read suggests that there is more; so does that there was none
        self._pump: Pump | None = None
        self._receiving = False
        self._sending = False

    async def receive_view(self) -> memoryview:
        if self._surplus:
            data, self._surplus = self._surplus, b""
            return memoryview(data)
        # Always let other tasks run before reading on: they consume what the last read brought while it is warm in the
        # cache, and a fast sender cannot keep the loop to itself. Worth half of the throughput.
        if self._brimming or self._poll.awake:
            await checkpoint()
        else:
            await self._wait()
        buffer = self._buffer
        received = await self._receive_into(buffer)
        self._brimming = received >= _BRIMMING
        return buffer[:received]

    async def pump(self, take: Callable[[memoryview], bool]) -> None:
        self._poll.upgrade_over()
        if self._surplus and not take(await self.receive_view()):
            return
        if self._receiving:
            raise BusyResourceError("receiving from")
        if self._socket.fileno() == -1:
            raise ClosedResourceError
        self._receiving = True
        try:
            self._pump = Pump.on_this_loop(self._socket, self._buffer, self._poll, take)
            if self._pump is not None:
                await self._pump.run()
                return
        except OSError as error:
            raise _translated(error, self._socket) from error
        finally:
            self._pump = None
            self._receiving = False
        await super().pump(take)

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        if self._surplus:
            data, self._surplus = self._surplus[:max_bytes], self._surplus[max_bytes:]
            return data
        await checkpoint_if_cancelled()
        buffer = self._buffer[:max_bytes]
        return bytes(buffer[: await self._receive_into(buffer)])

    def unread(self, data: bytes) -> None:
        self._surplus = bytes(data) + self._surplus

    async def _wait(self) -> None:
        """Wait until there is something to read."""
        if self._receiving:
            raise BusyResourceError("receiving from")
        if self._held:
            await self._send_held()
        self._receiving = True
        try:
            await wait_readable(self._socket)
        except ValueError:
            raise ClosedResourceError from None
        finally:
            self._receiving = False

    async def _receive_into(self, buffer: memoryview) -> int:
        if self._receiving:
            raise BusyResourceError("receiving from")
        self._receiving = True
        sock = self._socket
        try:
            while True:
                try:
                    received = sock.recv_into(buffer)
                except (BlockingIOError, InterruptedError):
                    if self._held:
                        await self._send_held()
                    elif self._poll.goes_on():
                        os.sched_yield()  # the peer may wait for this very core
                        await checkpoint()
                    else:
                        await wait_readable(sock)
                else:
                    break
        except OSError as error:
            raise _translated(error, sock) from error
        except ValueError:
            raise ClosedResourceError from None
        finally:
            self._receiving = False
        if not received:
            raise EndOfStream
        self._poll.received(received)
        return received

    async def send_with_next(self, data: bytes) -> None:
        self._held += data

    async def _send_held(self) -> None:
        with suppress(BrokenResourceError):  # whoever receives finds out, behind all that had come before
            await self.send(b"")

    async def send(self, item: bytes) -> None:
        if self._sending:
            raise BusyResourceError("sending to")
        if self._held:
            item, self._held = self._held + item, b""
        self._sending = True
        sock = self._socket
        try:
            sent = 0
            size = len(item)
            self._poll.sent(size)
            view: memoryview | None = None
            while True:
                try:
                    sent += sock.send(view[sent:] if view else item)
                except (BlockingIOError, InterruptedError):
                    await wait_writable(sock)
                if sent >= size:
                    return
                if view is None:
                    view = memoryview(item)
        except OSError as error:
            raise _translated(error, sock) from error
        except ValueError:
            raise ClosedResourceError from None
        finally:
            self._sending = False

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        if self._sending or self._held:
            return 0
        self._poll.sent(len(data))
        try:
            return self._socket.send(data)
        except OSError:
            return 0

    async def send_eof(self) -> None:
        if self._held:
            await self.send(b"")
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise _translated(error, self._socket) from error
        await checkpoint_if_cancelled()

    @property
    def local_address(self) -> tuple[Any, ...]:
        """What `getsockname` says."""
        return self._socket.getsockname()

    def close(self) -> None:
        """Close without waiting: tasks that wait on the stream get `ClosedResourceError`."""
        sock = self._socket
        if sock.fileno() != -1:
            if self._pump is not None:
                self._pump.stop(ClosedResourceError())
            notify_closing(sock)
            sock.close()

    async def aclose(self) -> None:
        self.close()
        await checkpoint_if_cancelled()

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        sock = self._socket
        return {
            SocketAttribute.family: lambda: sock.family,
            SocketAttribute.local_address: sock.getsockname,
            SocketAttribute.local_port: lambda: sock.getsockname()[1],
            SocketAttribute.remote_address: sock.getpeername,
            SocketAttribute.remote_port: lambda: sock.getpeername()[1],
            SocketAttribute.raw_socket: lambda: sock,
        }


async def connect(
    family: socket.AddressFamily, address: tuple[Any, ...], *, busy_poll: float = BUSY_POLL
) -> SocketStream:
    """Connect to a socket address.

    :param busy_poll: as for `SocketStream`
    :raises OSError: it cannot be reached
    """
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        error = sock.connect_ex(address)
        if error == errno.EINPROGRESS:
            error = sock.connect_ex(address)  # within the machine it is done by now
            if error == errno.EALREADY:
                await wait_writable(sock)
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            elif error == errno.EISCONN:
                error = 0
        if error:
            raise OSError(error, os.strerror(error))
        return SocketStream(sock, busy_poll=busy_poll)
    except BaseException:
        notify_closing(sock)
        sock.close()
        raise


def _round_trip(sock: socket.socket) -> float:
    """Seconds that the kernel has measured for a round trip, by the handshake of TCP; 0 where it has measured none,
    infinite where it does not say.

    Source: Linux, `struct tcp_info`: eight bytes, then numbers of four, of which `tcpi_rtt` is the sixteenth, in µs.
    """
    if sys.platform != "linux":
        return inf
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RTT.size)
    except OSError:
        return inf
    return _RTT.unpack(info)[0] / 1e6 if len(info) == _RTT.size else inf


def _translated(error: OSError, sock: socket.socket) -> Exception:
    if error.errno == errno.EBADF or sock.fileno() == -1:
        return ClosedResourceError()
    return BrokenResourceError(f"the connection broke: {error.strerror or error}")
