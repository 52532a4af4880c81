"""Whole hosts that publish and subscribe."""

import itertools
import logging
from contextlib import AsyncExitStack
from typing import Any

import anyio
import pytest
from anyio import Event, create_task_group, fail_after, wait_all_tasks_blocked

from p2pstack import (
    FloodSub,
    GossipSub,
    GossipSubConfig,
    LimitExceeded,
    LocalProtocolError,
    Overflow,
    SigningPolicy,
    Verdict,
)
from p2pstack.abc.events import PeerDisconnected
from p2pstack.pubsub import (
    Delivered,
    Grafted,
    Message,
    PeerJoined,
    PubSubConfig,
    SendDropped,
    SubscriptionFilter,
    source_text_and_number,
)
from p2pstack.wire.pb.pubsub_pb2 import ControlGraft

from .stranger import rpc, stranger, until

FAST = GossipSubConfig(heartbeat_interval=0.05)
KINDS = pytest.mark.parametrize("kind", [GossipSub, FloodSub])


@pytest.fixture(autouse=True)
def nothing_is_logged(caplog: pytest.LogCaptureFixture) -> Any:
    """Nothing that a user would have to see."""
    caplog.set_level(logging.INFO)
    yield
    assert not caplog.records


@KINDS
@pytest.mark.parametrize("addr", ["/memory/1", "/ip4/127.0.0.1/tcp/0"])
async def test_a_message_reaches_a_subscriber(new_host: Any, kind: type[GossipSub], addr: str) -> None:
    alice, bob = kind(), kind()
    async with new_host(None, alice) as a, new_host(None, bob) as b:
        await b.listen(addr)
        async with bob.subscribe("news") as messages:
            await a.connect(b.addrs[0])
            with fail_after(20):
                published = await alice.publish("news", b"hello", wait_for_mesh=True)
                message = await anext(messages)
    assert published.peers == 1
    assert message.id == published.id
    assert message.source == message.received_from == a.peer_id
    assert (message.topic, message.data, len(message.sequence or b"")) == ("news", b"hello", 8)


@KINDS
async def test_who_is_connected_first_and_subscribes_later_gets_messages(new_host: Any, kind: type[GossipSub]) -> None:
    alice, bob = kind(), kind()
    async with new_host(1, alice) as a, new_host(None, bob) as b:
        await b.connect(a.addrs[0])
        await until(lambda: alice.peers() and bob.peers())
        async with bob.subscribe("t") as messages:
            await until(lambda: alice.peers("t") == (b.peer_id,))
            await alice.publish("t", b"1")
            assert (await anext(messages)).data == b"1"
        await until(lambda: not alice.peers("t"))
        assert (await alice.publish("t", b"2")).peers == 0


@KINDS
async def test_own_messages_reach_own_subscribers(new_host: Any, kind: type[GossipSub]) -> None:
    pubsub = kind()
    async with new_host(None, pubsub) as host, pubsub.subscribe("t") as one, pubsub.subscribe("t") as two:
        published = await pubsub.publish("t", b"x")
        assert published.peers == 0
        for messages in (one, two):
            message = await anext(messages)
            assert (message.id, message.received_from) == (published.id, host.peer_id)


async def test_a_line_of_hosts_passes_messages_on_once_each(new_host: Any) -> None:
    pubsubs = [GossipSub(config=FAST) for _ in range(5)]
    hosts = [new_host(number, pubsub) for number, pubsub in enumerate(pubsubs, 1)]
    async with AsyncExitStack() as stack:
        for host in hosts:
            await stack.enter_async_context(host)
        subscriptions = [await stack.enter_async_context(pubsub.subscribe("t")) for pubsub in pubsubs]
        for one, other in itertools.pairwise(hosts):
            await one.connect(other.addrs[0])
        await until(lambda: [len(pubsub.mesh("t")) for pubsub in pubsubs] == [1, 2, 2, 2, 1])
        for pubsub in pubsubs:
            await pubsub.publish("t", b"from each")
        for messages in subscriptions:
            got = {(await anext(messages)).source for _ in pubsubs}
            assert got == {host.peer_id for host in hosts}
            assert not messages.waiting


