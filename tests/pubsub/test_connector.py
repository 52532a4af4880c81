"""Connecting to peers that others named."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import create_task_group, wait_all_tasks_blocked

from p2pstack import GossipSub, GossipSubConfig, Host, PrivateKey
from p2pstack.abc.events import DialFailed, LimitHit
from p2pstack.identity.record import PeerRecord
from p2pstack.pubsub import PubSubConfig
from p2pstack.pubsub.actions import Connect
from p2pstack.pubsub.connector import Connector
from p2pstack.wire.pb.pubsub_pb2 import ControlPrune

from .stranger import rpc, stranger, until


class Table:
    """Has a task group, as the table of peers does."""

    tasks: Any = None


def record_of(key: PrivateKey, *addrs: Any, signer: PrivateKey | None = None) -> bytes:
    record = PeerRecord(key.peer_id, 1, tuple(addrs))
    if signer is None:
        return record.seal(key).to_bytes()
    envelope = PeerRecord(signer.peer_id, 1, tuple(addrs)).seal(signer)
    return envelope.to_bytes()


def changed(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@asynccontextmanager
async def connecting(host: Host, **config: Any) -> AsyncGenerator[Connector]:
    table: Any = Table()
    async with create_task_group() as table.tasks:
        yield Connector(host, PubSubConfig(**config), table)
        table.tasks.cancel_scope.cancel()


async def test_a_peer_with_a_record_of_its_own_is_connected(new_host: Any) -> None:
    async with new_host(1) as a, new_host(None) as b, connecting(b) as connector:
        bare = a._swarm.addrs
        connector.connect(Connect(a.peer_id, record_of(a.key, *bare)))
        connector.connect(Connect(a.peer_id, record_of(a.key, *bare)))
        await until(lambda: b.connections_to(a.peer_id))
        connector.connect(Connect(a.peer_id, record_of(a.key, *bare)))
        await wait_all_tasks_blocked()
        assert len(b.connections) == 1
        assert b.peerstore.record(a.peer_id) is not None


async def test_a_peer_without_one_is_connected_where_its_addresses_are_known(new_host: Any) -> None:
    async with new_host(1) as a, new_host(None) as b, connecting(b) as connector:
        with b.events.subscribe(DialFailed) as failed:
            connector.connect(Connect(a.peer_id))
            await wait_all_tasks_blocked()
            assert not b.connections
            b.peerstore.add_addrs(a.peer_id, a._swarm.addrs)
            connector.connect(Connect(a.peer_id))
            await until(lambda: b.connections_to(a.peer_id))
            assert not failed._events  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrong", ["sealed by another", "no envelope", "changed"])
async def test_a_record_that_proves_nothing_is_not_believed(new_host: Any, wrong: str) -> None:
    async with new_host(1) as a, new_host(None) as b, connecting(b) as connector:
        victim = PrivateKey.generate()
        record = {
            "sealed by another": record_of(victim, *a._swarm.addrs, signer=a.key),
            "no envelope": b"\x0a\x7f",
            "changed": changed(record_of(victim, *a._swarm.addrs)),
        }[wrong]
        connector.connect(Connect(victim.peer_id, record))
        await wait_all_tasks_blocked()
        assert not b.connections
        assert not b.peerstore.addrs(victim.peer_id)
        assert not b.peerstore.addrs(a.peer_id)


async def test_nobody_connects_to_itself(new_host: Any) -> None:
    async with new_host(1) as a, connecting(a) as connector:
        connector.connect(Connect(a.peer_id, record_of(a.key, *a._swarm.addrs)))
        assert not connector._waiting


async def test_so_many_wait_and_no_more(new_host: Any) -> None:
    async with new_host(None) as host, connecting(host, max_connects=2, max_pending_connects=5) as connector:
        with host.events.subscribe(LimitHit) as hits:
            orders = [Connect(PrivateKey.generate().peer_id) for _ in range(6)]
            for order in orders:
                connector.connect(order)
            assert connector._active == 2
            hit = await anext(hits)
            assert (hit.scope, hit.limit, hit.peer) == (
                "peers named by others that wait to be dialled",
                5,
                orders[5].peer,
            )
        await wait_all_tasks_blocked()
        assert (connector._active, len(connector._waiting)) == (0, 0)


async def test_a_peer_that_cannot_be_reached_is_passed_over(new_host: Any) -> None:
    key = PrivateKey.generate()
    async with new_host(1) as a, new_host(None) as b, connecting(b, max_connects=1) as connector:
        connector.connect(Connect(key.peer_id, record_of(key, *new_host(7)._listen)))
        connector.connect(Connect(a.peer_id, record_of(a.key, *a._swarm.addrs)))
        await until(lambda: b.connections_to(a.peer_id))
        assert len(b.connections) == 1


async def test_who_prunes_us_may_name_others_that_we_then_meet(new_host: Any) -> None:
    pubsub, third = GossipSub(config=GossipSubConfig(heartbeat_interval=0.05)), GossipSub()
    async with (
        new_host(1, pubsub) as host,
        new_host(2, third) as other,
        pubsub.subscribe("t"),
        third.subscribe("t"),
        stranger(new_host(None), host) as someone,
    ):
        await someone.say(rpc(subscribe=["t"]))
        await until(lambda: pubsub.mesh("t"))
        prune = ControlPrune(topic_id="t", backoff=60)
        prune.peers.add(peer_id=other.peer_id.to_bytes(), signed_peer_record=record_of(other.key, *other._swarm.addrs))
        await someone.say(rpc(prune=[prune]))
        await until(lambda: pubsub.mesh("t") == (other.peer_id,))
