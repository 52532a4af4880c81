"""Receiving by callback, on event loops that call back.

asyncio and uvloop tell of a readable socket by calling a function. To read there and then, and to stay registered,
saves a task switch, a turn of the loop and two system calls for each arrival: a third of a round trip. trio has no
callbacks; there a task waits.
"""

import os
import socket
import sys
import weakref
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from functools import partial
from typing import Self

from anyio import EndOfStream

from p2pstack.streams.loop import asyncio_loop
from p2pstack.transports.tcp.busy_poll import BusyPoll

__all__ = ["Pump"]


class Pump:
    """Reads a non-blocking socket into `buffer` whenever something has arrived, and gives it to `take`, until that
    returns False. One read for each turn of the loop, so that a fast sender does not keep it to itself."""

    __slots__ = ("_buffer", "_done", "_looking", "_loop", "_poll", "_registration", "_socket", "_take")

    def __init__(
        self,
        loop: AbstractEventLoop,
        sock: socket.socket,
        buffer: memoryview,
        poll: BusyPoll,
        take: Callable[[memoryview], bool],
    ) -> None:
        self._loop = loop
        self._socket = sock
        self._buffer = buffer
        self._poll = poll
        self._take = take
        self._looking = False  # `_look` is about to run
        self._done: Future[None] | None = loop.create_future()  # None: stopped
        self._registration: weakref.ref[partial[None]] | None = None

    @classmethod
    def on_this_loop(
        cls, sock: socket.socket, buffer: memoryview, poll: BusyPoll, take: Callable[[memoryview], bool]
    ) -> Self | None:
        """A pump, or None where the event loop that runs has no callbacks."""
        loop = asyncio_loop()
        return cls(loop, sock, buffer, poll, take) if loop is not None else None

    async def run(self) -> None:
        """Until `take` returns False.

        :raises EndOfStream: the peer has ended its direction
        :raises OSError: the connection broke
        """
        # A callback runs outside of any task, where sniffio (and so anyio) finds the event loop by this variable only.
        if sniffio := sys.modules.get("sniffio"):
            sniffio.current_async_library_cvar.set("asyncio")
        done = self._done
        self._register()
        try:
            self._readable()  # what came before anybody waited for it
            if done is not None:
                await done
        finally:
            del done  # an error that it holds leads here, by its traceback
            self.stop()

    @property
    def _stopped(self) -> bool:
        return self._done is None

    def _register(self) -> None:
        """Have the loop call back. uvloop forgets who is registered when the connection is reset, having called once,
        and what is read then may be the data before the reset: so this notices that it was forgotten, and asks again.
        """
        callback = partial(self._readable)  # lives as long as the loop knows it
        self._registration = weakref.ref(callback, self._forgotten)
        # By its number: a loop that looks for a socket it does not know describes it first, in 10 µs.
        self._loop.add_reader(self._socket.fileno(), callback)

    def _forgotten(self, registration: object) -> None:
        self._loop.call_soon(self._register_again)

    def _register_again(self) -> None:
        if self._done is not None and self._socket.fileno() != -1:
            self._loop.remove_reader(self._socket.fileno())
            self._register()

    def stop(self, error: BaseException | None = None) -> None:
        """End `run`, with an error if one is given."""
        self._registration = None
        done, self._done = self._done, None  # what it holds leads back here, by the traceback of an error
        if done is not None and not done.done():
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
        if self._socket.fileno() != -1:
            self._loop.remove_reader(self._socket.fileno())

    def _readable(self) -> None:
        try:
            received = self._socket.recv_into(self._buffer)
            if not received:
                self.stop(EndOfStream())
            else:
                if self._poll.received(received):
                    self._look_soon()
                if not self._take(self._buffer[:received]):
                    self.stop()
        except (BlockingIOError, InterruptedError):
            pass
        except BaseException as error:  # noqa: BLE001 - none is lost: all come out of `run`
            self.stop(error)

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Look whether something has arrived, without sleeping."""
        self._looking = False
        if not self._stopped:
            self._readable()
            if not self._looking and not self._stopped and self._poll.goes_on():
                os.sched_yield()  # the peer may wait for this very core
                self._look_soon()