async def test_what_it_is_to_look_at(new_host: Any) -> None:
    alice, bob = GossipSub(config=FAST), GossipSub(config=FAST)
    async with new_host(1, alice) as a, new_host(2, bob) as b:
        with a.events.subscribe(PeerJoined, Grafted, Delivered) as events:
            async with alice.subscribe("t"), bob.subscribe("t") as messages:
                await b.connect(a.addrs[0])
                with fail_after(20):
                    await alice.wait_for_mesh("t")
                    assert await anext(events) == PeerJoined(b.peer_id, "t")
                    assert await anext(events) == Grafted(b.peer_id, "t")
                assert alice.topics == ("t",)
                assert alice.peers() == alice.peers("t") == alice.mesh("t") == (b.peer_id,)
                assert alice.peers("other") == alice.mesh("other") == ()
                assert alice.score(b.peer_id) == 0.0
                assert alice.score(a.peer_id) == 0.0
                breakdown = alice.score_breakdown(b.peer_id)
                assert breakdown is not None
                assert breakdown.total == 0.0
                published = await alice.publish("t", b"x")
                delivered = await anext(events)
                assert isinstance(delivered, Delivered)
                assert delivered.message.id == published.id
                await anext(messages)
                stats, theirs = alice.stats, bob.stats
                assert (stats.peers, stats.delivered, stats.forwarded, stats.grafted) == (1, 1, 1, 1)
                assert (theirs.received, theirs.delivered, theirs.duplicates, theirs.rejected) == (1, 1, 0, 0)
                assert 0 < theirs.bytes_received <= stats.bytes_sent
            assert alice.topics == ()


async def test_scores_can_be_left_out(new_host: Any) -> None:
    pubsub = GossipSub(score=None)
    async with new_host(None, pubsub) as host:
        assert pubsub.score_breakdown(host.peer_id) is None


@pytest.mark.parametrize("signing", list(SigningPolicy))
async def test_messages_are_signed_or_not_by_policy(new_host: Any, signing: SigningPolicy) -> None:
    alice, bob = GossipSub(signing=signing), GossipSub(signing=signing)
    async with new_host(1, alice) as a, new_host(None, bob) as b, alice.subscribe("t") as messages:
        await b.connect(a.addrs[0])
        published = await bob.publish("t", b"x", wait_for_mesh=True)
        message = await anext(messages)
    assert message.id == published.id
    assert message.source == (b.peer_id if signing.signs else None)
    assert (message.sequence is not None) is signing.signs
    assert message.received_from == b.peer_id


async def test_ids_are_made_by_functions_of_the_networks_choice_for_each_topic(new_host: Any) -> None:
    options: Any = {"message_id": source_text_and_number, "message_ids": {"short": lambda message: message.data[:1]}}
    alice, bob = GossipSub(**options), GossipSub(**options)
    async with new_host(1, alice) as a, new_host(None, bob) as b:
        await b.connect(a.addrs[0])
        async with alice.subscribe("short") as short, alice.subscribe("long") as long:
            await until(lambda: bob.peers("long") and bob.peers("short"))
            published = await bob.publish("long", b"xyz")
            assert published.id.startswith(str(b.peer_id).encode())
            assert (await anext(long)).id == published.id
            assert (await bob.publish("short", b"xyz")).id == b"x"
            again = await bob.publish("short", b"xxx")
            assert (again.id, again.peers) == (b"x", 0)  # known already
            assert (await anext(short)).id == b"x"


# --- validators


async def test_validators_decide_what_is_delivered_and_who_pays(new_host: Any) -> None:
    alice, bob = GossipSub(), GossipSub()
    seen: list[bytes] = []

    @alice.validator("t")
    async def slowly(message: Message) -> Verdict:
        seen.append(message.data)
        await anyio.lowlevel.checkpoint()
        return Verdict.REJECT if message.data == b"bad" else Verdict.ACCEPT

    def not_odd(message: Message) -> Verdict:
        return Verdict.IGNORE if message.data == b"odd" else Verdict.ACCEPT

    alice.add_validator(None, not_odd)
    async with new_host(1, alice) as a, new_host(None, bob) as b, alice.subscribe("t") as messages:
        await b.connect(a.addrs[0])
        await bob.wait_for_mesh("t")
        for data in (b"odd", b"bad", b"good"):
            await bob.publish("t", data)
        assert (await anext(messages)).data == b"good"
        await until(lambda: alice.score(b.peer_id) < 0)
        await until(lambda: alice.stats.rejected == 2)
        alice.remove_validator("t", slowly)
        await bob.publish("t", b"bad")
        assert (await anext(messages)).data == b"bad"
        assert sorted(seen) == [b"bad", b"good", b"odd"]


