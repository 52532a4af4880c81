"""The streams with a peer: opened, broken, opened again, given up."""

from typing import Any

import pytest
from anyio import BrokenResourceError, Event, fail_after, sleep, wait_all_tasks_blocked

from p2pstack import FloodSub, GossipSub, GossipSubConfig, Host
from p2pstack.pubsub import PeerLeft, PubSubConfig
from p2pstack.wire.framing import encode_frame

from .stranger import rpc, signed, stranger, until

FAST = GossipSubConfig(heartbeat_interval=0.05)
QUICK = PubSubConfig(reopen_delay=0.001, max_reopenings=3)


async def test_the_best_protocol_in_common_is_spoken(new_host: Any) -> None:
    pubsub = GossipSub()
    async with new_host(1, pubsub) as host, pubsub.subscribe("t"):
        async with stranger(new_host(None), host, protocol="/meshsub/1.0.0") as someone:
            await until(lambda: someone.told)
            assert someone.told[0].subscriptions[0].topic_id == "t"
            assert not someone.told[0].control.HasField("extensions")
        async with stranger(new_host(None), host, protocol="/meshsub/1.3.0") as someone:
            await until(lambda: someone.told)
            assert someone.told[0].control.extensions.partial_messages


async def test_a_peer_is_met_once_it_speaks_a_protocol_of_ours(new_host: Any) -> None:
    pubsub = GossipSub()
    opened = Event()
    async with new_host(1, pubsub) as a, new_host(None) as b:
        await b.connect(a.addrs[0])
        await until(lambda: a.peerstore.protocols(b.peer_id))
        assert not pubsub.stats.peers

        @b.handle("/floodsub/1.0.0")
        async def _(stream: Any) -> None:
            opened.set()
            await Event().wait()

        with fail_after(20):
            await opened.wait()  # told by identify push
        assert pubsub.peers() == (b.peer_id,)


async def test_a_peer_that_opens_a_stream_is_met_though_it_says_nothing_of_itself(new_host: Any) -> None:
    pubsub = GossipSub()
    b = new_host(None, default_services=False)
    told: list[bytes] = []

    @b.handle("/meshsub/1.1.0")
    async def _(stream: Any) -> None:
        async for data in stream:
            told.append(data)

    async with new_host(1, pubsub) as a, pubsub.subscribe("t") as messages, b:
        stream = await b.open_stream(a.addrs[0], "/meshsub/1.1.0")
        payload = rpc(signed(b.key, "t", b"x", 1)).SerializeToString()
        await stream.send(encode_frame(payload))
        with fail_after(20):
            assert (await anext(messages)).source == b.peer_id
        await until(lambda: told)


async def test_a_peer_that_takes_no_stream_is_not_listened_to(new_host: Any) -> None:
    pubsub = GossipSub(service=QUICK)
    async with new_host(1, pubsub) as a, pubsub.subscribe("t"), new_host(None) as b:
        stream = await b.open_stream(a.addrs[0], "/meshsub/1.1.0")
        await stream.send(b"\x00")
        await until(lambda: stream.ended)
        with pytest.raises(BrokenResourceError):
            await stream.receive()
        assert not pubsub.peers()
        assert not pubsub.stats.peers


async def test_a_stream_that_breaks_is_opened_again_and_the_peer_keeps_its_place(new_host: Any) -> None:
    pubsub = GossipSub(config=FAST, service=QUICK)
    async with new_host(1, pubsub) as host, pubsub.subscribe("t"):
        with host.events.subscribe(PeerLeft) as left:
            async with stranger(new_host(None), host) as someone:
                peer = someone.key.peer_id
                await someone.say(rpc(subscribe=["t"]))
                await until(lambda: peer in pubsub.mesh("t") and someone.grafted("t"))
                someone.told.clear()
                someone.streams[-1].reset()
                await until(lambda: len(someone.streams) == 2)
                await until(lambda: someone.grafted("t"))
                assert someone.told[0].subscriptions[0].topic_id == "t"
                assert pubsub.mesh("t") == (peer,)
                await pubsub.publish("t", b"again")
                await until(lambda: [message.data for message in someone.messages] == [b"again"])
                assert not left._events  # type: ignore[attr-defined]


async def test_a_stream_that_breaks_too_often_is_given_up_until_the_peer_shows_itself(new_host: Any) -> None:
    pubsub = GossipSub(service=QUICK)
    async with new_host(1, pubsub) as host, pubsub.subscribe("t"):
        a = new_host(None)
        opened: list[Any] = []
        friendly = False

        @a.handle("/meshsub/1.1.0")
        async def _(stream: Any) -> None:
            opened.append(stream)
            if friendly:
                await Event().wait()
            raise BrokenResourceError

        async with a:
            await a.connect(host.addrs[0])
            await until(lambda: len(opened) == 1 + QUICK.max_reopenings)
            await until(lambda: not pubsub.peers())
            friendly = True
            await a.open_stream(host.peer_id, "/meshsub/1.1.0")
            stream = await a.open_stream(host.peer_id, "/meshsub/1.1.0")
            await stream.send(b"\x00")
            await until(lambda: pubsub.peers() == (a.peer_id,))


