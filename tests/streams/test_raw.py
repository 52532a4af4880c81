"""Any anyio byte stream as a raw stream."""

from typing import Any

import pytest
from anyio import ClosedResourceError, EndOfStream
from anyio.streams.stapled import StapledByteStream

from p2pstack.abc.bytestream import RawStream
from p2pstack.streams.memory import memory_pipe
from p2pstack.streams.raw import RawStreamAdapter, as_raw


def _pair() -> tuple[RawStream, Any]:
    """An adapter around a stream that is not raw, and its other end."""
    ours, theirs = memory_pipe()
    return as_raw(StapledByteStream(ours, ours)), theirs


def test_a_raw_stream_is_itself_and_any_other_is_wrapped() -> None:
    ours, _ = memory_pipe()
    assert as_raw(ours) is ours
    inner = StapledByteStream(ours, ours)
    assert isinstance(as_raw(inner), RawStreamAdapter)
    assert as_raw(inner).extra_attributes == inner.extra_attributes


async def test_bytes_go_through() -> None:
    ours, theirs = _pair()
    await ours.send(b"there")
    assert await theirs.receive() == b"there"
    await theirs.send(b"back")
    assert await ours.receive(2) == b"ba"
    assert await ours.receive_view() == b"ck"
    await ours.send_eof()
    with pytest.raises(EndOfStream):
        await theirs.receive()
    await ours.aclose()
    with pytest.raises(ClosedResourceError):
        await ours.receive()


async def test_what_was_read_too_far_comes_first() -> None:
    ours, theirs = _pair()
    await theirs.send(b"data")
    assert await ours.receive() == b"data"
    ours.unread(b"")
    ours.unread(b"ta")
    ours.unread(b"da")
    assert await ours.receive(1) == b"d"
    assert await ours.receive_view() == b"ata"


async def test_a_pump_gives_what_comes_until_told_to_stop() -> None:
    ours, theirs = _pair()
    ours.unread(b"a")
    await theirs.send(b"b")
    received: list[bytes] = []

    def take(view: memoryview) -> bool:
        received.append(bytes(view))
        return len(received) < 2

    await ours.pump(take)
    assert received == [b"a", b"b"]


async def test_sends_nothing_at_once_unless_it_can() -> None:
    ours, _ = _pair()
    assert ours.send_nowait(b"x") == 0