async def test_a_large_message_is_called_off_while_its_validators_wait(new_host: Any) -> None:
    alice, bob, may_answer = GossipSub(), GossipSub(), Event()

    @alice.validator("t")
    async def slowly(message: Message) -> bool:
        await may_answer.wait()
        return True

    async with (
        new_host(1, alice) as host,
        new_host(None, bob) as author,
        alice.subscribe("t") as messages,
        bob.subscribe("t"),
        stranger(new_host(None), host) as other,
    ):
        await author.connect(host.addrs[0])
        await other.say(rpc(subscribe=["t"], graft=[ControlGraft(topic_id="t")]))
        await until(lambda: len(alice.mesh("t")) == 2 and bob.mesh("t"))
        published = await bob.publish("t", bytes(2_000))
        told = await until(lambda: [list(each.message_ids) for told in other.told for each in told.control.idontwant])
        assert told == [[published.id]]
        assert not other.messages
        may_answer.set()
        assert (await anext(messages)).id == published.id
        await until(lambda: other.messages)


async def test_own_messages_are_validated_too(new_host: Any) -> None:
    pubsub = GossipSub()
    pubsub.add_validator("t", lambda message: message.data != b"bad")
    async with new_host(None, pubsub), pubsub.subscribe("t") as messages:
        with pytest.raises(LocalProtocolError, match="not published: a validator rejected it"):
            await pubsub.publish("t", b"bad")
        await pubsub.publish("t", b"good")
        assert (await anext(messages)).data == b"good"


# --- mistakes


async def test_mistakes_of_the_caller_are_told(new_host: Any) -> None:
    pubsub = GossipSub(subscription_filter=SubscriptionFilter(topics=["t"]))
    with pytest.raises(LocalProtocolError, match=r"Host\(services=\[pubsub\]\)"):
        pubsub.subscribe("t")
    with pytest.raises(LocalProtocolError, match="not running"):
        await pubsub.publish("t", b"x")
    async with new_host(None, pubsub):
        with pytest.raises(LocalProtocolError, match="lets in, got 'other'"):
            pubsub.subscribe("other")
        with pytest.raises(LocalProtocolError, match="expected a topic"):
            await pubsub.publish("", b"x")
        with pytest.raises(LimitExceeded, match="publish it in parts"):
            await pubsub.publish("t", bytes(1 << 20))
    with pytest.raises(LocalProtocolError, match="the host has ended"):
        async with pubsub.subscribe("t"):
            pass
    with pytest.raises(LocalProtocolError, match="lives in one host, once"):
        async with new_host(None, pubsub):
            pass


@pytest.mark.parametrize(
    "options", [{"max_rpc_size": 10}, {"write_timeout": 0}, {"publish_patience": -1}, {"max_connects": 0}]
)
def test_figures_out_of_bounds_are_refused(options: Any) -> None:
    with pytest.raises(LocalProtocolError, match="PubSubConfig"):
        PubSubConfig(**options)


def test_direct_peers_are_named_by_addresses_that_say_who() -> None:
    with pytest.raises(LocalProtocolError, match="end in /p2p/"):
        GossipSub(direct_peers=["/memory/1"])


# --- room


async def test_a_reader_that_is_waited_for_loses_nothing(new_host: Any) -> None:
    alice, bob = GossipSub(), GossipSub()
    count = 500
    async with new_host(1, alice) as a, new_host(None, bob) as b:
        await b.connect(a.addrs[0])
        async with alice.subscribe("t", buffer=10, overflow=Overflow.WAIT) as messages, create_task_group() as tasks:
            await bob.wait_for_mesh("t")

            async def publish() -> None:
                for number in range(count):
                    await bob.publish("t", number.to_bytes(2, "big"))

            tasks.start_soon(publish)
            with fail_after(20):
                got = [int.from_bytes((await anext(messages)).data, "big") for _ in range(count)]
    assert got == list(range(count))
    assert messages.dropped == 0


