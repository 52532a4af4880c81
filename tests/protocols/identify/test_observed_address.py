"""Where a peer sees us: what it says, without the peer id that some implementations put behind it."""

from multiaddr import Multiaddr

from p2pstack import Host, Identify, PeerId, PrivateKey, Stream
from p2pstack.identity.address import with_peer
from p2pstack.protocols.identify.messages import PeerDescription, encode
from p2pstack.wire.framing import encode_frame

SEEN = Multiaddr("/ip4/192.0.2.1/tcp/4001")


async def observed_when(said: Multiaddr, us: PrivateKey) -> Multiaddr | None:
    async def answer(stream: Stream) -> None:
        for message in encode(PeerDescription(observed_addr=said)):
            await stream.send(encode_frame(message))

    identify = Identify()
    server = Host(listen=["/memory/0"], default_services=False)
    server.handle("/ipfs/id/1.0.0", handler=answer)
    async with server, Host(key=us, services=[identify]) as host:
        return (await identify.wait(await host.connect(server.addrs[0]))).observed_addr


async def test_is_what_the_peer_says() -> None:
    assert await observed_when(SEEN, PrivateKey.generate()) == SEEN


async def test_loses_our_peer_id() -> None:
    us = PrivateKey.generate()
    assert await observed_when(with_peer(SEEN, us.peer_id), us) == SEEN


async def test_is_not_that_of_somebody_else() -> None:
    somebody: PeerId = PrivateKey.generate().peer_id
    assert await observed_when(with_peer(SEEN, somebody), PrivateKey.generate()) is None
