"""The channel over a pipe."""

import anyio.lowlevel
import pytest
from anyio import (
    BrokenResourceError,
    BusyResourceError,
    ClosedResourceError,
    EndOfStream,
    TypedAttributeSet,
    create_task_group,
    fail_after,
    typed_attribute,
    wait_all_tasks_blocked,
)

from p2pstack.errors import LocalProtocolError, SecurityError
from p2pstack.security.noise.channel import NoiseChannel
from p2pstack.security.noise.cipher import MAX_NONCE, SendCipher
from p2pstack.security.noise.handshake import Session
from p2pstack.streams.memory import MemoryStream, memory_pipe


class Attribute(TypedAttributeSet):
    name: str = typed_attribute()


class RecordingStream(MemoryStream):
    """Keeps what was sent, write by write, and has a name."""

    def __init__(self, inner: MemoryStream) -> None:
        super().__init__(incoming=inner._incoming, outgoing=inner._outgoing)
        self.writes: list[bytes] = []

    async def send(self, item: bytes) -> None:
        self.writes.append(bytes(item))
        await super().send(item)

    @property
    def extra_attributes(self):
        return {Attribute.name: lambda: "a pipe"}


@pytest.fixture
def ends(sessions: tuple[Session, Session]) -> tuple[NoiseChannel, NoiseChannel, RecordingStream, MemoryStream]:
    """Alice's channel and Bob's, and the streams under them."""
    here, there = memory_pipe(max_buffer=1 << 19)
    below = RecordingStream(here)
    return NoiseChannel(below, sessions[0]), NoiseChannel(there, sessions[1]), below, there


async def test_it_knows_who_is_at_the_other_end(ends, alice, bob) -> None:
    here, there, _, _ = ends
    assert here.remote_public_key == bob.public_key
    assert there.remote_peer == alice.peer_id
    assert here.muxer is None
    assert here.record_size == 65_519
    assert here.extra(Attribute.name) == "a pipe"


async def test_chunks_travel_in_one_write_and_arrive_as_they_were(ends) -> None:
    here, there, below, _ = ends
    await here.send_chunks([b"one", bytearray(b"two"), memoryview(b"three")])
    assert len(below.writes) == 1
    assert list(await there.receive_chunks()) == [b"one", b"two", b"three"]
    await there.send_chunks([b"back"])
    assert list(await here.receive_chunks()) == [b"back"]


async def test_nothing_can_be_read_on_the_way(ends) -> None:
    here, _, below, _ = ends
    await here.send(b"a secret, in so many words")
    assert b"secret" not in below.writes[0]


async def test_a_stream_of_bytes_of_any_size(ends) -> None:
    here, there, below, _ = ends
    data = bytes(range(256)) * 2000
    received = b""

    async def send() -> None:
        await here.send(data)

    with fail_after(20):
        async with create_task_group() as tasks:
            tasks.start_soon(send)
            while len(received) < len(data):
                received += await there.receive()
    assert received == data
    assert max(map(len, below.writes)) == 2 * (2 + 65_535)


async def test_a_receive_takes_what_it_asks_for_and_leaves_the_rest(ends) -> None:
    here, there, _, _ = ends
    await here.send_chunks([b"hello world", b"more"])
    assert await there.receive(5) == b"hello"
    assert await there.receive(6) == b" world"
    there.unread(b"")
    there.unread(b"once ")
    assert list(await there.receive_chunks()) == [b"once ", b"more"]


async def test_sending_nothing_sends_nothing(ends) -> None:
    here, _, below, _ = ends
    await here.send(b"")
    assert below.writes == []


async def test_half_of_it_can_be_closed(ends) -> None:
    here, there, _, _ = ends
    await here.send_eof()
    with pytest.raises(EndOfStream):
        await there.receive()
    await there.send(b"still")
    assert await here.receive() == b"still"


async def test_closing_it_closes_the_stream(ends) -> None:
    here, there, _, below = ends
    await there.aclose()
    with pytest.raises(ClosedResourceError):
        await below.receive()
    with pytest.raises(EndOfStream):
        await here.receive_chunks()
    with pytest.raises(BrokenResourceError):
        await here.send(b"nobody")


async def test_a_stream_that_ends_within_a_record_is_an_error(ends, alice) -> None:
    here, there, _, _ = ends
    records = SendCipher(here._session.send_key).seal([b"first", b"second"])
    await here._stream.send(bytes(records[:-1]))
    await here.aclose()
    assert list(await there.receive_chunks()) == [b"first"]
    with pytest.raises(SecurityError, match=f"peer {alice.peer_id}, got the end of the stream after 23 bytes"):
        await there.receive_chunks()


async def test_a_bad_record_closes_the_channel_at_once(ends) -> None:
    """GHSA-7g9j-g5jg-3vv3."""
    here, there, below, _ = ends
    await below.send(b"\x00\x20" + bytes(32))
    with pytest.raises(SecurityError, match="not authentic"):
        await there.receive_chunks()
    with pytest.raises(ClosedResourceError):
        await there.receive_chunks()
    with pytest.raises(ClosedResourceError):
        await there.send_chunks([b"x"])
    with pytest.raises(EndOfStream):
        await here.receive()


async def test_when_all_nonces_are_used_up_the_channel_closes(ends) -> None:
    """CVE-2021-4239: a nonce that wraps."""
    here, there, _, _ = ends
    here._send_cipher = SendCipher(here._session.send_key, nonce=MAX_NONCE)
    with pytest.raises(SecurityError, match="connect anew"):
        await here.send(b"one more")
    with pytest.raises(ClosedResourceError):
        await here.receive()
    with pytest.raises(EndOfStream):
        await there.receive()


async def test_a_cancelled_send_cannot_be_followed_by_another(ends) -> None:
    here, there, _, _ = ends
    async with create_task_group() as tasks:
        tasks.start_soon(here.send, bytes(1_000_000))
        await wait_all_tasks_blocked()
        with pytest.raises(BusyResourceError):
            await here.send(b"beside it")
        tasks.cancel_scope.cancel()
    with pytest.raises(BrokenResourceError, match="cancelled or failed"):
        await here.send(b"after it")
    await there.send(b"the other way is open")
    assert await here.receive() == b"the other way is open"


async def test_a_chunk_that_is_too_long_breaks_nothing(ends) -> None:
    here, there, _, _ = ends
    with pytest.raises(LocalProtocolError):
        await here.send_chunks([b"fine", bytes(65_520)])
    await here.send_chunks([b"fine"])
    assert await there.receive() == b"fine"


async def test_empty_records_are_no_data_and_do_not_keep_others_from_running(ends) -> None:
    here, there, _, _ = ends
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with create_task_group() as tasks:
        tasks.start_soon(count)
        # As much as four reads bring.
        await here.send_chunks([b""] * 24_000 + [b"data"])
        before = turns
        assert await there.receive() == b"data"
        assert turns > before
        tasks.cancel_scope.cancel()
