"""`Plaintext` over a pipe."""

import pytest
from anyio import (
    ClosedResourceError,
    EndOfStream,
    TypedAttributeSet,
    create_task_group,
    fail_after,
    typed_attribute,
)

from p2pstack.errors import PeerIdMismatch
from p2pstack.negotiation.dialer import Dialer
from p2pstack.negotiation.select import negotiate_inbound
from p2pstack.security.plaintext import Plaintext
from p2pstack.security.plaintext.channel import PlaintextChannel
from p2pstack.streams.memory import MemoryStream, memory_pipe


class Attribute(TypedAttributeSet):
    name: str = typed_attribute()


class NamedStream(MemoryStream):
    @property
    def extra_attributes(self):
        return {Attribute.name: lambda: "a pipe"}


async def connect(alice, bob, *, peer, proposal=None) -> tuple[PlaintextChannel, PlaintextChannel]:
    here, there = memory_pipe()
    here = NamedStream(incoming=here._incoming, outgoing=here._outgoing)
    accepted: list[PlaintextChannel] = []

    async def accept() -> None:
        transport = Plaintext(bob)
        if proposal:
            assert await negotiate_inbound(there, [transport.protocol]) == "/plaintext/2.0.0"
        accepted.append(await transport.secure_inbound(there, muxers=["/yamux/1.0.0"]))

    with fail_after(20):
        async with create_task_group() as tasks:
            tasks.start_soon(accept)
            dialled = await Plaintext(alice).secure_outbound(
                here, peer=peer, muxers=["/yamux/1.0.0"], proposal=proposal
            )
    return dialled, accepted[0]


@pytest.mark.parametrize("optimistic", [False, True])
async def test_two_peers_name_themselves_and_talk(alice, bob, optimistic: bool) -> None:
    here, there = await connect(
        alice, bob, peer=bob.peer_id, proposal=Dialer(["/plaintext/2.0.0"]) if optimistic else None
    )
    assert here.remote_peer == bob.peer_id
    assert there.remote_public_key == alice.public_key
    assert here.muxer is there.muxer is None
    await here.send(b"hello")
    assert await there.receive(3) == b"hel"
    there.unread(b"c")
    assert list(await there.receive_chunks()) == [b"c"]
    assert list(await there.receive_chunks()) == [b"lo"]
    await there.send_chunks([b"one", memoryview(b"two")])
    assert list(await here.receive_chunks()) == [b"onetwo"]
    await here.send_eof()
    with pytest.raises(EndOfStream):
        await there.receive_chunks()
    await there.aclose()
    with pytest.raises(ClosedResourceError):
        await there.receive()


async def test_another_peer_than_the_one_dialled_is_refused(alice, bob, mallory) -> None:
    with pytest.RaisesGroup(PeerIdMismatch):
        await connect(alice, mallory, peer=bob.peer_id)


async def test_attributes_of_the_stream_are_those_of_the_channel(alice, bob) -> None:
    here, _ = await connect(alice, bob, peer=None)
    assert here.extra(Attribute.name) == "a pipe"
