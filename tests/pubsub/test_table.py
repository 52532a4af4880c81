"""Who comes and goes, also where nobody told."""

from typing import Any

from anyio import Event

from p2pstack import FloodSub, PeerDisconnected, PrivateKey

from .stranger import until


async def test_what_lost_events_would_have_told_is_seen_all_the_same(new_host: Any) -> None:
    pubsub = FloodSub()
    b = new_host(None)

    async def listen(stream: Any) -> None:
        await Event().wait()

    async with new_host(1, pubsub) as a, b:
        await b.connect(a.addrs[0])
        await until(lambda: a.peerstore.protocols(b.peer_id))
        b._swarm.handlers._registrations.update(
            {"/floodsub/1.0.0": type(b._swarm.handlers["/ipfs/ping/1.0.0"])(listen, None)}
        )
        a.peerstore.set_protocols(b.peer_id, ["/floodsub/1.0.0"])
        stranger = PrivateKey.generate().peer_id
        for _ in range(1_100):
            a.events.emit(PeerDisconnected(stranger))
        await until(lambda: pubsub.peers() == (b.peer_id,))
        table = pubsub._driver.table
        gone = table._peers[stranger] = table._peers[b.peer_id]
        del table._peers[b.peer_id]
        for _ in range(1_100):
            a.events.emit(PeerDisconnected(a.peer_id))
        await until(lambda: stranger not in table._peers)
        assert gone.over


async def test_the_bytes_of_peers_that_have_gone_still_count(new_host: Any) -> None:
    alice, bob = FloodSub(), FloodSub()
    async with new_host(1, alice) as a, new_host(None, bob) as b, alice.subscribe("t"):
        await b.connect(a.addrs[0])
        await until(lambda: bob.peers("t"))
        sent = alice.stats.bytes_sent
        assert sent > 0
        await b.disconnect(a.peer_id)
        await until(lambda: not alice.stats.peers)
        assert alice.stats.bytes_sent == sent
