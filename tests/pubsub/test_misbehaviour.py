"""Peers that break the rules: what they send is written by hand, on a stream of their own.

Whatever it is, the node keeps little of it, goes on serving others, holds it against the peer, and logs nothing that is
not typed.
"""

import logging
import tracemalloc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import current_time, fail_after, wait_all_tasks_blocked

from p2pstack import GossipSub, GossipSubConfig, Host
from p2pstack.identity.keys import PrivateKey
from p2pstack.pubsub import PubSubConfig, Rejected, SendDropped
from p2pstack.pubsub.gossipsub.router import GossipSubRouter
from p2pstack.testing import TimeTravel
from p2pstack.wire.framing import encode_frame
from p2pstack.wire.pb.pubsub_pb2 import (
    ControlGraft,
    ControlIDontWant,
    ControlIHave,
    ControlIWant,
    ControlPrune,
    Message,
)

from .stranger import Stranger, rpc, signed, stranger, until

FAST = GossipSubConfig(heartbeat_interval=0.05)
OTHER = PrivateKey.generate()


class Scene:
    """A node, a friend of it, and somebody who means ill."""

    def __init__(self, node: GossipSub, host: Host, friend: GossipSub, ill: Stranger, messages: Any) -> None:
        self.node = node
        self.host = host
        self.friend = friend
        self.ill = ill
        self.messages = messages

    @property
    def router(self) -> GossipSubRouter:
        router = self.node._driver.router
        assert isinstance(router, GossipSubRouter)
        return router

    @property
    def score(self) -> float:
        return self.node.score(self.ill.key.peer_id)

    async def punished(self) -> None:
        """Wait until it has cost something."""
        await until(lambda: self.score < 0)

    async def served(self) -> None:
        """The friend's messages still come."""
        published = await self.friend.publish("t", b"still here")
        with fail_after(20):
            while (await anext(self.messages)).id != published.id:
                pass


@pytest.fixture
def scene(new_host: Any, caplog: pytest.LogCaptureFixture) -> Any:
    caplog.set_level(logging.DEBUG)

    @asynccontextmanager
    async def scene(*, reads: bool = True, protocol: str = "/meshsub/1.2.0", **options: Any) -> AsyncGenerator[Scene]:
        options.setdefault("config", FAST)
        node, friend = GossipSub(**options), GossipSub(config=FAST)
        async with (
            new_host(1, node) as host,
            new_host(None, friend) as other,
            node.subscribe("t") as messages,
            friend.subscribe("t"),
        ):
            await other.connect(host.addrs[0])
            await until(lambda: node.mesh("t") and friend.mesh("t"))
            async with stranger(new_host(None), host, reads=reads, protocol=protocol) as ill:
                scene = Scene(node, host, friend, ill, messages)
                tracemalloc.start()
                try:
                    yield scene
                    await scene.served()
                    _, peak = tracemalloc.get_traced_memory()
                finally:
                    tracemalloc.stop()
                assert peak < 32 << 20
            await until(lambda: node.peers() == (other.peer_id,))
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING or record.exc_info]

    return scene


async def reset(scene: Scene) -> None:
    """The stream of the one who means ill has been reset."""
    out = scene.ill.out
    assert out is not None
    await until(lambda: out.ended)


# --- RPCs that are none