async def test_what_a_slow_reader_loses_is_counted_and_told(new_host: Any) -> None:
    pubsub = GossipSub()
    async with new_host(None, pubsub) as host, pubsub.subscribe("t", buffer=2) as messages:
        with host.events.subscribe(SendDropped) as events:
            for number in range(5):
                await pubsub.publish("t", bytes([number]))
            dropped = await anext(events)
        assert (dropped.peer, dropped.what, dropped.count) == (None, "message of t", 1)
        assert [(await anext(messages)).data[0] for _ in range(2)] == [3, 4]
        assert messages.dropped == pubsub.stats.dropped == 3


async def test_who_publishes_to_itself_and_reads_nothing_is_not_held_up_for_ever(new_host: Any) -> None:
    pubsub = GossipSub(service=PubSubConfig(publish_patience=0.01))
    async with new_host(None, pubsub), pubsub.subscribe("t", buffer=1, overflow=Overflow.WAIT) as messages:
        with fail_after(20):
            for number in range(5):
                await pubsub.publish("t", bytes([number]))
        assert messages.waiting == 5


# --- coming and going


async def test_the_end_of_a_host_lets_what_was_published_out_and_ends_subscriptions(new_host: Any) -> None:
    alice, bob = GossipSub(), GossipSub()
    async with new_host(1, alice) as a, alice.subscribe("t") as messages:
        async with new_host(None, bob) as b, bob.subscribe("t") as theirs:
            await b.connect(a.addrs[0])
            await bob.wait_for_mesh("t")
            for number in range(100):
                await bob.publish("t", bytes([number]) * 1000)
        assert [message.data[0] async for message in theirs] == []  # left, not only ended
        with fail_after(20):
            assert [(await anext(messages)).data[0] for _ in range(100)] == list(range(100))
        await until(lambda: not alice.peers())


async def test_a_subscription_ends_with_its_host(new_host: Any) -> None:
    pubsub = GossipSub()
    got: list[bytes] = []

    async def read(messages: Any) -> None:
        got.extend([message.data async for message in messages])

    async with create_task_group() as tasks, new_host(None, pubsub):
        messages = pubsub.subscribe("t")
        await messages.__aenter__()
        tasks.start_soon(read, messages)
        await pubsub.publish("t", b"last")
    assert got == [b"last"]
    await messages.__aexit__(None, None, None)


async def test_flush_waits_until_all_is_on_its_way(new_host: Any) -> None:
    alice, bob = GossipSub(), GossipSub()
    async with new_host(1, alice) as a, new_host(None, bob) as b, alice.subscribe("t") as messages:
        await b.connect(a.addrs[0])
        await bob.wait_for_mesh("t")
        for _ in range(50):
            await bob.publish("t", bytes(10_000))
        await bob.flush()
        assert not any(streams.busy for streams in bob._driver.table._peers.values())
        for _ in range(50):
            await anext(messages)


async def test_a_peer_that_comes_back_is_met_again(new_host: Any) -> None:
    alice, bob = GossipSub(config=FAST), GossipSub(config=FAST)
    async with new_host(1, alice) as a, new_host(None, bob) as b, alice.subscribe("t") as messages:
        for _ in range(3):
            await b.connect(a.addrs[0])
            with fail_after(20):
                await bob.publish("t", b"here", wait_for_mesh=True)
                assert (await anext(messages)).data == b"here"
            with b.events.subscribe(PeerDisconnected) as gone:
                await b.disconnect(a.peer_id)
                await anext(gone)
            await until(lambda: not alice.peers() and not bob.peers())


