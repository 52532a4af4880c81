"""A proposal travels with the first bytes, and its refusal is told at the first receive."""

from typing import Any

import pytest
from anyio import EndOfStream

from p2pstack.abc.muxer import MuxedStream
from p2pstack.errors import LocalProtocolError, NegotiationError, RemoteProtocolError, StreamReset
from p2pstack.negotiation.messages import HEADER, encode
from p2pstack.streams.memory import MemoryStream, memory_pipe
from p2pstack.swarm.optimistic import OptimisticStream

ECHO = "/echo/1.0.0"
PROPOSAL = HEADER + encode(ECHO)


class PipeStream(MuxedStream):
    """A muxed stream on a pipe. Notes each send as it came."""

    def __init__(self, pipe: MemoryStream) -> None:
        self._pipe = pipe
        self.sent: list[bytes] = []
        self.was_reset = False

    @property
    def ended(self) -> bool:
        return self.was_reset

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        if self.was_reset:
            raise StreamReset(remote=False)
        return await self._pipe.receive(max_bytes)

    async def send(self, item: bytes) -> None:
        if self.was_reset:
            raise StreamReset(remote=False)
        self.sent.append(item)
        await self._pipe.send(item)

    def unread(self, data: bytes) -> None:
        self._pipe.unread(data)

    async def send_eof(self) -> None:
        await self._pipe.send_eof()

    async def aclose(self) -> None:
        await self._pipe.aclose()

    def reset(self, code: int = 0) -> None:
        self.was_reset = True


class Owner:
    def __init__(self) -> None:
        self.answer: bool | None = None
        self.outgoing: MuxedStream | None = None

    def proposed(self, muxed: MuxedStream) -> None:
        self.outgoing = muxed

    def confirmed(self, muxed: MuxedStream) -> None:
        self.answer = True

    def refused(self, muxed: MuxedStream) -> None:
        self.answer = False


class Pair:
    """An optimistic stream, its owner, the muxed stream under it, and the peer's end."""

    def __init__(self) -> None:
        ours, self.peer = memory_pipe()
        self.owner = Owner()
        self.muxed = PipeStream(ours)
        self.stream = OptimisticStream(self.muxed, ECHO, self.owner)


@pytest.fixture
def pair() -> Pair:
    return Pair()


async def test_the_proposal_and_the_first_bytes_are_one_write(pair: Pair) -> None:
    await pair.stream.send(b"hello")
    await pair.stream.send(b"again")
    assert pair.muxed.sent == [PROPOSAL + b"hello", b"again"]
    assert pair.owner.outgoing is pair.muxed
    assert pair.owner.answer is None


async def test_a_long_first_item_is_not_copied(pair: Pair) -> None:
    item = bytes(100_000)
    await pair.stream.send(item)
    assert pair.muxed.sent[0] == PROPOSAL
    assert pair.muxed.sent[1] is item


async def test_what_follows_the_acceptance_is_received(pair: Pair) -> None:
    await pair.stream.send(b"hello")
    await pair.peer.send(PROPOSAL + b"hello")
    assert await pair.stream.receive(3) == b"hel"
    assert pair.owner.answer is True
    assert await pair.muxed.receive() == b"lo"


@pytest.mark.parametrize("cut", range(1, len(PROPOSAL)))
async def test_the_acceptance_may_come_in_pieces(pair: Pair, cut: int) -> None:
    await pair.peer.send(PROPOSAL[:cut])
    await pair.stream.send(b"x")
    receive = pair.muxed._pipe.receive

    async def one_piece(max_bytes: int = 65_536) -> bytes:
        data = await receive(max_bytes)
        if not rest:
            rest.append(PROPOSAL[cut:] + b"yes")
            await pair.peer.send(rest[0])
        return data

    rest: list[bytes] = []
    pair.muxed._pipe.receive = one_piece  # type: ignore[method-assign]
    assert await pair.stream.receive() == b"yes"


async def test_receiving_first_proposes_first(pair: Pair) -> None:
    await pair.peer.send(PROPOSAL + b"welcome")
    assert await pair.stream.receive() == b"welcome"
    assert pair.muxed.sent == [PROPOSAL]


async def test_ending_without_a_byte_still_proposes(pair: Pair) -> None:
    await pair.stream.send_eof()
    assert await pair.peer.receive() == PROPOSAL
    with pytest.raises(EndOfStream):
        await pair.peer.receive()


async def test_closing_without_a_byte_still_proposes(pair: Pair) -> None:
    await pair.stream.aclose()
    assert pair.muxed.sent == [PROPOSAL]


async def test_closing_after_a_reset_proposes_nothing(pair: Pair) -> None:
    pair.stream.reset()
    assert pair.stream.ended
    await pair.stream.aclose()
    assert pair.muxed.sent == []


async def test_a_refusal_is_told_at_the_first_receive(pair: Pair) -> None:
    await pair.stream.send(b"hello")
    await pair.peer.send(HEADER + encode("na"))
    with pytest.raises(NegotiationError, match=f"speaks none of the protocols proposed: {ECHO}") as caught:
        await pair.stream.receive()
    assert caught.value.proposed == (ECHO,)
    assert pair.owner.answer is False
    assert pair.muxed.was_reset
    with pytest.raises(StreamReset):
        await pair.stream.send(b"more")


@pytest.mark.parametrize("answer", [b"\x80" * 30, HEADER + encode("/other/1.0.0"), encode(ECHO), b"\x05hello"])
async def test_an_answer_that_is_none_is_the_peers_fault(pair: Pair, answer: bytes) -> None:
    await pair.peer.send(answer)
    with pytest.raises(RemoteProtocolError):
        await pair.stream.receive()
    assert pair.muxed.was_reset


@pytest.mark.parametrize("answer", [b"", HEADER])
async def test_the_end_instead_of_an_answer_is_a_refusal(pair: Pair, answer: bytes) -> None:
    await pair.stream.send(b"hello")
    if answer:
        await pair.peer.send(answer)
    await pair.peer.send_eof()
    with pytest.raises(NegotiationError, match="ended the stream"):
        await pair.stream.receive()


async def test_a_proposal_of_which_nobody_knows_whether_it_went_out_resets_the_stream(pair: Pair) -> None:
    await pair.peer.aclose()
    with pytest.raises(Exception, match="closed"):
        await pair.stream.send(b"hello")
    assert pair.muxed.was_reset


async def test_nothing_can_be_given_back_before_something_came(pair: Pair) -> None:
    with pytest.raises(LocalProtocolError, match="nothing has been received yet"):
        pair.stream.unread(b"x")


def test_the_stream_ends_with_the_one_below(pair: Pair) -> None:
    ended: Any = pair.stream.ended
    assert not ended
    pair.muxed.reset()
    assert pair.stream.ended
