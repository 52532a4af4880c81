"""`Noise` over a pipe, from the proposal to the channel."""

import random
from collections.abc import Awaitable
from typing import Any

import pytest
from anyio import create_task_group, fail_after

from p2pstack.errors import NegotiationError, PeerIdMismatch, RemoteProtocolError, SecurityError
from p2pstack.negotiation.dialer import Dialer
from p2pstack.negotiation.messages import HEADER, encode
from p2pstack.negotiation.select import negotiate_inbound
from p2pstack.security.noise import Noise
from p2pstack.security.noise.cipher import SendCipher
from p2pstack.streams.memory import MemoryStream, memory_pipe

YAMUX = "/yamux/1.0.0"
JUNK = random.Random(33)


async def together(*calls: Awaitable[Any]) -> list[Any]:
    """The results of calls made at the same time."""
    results: dict[int, Any] = {}

    async def run(number: int, call: Awaitable[Any]) -> None:
        results[number] = await call

    with fail_after(20):
        async with create_task_group() as tasks:
            for number, call in enumerate(calls):
                tasks.start_soon(run, number, call)
    return [results[number] for number in range(len(calls))]


class CountingStream(MemoryStream):
    """Counts writes."""

    def __init__(self, inner: MemoryStream) -> None:
        super().__init__(incoming=inner._incoming, outgoing=inner._outgoing)
        self.writes: list[bytes] = []

    async def send(self, item: bytes) -> None:
        self.writes.append(bytes(item))
        await super().send(item)


async def test_two_peers_secure_a_stream(alice, bob) -> None:
    here, there = memory_pipe()
    dialled, accepted = await together(
        Noise(alice).secure_outbound(here, peer=bob.peer_id, muxers=[YAMUX]),
        Noise(bob).secure_inbound(there, muxers=[YAMUX]),
    )
    assert dialled.remote_peer == bob.peer_id
    assert accepted.remote_peer == alice.peer_id
    assert dialled.muxer == accepted.muxer == YAMUX
    await dialled.send(b"hello")
    assert await accepted.receive() == b"hello"
    await accepted.send(b"and you")
    assert await dialled.receive() == b"and you"


async def test_anybody_is_accepted_where_nobody_is_expected(alice, bob) -> None:
    here, there = memory_pipe()
    dialled, _ = await together(Noise(alice).secure_outbound(here, peer=None), Noise(bob).secure_inbound(there))
    assert dialled.remote_peer == bob.peer_id
    assert dialled.muxer is None


async def test_the_proposal_travels_with_the_first_message(alice, bob) -> None:
    here, there = memory_pipe()
    counted = CountingStream(here)
    noise = Noise(bob)

    async def accept():
        assert await negotiate_inbound(there, [noise.protocol]) == "/noise"
        return await noise.secure_inbound(there)

    dialled, accepted = await together(
        Noise(alice).secure_outbound(counted, peer=bob.peer_id, proposal=Dialer([noise.protocol])), accept()
    )
    assert counted.writes[0][:-34] == HEADER + encode("/noise")
    assert len(counted.writes) == 2
    # The channel stands on the stream itself: nothing of the negotiation is left in between.
    assert dialled._stream is counted
    await accepted.send(b"hello")
    assert await dialled.receive() == b"hello"


async def test_a_refused_proposal_is_a_negotiation_error(alice, bob) -> None:
    here, there = memory_pipe()
    await there.send(HEADER + encode("na"))
    with pytest.raises(NegotiationError, match="/noise"):
        await Noise(alice).secure_outbound(here, peer=bob.peer_id, proposal=Dialer(["/noise"]))


async def test_the_first_records_may_come_with_the_last_message(alice, bob, make_handshake) -> None:
    """The initiator need not wait for anything: its data may be in the segment that ends the handshake."""
    here, there = memory_pipe()

    async def dial() -> None:
        handshake = make_handshake(alice, initiator=True)
        await here.send(handshake.data_to_send())
        session = handshake.receive_data(await here.receive())
        await here.send(handshake.data_to_send() + SendCipher(session.send_key).seal([b"at ", b"once"]))

    _, accepted = await together(dial(), Noise(bob).secure_inbound(there))
    assert list(await accepted.receive_chunks()) == [b"at ", b"once"]


async def test_another_peer_than_the_one_dialled_is_refused(alice, bob, mallory) -> None:
    here, there = memory_pipe()

    async def accept() -> None:
        with pytest.raises(SecurityError, match="message 3 of 3"):
            await Noise(mallory).secure_inbound(there)

    async def dial() -> None:
        with pytest.raises(PeerIdMismatch):
            await Noise(alice).secure_outbound(here, peer=bob.peer_id)
        await here.aclose()

    await together(dial(), accept())


async def test_junk_is_refused_and_other_connections_go_on(alice, bob) -> None:
    """public-attacknets #8."""
    here, there = memory_pipe()
    noise = Noise(bob)
    dialled, accepted = await together(Noise(alice).secure_outbound(here, peer=None), noise.secure_inbound(there))
    for _ in range(20):
        attacker, target = memory_pipe()
        await attacker.send(JUNK.randbytes(65_536))
        with pytest.raises((SecurityError, RemoteProtocolError)):
            await noise.secure_inbound(target)
    await dialled.send(b"undisturbed")
    assert await accepted.receive() == b"undisturbed"


async def test_a_peer_that_leaves_is_an_error(alice) -> None:
    here, there = memory_pipe()
    await there.aclose()
    with pytest.raises(SecurityError, match="end of the stream"):
        await Noise(alice).secure_inbound(here)


async def test_the_same_source_of_keys_gives_the_same_bytes(alice, bob) -> None:
    async def run() -> tuple[list[bytes], list[bytes]]:
        randomness = random.Random(1)
        dialer, listener = (Noise(key, key_source=lambda: randomness.randbytes(32)) for key in (alice, bob))
        here, there = map(CountingStream, memory_pipe())
        dialled, _ = await together(dialer.secure_outbound(here, peer=None), listener.secure_inbound(there))
        await dialled.send(b"the same again")
        return here.writes, there.writes

    assert await run() == await run()
