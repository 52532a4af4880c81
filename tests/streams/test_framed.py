"""Messages behind their lengths, over a stream that cuts as it likes."""

from collections import deque

import pytest
from anyio import EndOfStream
from anyio.abc import ByteStream

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.streams import Messages


class Tape(ByteStream):
    """Plays back chunks, and keeps what is sent."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = deque(chunks)
        self.sent = b""

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        if not self.chunks:
            raise EndOfStream
        return self.chunks.popleft()

    async def send(self, item: bytes) -> None:
        self.sent += item

    async def send_eof(self) -> None: ...

    async def aclose(self) -> None: ...


async def test_messages_are_sent_behind_their_lengths() -> None:
    tape = Tape()
    await Messages(tape, limit=300).send(b"hello")
    await Messages(tape, limit=300).send(bytes(300))
    assert tape.sent == b"\x05hello" + b"\xac\x02" + bytes(300)


async def test_messages_come_whole_however_the_stream_cuts_them() -> None:
    tape = Tape(b"\x05he", b"llo\x00\x03", b"abc")
    assert [message async for message in Messages(tape, limit=16)] == [b"hello", b"", b"abc"]


async def test_a_message_above_the_limit_is_refused_by_its_length() -> None:
    with pytest.raises(RemoteProtocolError, match="at most 16 bytes"):
        await Messages(Tape(b"\x11"), limit=16).receive()


async def test_a_message_above_the_limit_is_not_sent() -> None:
    tape = Tape()
    with pytest.raises(LocalProtocolError, match="at most 16"):
        await Messages(tape, limit=16).send(bytes(17))
    assert not tape.sent


async def test_an_end_within_a_message_is_the_peers_mistake() -> None:
    with pytest.raises(RemoteProtocolError, match="ended within a message"):
        await Messages(Tape(b"\x05he"), limit=16).receive()


async def test_an_end_between_messages_is_the_end() -> None:
    messages = Messages(Tape(b"\x01a"), limit=16)
    assert await messages.receive() == b"a"
    with pytest.raises(EndOfStream):
        await messages.receive()