async def test_a_peer_that_only_speaks_floodsub_gets_messages_too(new_host: Any) -> None:
    alice, bob = GossipSub(), FloodSub()
    async with new_host(1, alice) as a, new_host(None, bob) as b:
        await b.connect(a.addrs[0])
        async with alice.subscribe("t") as gossip, bob.subscribe("t") as flood:
            await until(lambda: alice.peers("t") and bob.peers("t"))
            await alice.publish("t", b"from gossip")
            assert (await anext(flood)).data == b"from gossip"
            await bob.publish("t", b"from flood")
            assert (await anext(gossip)).source == a.peer_id
            assert (await anext(gossip)).source == b.peer_id


async def test_a_peer_without_pubsub_is_left_alone(new_host: Any) -> None:
    pubsub = GossipSub()
    async with new_host(1, pubsub) as a, new_host(None) as b:
        connection = await b.connect(a.addrs[0])
        await until(lambda: a.peerstore.protocols(b.peer_id))
        assert not pubsub.peers()
        assert not pubsub.stats.peers
        assert not connection.closed


async def test_direct_peers_are_connected_of_themselves(new_host: Any) -> None:
    alice = GossipSub()
    async with new_host(1, alice) as a:
        bob = GossipSub(config=FAST, direct_peers=[a.addrs[0]])
        async with new_host(None, bob) as b, alice.subscribe("t") as messages:
            with fail_after(20):
                await bob.publish("t", b"x", wait_for_mesh=True)
                assert (await anext(messages)).received_from == b.peer_id


async def test_a_topic_that_is_no_text_is_refused_and_harms_nothing(new_host: Any) -> None:
    alice, bob = GossipSub(), GossipSub()
    async with new_host(1, alice) as host, new_host(None, bob) as other:
        with pytest.raises(LocalProtocolError, match="Unicode"):
            alice.subscribe("half a pair: \ud800")
        with pytest.raises(LocalProtocolError, match="Unicode"):
            await alice.publish("half a pair: \ud800", b"x")
        assert not alice.topics
        await other.connect(host.addrs[0])
        await until(alice.peers)


async def test_after_the_end_of_a_host_nothing_is_published_or_waited_for(new_host: Any) -> None:
    pubsub = GossipSub()

    async def wait() -> None:
        with pytest.raises(LocalProtocolError, match="the host has ended"):
            await pubsub.wait_for_mesh("t")

    with fail_after(20):
        async with create_task_group() as tasks, new_host(None, pubsub):
            tasks.start_soon(wait)
            await wait_all_tasks_blocked()
        await wait()
        with pytest.raises(LocalProtocolError, match="the host has ended"):
            await pubsub.publish("t", b"x")


async def test_who_reads_and_publishes_what_comes_of_it_elsewhere_waits_for_nobody(new_host: Any) -> None:
    """The reader is the only one who can make room, so it must not wait for room."""
    patience = 1_000.0
    alice, bob = GossipSub(service=PubSubConfig(publish_patience=patience)), GossipSub()
    async with (
        new_host(1, alice) as host,
        new_host(None, bob) as other,
        alice.subscribe("in", buffer=8, overflow=Overflow.WAIT) as coming,
        bob.subscribe("out") as going,
    ):
        await other.connect(host.addrs[0])
        await bob.wait_for_mesh("in")
        await alice.wait_for_mesh("out")
        for number in range(100):
            await bob.publish("in", b"%d" % number)
        await until(lambda: alice._driver.gate.shut)
        with fail_after(60):
            for _ in range(100):
                await alice.publish("out", (await anext(coming)).data)
            assert [(await anext(going)).data for _ in range(100)] == [b"%d" % number for number in range(100)]


async def test_flush_does_not_wait_for_what_was_lost_with_a_stream(new_host: Any) -> None:
    pubsub = GossipSub()
    async with new_host(1, pubsub) as host, stranger(new_host(None), host, reads=False) as someone:
        await someone.say(rpc(subscribe=["t"]))
        await until(lambda: pubsub.peers("t"))
        for _ in range(25):
            await pubsub.publish("t", bytes(60_000))
        with fail_after(20):
            async with create_task_group() as tasks:
                tasks.start_soon(pubsub.flush)
                await wait_all_tasks_blocked()
                someone.reads = True
                someone.streams[0].reset()
        await until(lambda: len(someone.streams) == 2)
        assert pubsub.stats.dropped