async def test_an_rpc_above_the_limit(scene: Any) -> None:
    async with scene() as s:
        await s.ill.say_bytes(b"\x81\x80\x40")  # the length 1,048,577 in a varint
        await reset(s)
        await s.ill.open()
        await s.ill.say_bytes(b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
        await reset(s)
        await s.ill.open()
        await s.ill.say_bytes(b"\x81\x80\x40")
        await s.punished()


@pytest.mark.parametrize(
    "element",
    [b"\x0a\x00", b"\x12\x00", b"\x1a\x02\x0a\x00", b"\x1a\x02\x12\x00", b"\x1a\x02\x1a\x00", b"\x1a\x02\x2a\x00"],
)
async def test_a_million_empty_elements(scene: Any, element: bytes) -> None:
    async with scene() as s:
        for _ in range(3):
            await s.ill.open()
            await s.ill.say(element * ((1 << 20) // len(element)))
            await reset(s)
        await s.punished()


async def test_bytes_that_are_no_protobuf(scene: Any) -> None:
    async with scene() as s:
        for garbage in (b"\x0a\x7f", b"\x07", b"\xff" * 20):
            await s.ill.open()
            await s.ill.say(garbage)
            await reset(s)
        await s.punished()


async def test_a_stream_that_ends_within_an_rpc(scene: Any) -> None:
    async with scene() as s:
        await s.ill.say_bytes(b"\x20half of it")
        await s.ill.out.send_eof()
        await s.served()


# --- control


async def test_a_flood_of_subscriptions(scene: Any) -> None:
    async with scene() as s:
        for round_ in range(20):
            await s.ill.say(rpc(subscribe=[f"topic {round_} {number}" for number in range(2_000)]))
        await s.punished()
        peer = s.router._peers.get(s.ill.key.peer_id)
        assert peer is not None
        assert len(peer.topics) <= 100


async def test_a_flood_of_grafts_for_topics_that_nobody_is_in(scene: Any) -> None:
    async with scene() as s:
        told = len(s.ill.told)
        for round_ in range(15):
            await s.ill.say(rpc(graft=[ControlGraft(topic_id=f"topic {round_} {number}") for number in range(2_000)]))
        await s.served()
        await wait_all_tasks_blocked()
        assert not [prune for rpc in s.ill.told[told:] for prune in rpc.control.prune]
        assert set(s.router._mesh.topics) == {"t"}


@pytest.mark.parametrize("backoff", [1 << 63, (1 << 64) - 1, 9_223_372_036_854_674_580, 0])
async def test_a_prune_with_an_absurd_backoff(scene: Any, backoff: int) -> None:
    async with scene() as s:
        await s.ill.say(rpc(subscribe=["t"]))
        await until(lambda: s.ill.grafted("t"))
        await s.ill.say(rpc(prune=[ControlPrune(topic_id="t", backoff=backoff)]))
        await until(lambda: s.ill.key.peer_id not in s.node.mesh("t"))
        await s.served()
        due = s.router.deadline()
        await until(lambda: s.router.deadline() > due + 2 * FAST.heartbeat_interval)


async def test_a_graft_within_the_backoff(scene: Any) -> None:
    async with scene() as s:
        await s.ill.say(rpc(subscribe=["t"]))
        await until(lambda: s.ill.grafted("t"))
        await s.ill.say(rpc(prune=[ControlPrune(topic_id="t", backoff=60)]))
        for _ in range(10):
            await s.ill.say(rpc(graft=[ControlGraft(topic_id="t")]))
        await s.punished()
        assert s.ill.key.peer_id not in s.node.mesh("t")


async def test_a_flood_of_ihave_whose_messages_never_come(scene: Any) -> None:
    config = GossipSubConfig(heartbeat_interval=0.05, iwant_followup=0.1)
    async with scene(config=config) as s:
        await s.ill.say(rpc(subscribe=["t"]))
        number, began_at = 0, current_time()
        for _ in range(20):
            ids = [(number := number + 1).to_bytes(32, "big") for _ in range(4_000)]
            await s.ill.say(rpc(ihave=[ControlIHave(topic_id="t", message_ids=ids)]))
        await s.served()
        beats = (current_time() - began_at) / config.heartbeat_interval + 2
        asked = sum(len(iwant.message_ids) for rpc in s.ill.told for iwant in rpc.control.iwant)
        assert asked <= beats * config.max_ihave_ids
        for _ in range(5):
            ids = [(number := number + 1).to_bytes(32, "big") for _ in range(100)]
            await s.ill.say(rpc(ihave=[ControlIHave(topic_id="t", message_ids=ids)]))
        await s.punished()


async def test_a_flood_of_iwant(scene: Any) -> None:
    async with scene() as s:
        published = await s.node.publish("t", bytes(10_000))
        for _ in range(15):
            await s.ill.say(rpc(iwant=[ControlIWant(message_ids=[published.id] * 2_000 + [b"unknown"] * 2_000)]))
        await s.served()
        await wait_all_tasks_blocked()
        assert len([message for message in s.ill.messages if len(message.data) == 10_000]) <= 3


async def test_a_flood_of_idontwant(scene: Any) -> None:
    async with scene(config=GossipSubConfig(heartbeat_interval=0.5, max_idontwant_ids=100)) as s:
        number = 0
        while s.score >= 0:
            ids = [(number := number + 1).to_bytes(32, "big") for _ in range(4_000)]
            await s.ill.say(rpc(idontwant=[ControlIDontWant(message_ids=ids)]))
        assert len(s.router._unwanted._said) == 1
        assert sum(map(len, *s.router._unwanted._said.values())) <= 300


# --- messages


def broken(key: PrivateKey) -> list[tuple[str, Message]]:
    bad = signed(key, "t", b"x", 1)
    bad.signature = bytes(64)
    missing = signed(key, "t", b"x", 2)
    missing.ClearField("signature")
    foreign = signed(key, "t", b"x", 3, from_peer=OTHER.peer_id.to_bytes())
    with_key = signed(key, "t", b"x", 4, from_peer=OTHER.peer_id.to_bytes())
    with_key.key = key.public_key.to_protobuf()
    no_source = signed(key, "t", b"x", 5, from_peer=None)
    return [
        ("bad", bad),
        ("missing", missing),
        ("foreign", foreign),
        ("foreign, with a key", with_key),
        ("no source", no_source),
        ("source that is no peer id", signed(key, "t", b"x", 6, from_peer=b"nobody")),
        ("short sequence", signed(key, "t", b"x", 7, seqno=b"\x01")),
        ("long sequence", signed(key, "t", b"x", 8, seqno=bytes(9))),
        ("no sequence", signed(key, "t", b"x", 9, seqno=None)),
    ]


@pytest.mark.parametrize("which", range(9))
async def test_a_message_with_a_signature_or_sequence_number_that_is_none(scene: Any, which: int) -> None:
    async with scene() as s:
        with s.host.events.subscribe(Rejected) as rejected:
            _, message = broken(s.ill.key)[which]
            await s.ill.say(rpc(message, subscribe=["t"]))
            told = await anext(rejected)
            assert told.received_from == s.ill.key.peer_id
        await s.punished()
        await s.ill.say(rpc(signed(s.ill.key, "t", b"valid", 99)))
        assert (await anext(s.messages)).data == b"valid"


async def test_a_stream_of_forged_messages_ends_on_the_graylist(scene: Any) -> None:
    async with scene() as s:
        for number in range(300):
            message = signed(s.ill.key, "t", b"x", number)
            message.signature = bytes(64)
            await s.ill.say(rpc(message))
        await until(lambda: s.score < -80)
        received = s.node.stats.received
        await s.ill.say(rpc(signed(s.ill.key, "t", b"valid", 999)))
        await until(lambda: s.router.graylisted)
        assert s.node.stats.received == received


# --- reading nothing


async def test_a_peer_that_never_reads_loses_its_own_messages_only(scene: Any, p2p_time: TimeTravel) -> None:
    service = PubSubConfig(write_timeout=2, publish_patience=1, max_reopenings=0)
    async with scene(reads=False, service=service) as s:
        await s.ill.say(rpc(subscribe=["t"]))
        await until(lambda: s.ill.key.peer_id in s.node.peers("t"))
        with s.host.events.subscribe(SendDropped) as dropped:
            sizes = [100_000] * 60
            for size in sizes:
                await s.node.publish("t", bytes(size))
            while s.node._driver.table.get(s.ill.key.peer_id):
                await p2p_time.travel(0.1)
            first = await anext(dropped)
        assert first.peer == s.ill.key.peer_id
        await until(lambda: s.friend.stats.received == len(sizes))
        assert s.friend.stats.dropped == 0


async def test_streams_opened_over_and_over(scene: Any) -> None:
    async with scene() as s:
        streams = [await s.ill.open() for _ in range(60)]
        for stream in streams:
            await stream.send(b"\x20")
        await until(lambda: sum(not stream.ended for stream in streams) == 1)
        (connection,) = [c for c in s.host.connections if c.remote_peer == s.ill.key.peer_id]
        await until(lambda: len([stream for stream in connection.streams if stream.protocol == s.ill.protocol]) == 2)


async def test_a_peer_that_writes_where_it_is_to_read(scene: Any) -> None:
    async with scene(service=PubSubConfig(reopen_delay=0.001)) as s:
        for _ in range(3):
            stream = s.ill.streams[-1]
            count = len(s.ill.streams)
            await stream.send(b"what?")
            await until(lambda: len(s.ill.streams) > count)  # noqa: B023


async def test_messages_that_came_with_garbage_are_checked_all_the_same(scene: Any) -> None:
    """More of them than the end of a turn would check: whoever was to do it ends with the stream."""
    async with scene() as s:
        await s.ill.say(rpc(subscribe=["t"]))
        good = [rpc(signed(s.ill.key, "t", b"%d" % number, number)) for number in range(40)]
        await s.ill.say_bytes(b"".join(encode_frame(each.SerializeToString()) for each in good) + b"\xff" * 11)
        with fail_after(20):
            assert {(await anext(s.messages)).data for _ in good} == {b"%d" % number for number in range(40)}
        await s.punished()