async def test_a_stream_that_has_lived_is_opened_again_as_if_it_were_the_first(new_host: Any) -> None:
    service = PubSubConfig(reopen_delay=0.001, max_reopenings=1, reopen_reset=0.001)
    pubsub = GossipSub(service=service)
    async with new_host(1, pubsub) as host, stranger(new_host(None), host) as someone:
        for count in range(1, 6):
            await until(lambda: len(someone.streams) == count)  # noqa: B023
            await sleep(0.003)
            someone.streams[-1].reset()


async def test_a_protocol_that_a_peer_no_longer_speaks_gives_way_to_the_next(new_host: Any) -> None:
    pubsub = GossipSub(service=QUICK)
    b = new_host(None)
    opened: list[str] = []

    @b.handle("/floodsub/1.0.0", "/meshsub/1.1.0")
    async def _(stream: Any) -> None:
        opened.append(stream.protocol)
        await Event().wait()

    async with new_host(1) as bare, b:
        await b.connect(bare.addrs[0])
        await until(lambda: "/meshsub/1.1.0" in bare.peerstore.protocols(b.peer_id))
        protocols = bare.peerstore.protocols(b.peer_id)
    async with new_host(1, pubsub) as a, new_host(2) as c:

        @c.handle("/floodsub/1.0.0")
        async def _(stream: Any) -> None:
            opened.append(stream.protocol)
            await Event().wait()

        await a.connect(c.addrs[0])
        a.peerstore.set_protocols(c.peer_id, protocols)
        await until(lambda: opened == ["/floodsub/1.0.0"])
        await until(lambda: pubsub.peers() == (c.peer_id,))


async def test_a_second_stream_on_a_connection_replaces_the_first(new_host: Any) -> None:
    pubsub = GossipSub()
    async with (
        new_host(1, pubsub) as host,
        pubsub.subscribe("t") as messages,
        stranger(new_host(None), host) as someone,
    ):
        first = await someone.open()
        await someone.say(rpc(signed(someone.key, "t", b"1", 1)))
        assert (await anext(messages)).data == b"1"
        await someone.open()
        await someone.say(rpc(signed(someone.key, "t", b"2", 2)))
        assert (await anext(messages)).data == b"2"
        await until(lambda: first.ended)
        await someone.say(rpc(signed(someone.key, "t", b"3", 3)))
        assert (await anext(messages)).data == b"3"
        assert pubsub.score(someone.key.peer_id) == 0


async def test_each_connection_of_a_peer_may_have_its_stream(new_host: Any) -> None:
    pubsub = GossipSub()
    async with new_host(1, pubsub) as host, pubsub.subscribe("t") as messages:
        b = new_host(2)
        async with stranger(b, host) as someone:
            connection = await _connect_anew(host, b)
            one = await someone.open()
            await someone.say(rpc(signed(b.key, "t", b"1", 1)))
            assert (await anext(messages)).data == b"1"
            theirs = next(c for c in b.connections if c is not one.connection)
            two = someone.out = await theirs.open_stream(someone.protocol)
            await someone.say(rpc(signed(b.key, "t", b"2", 2)))
            assert (await anext(messages)).data == b"2"
            someone.out = one
            await someone.say(rpc(signed(b.key, "t", b"3", 3)))
            assert (await anext(messages)).data == b"3"
            assert pubsub.peers() == (b.peer_id,)
            # One of them ends: what was written there goes over the other.
            used = someone.streams[-1].connection
            await used.aclose()
            await until(lambda: len(host.connections) == 1)
            await until(lambda: len(someone.streams) == 2 or not someone.streams[-1].ended)
            await until(lambda: pubsub.peers() == (b.peer_id,))
            del connection, two


async def _connect_anew(host: Host, other: Host) -> Any:
    """One more connection to a peer that is connected."""
    swarm = host._swarm
    muxed, endpoints = await swarm._dialer._transports[0].dial(
        other._swarm.addrs[0], upgrader=swarm._upgrader, peer=other.peer_id
    )
    from p2pstack.abc.connection import Direction

    connection = swarm._admit(muxed, endpoints, Direction.OUTBOUND)
    assert swarm._running is not None
    swarm._running.tasks.start_soon(connection.serve)
    await until(lambda: len(other.connections) == 2)
    return connection


async def test_a_peer_that_ends_its_stream_in_order_is_still_written_to(new_host: Any) -> None:
    pubsub = FloodSub()
    async with new_host(1, pubsub) as host, stranger(new_host(None), host, protocol="/floodsub/1.0.0") as someone:
        await someone.say(rpc(subscribe=["t"]))
        await until(lambda: pubsub.peers("t"))
        assert someone.out is not None
        await someone.out.send_eof()
        await someone.streams[-1].send_eof()
        await wait_all_tasks_blocked()
        await pubsub.publish("t", b"x")
        await until(lambda: [message.data for message in someone.messages] == [b"x"])


async def test_what_a_peer_must_know_and_could_not_be_told_is_told_on_a_new_stream(new_host: Any) -> None:
    pubsub = FloodSub(service=QUICK)
    async with new_host(1, pubsub) as host, stranger(new_host(None), host, protocol="/floodsub/1.0.0") as someone:
        await until(lambda: pubsub.peers())
        streams = pubsub._driver.table.get(someone.key.peer_id)
        assert streams is not None
        async with pubsub.subscribe("t"):
            streams.outbox.broken = True
            streams.wake()
            await until(lambda: len(someone.streams) == 2)
            await until(lambda: [s.topic_id for s in someone.told[-1].subscriptions] == ["t"])
