"""A peerstore remembers what it is told, for as long as it was told to, and never without bound."""

import math
import sys
from typing import Any

import pytest
from anyio import current_time
from multiaddr import Multiaddr

from p2pstack.errors import LocalProtocolError, SecurityError
from p2pstack.identity.address import parse_text, with_peer
from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.identity.record import PeerRecord
from p2pstack.peerstore import MemoryPeerstore

ALICE, BOB, CAROL = (PrivateKey.generate() for _ in range(3))
RSA = PrivateKey.generate(KeyType.RSA)


def addr(n: int) -> Multiaddr:
    return parse_text(f"/ip4/10.0.{n // 256}.{n % 256}/tcp/1")


def record(key: PrivateKey, seq: int, *numbers: int) -> SignedEnvelope:
    return PeerRecord(key.peer_id, seq, tuple(map(addr, numbers))).seal(key)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryPeerstore:
    return MemoryPeerstore(max_peers=3, max_addrs_per_peer=4, addr_ttl=60, clock=clock)


# --- addresses


def test_addresses_expire_each_in_its_time(store: MemoryPeerstore, clock: Clock) -> None:
    store.add_addrs(ALICE.peer_id, [addr(1)])
    store.add_addrs(ALICE.peer_id, [addr(2)], ttl=10)
    store.add_addrs(ALICE.peer_id, [addr(3)], ttl=math.inf)
    assert store.addrs(ALICE.peer_id) == (addr(1), addr(2), addr(3))
    clock.now += 10
    assert store.addrs(ALICE.peer_id) == (addr(1), addr(3))
    clock.now += 50
    assert store.addrs(ALICE.peer_id) == (addr(3),)
    clock.now += 1e9
    assert store.addrs(ALICE.peer_id) == (addr(3),)


def test_a_shorter_time_does_not_shorten_what_is_known(store: MemoryPeerstore, clock: Clock) -> None:
    store.add_addrs(ALICE.peer_id, [addr(1)], ttl=100)
    store.add_addrs(ALICE.peer_id, [addr(1)], ttl=1)
    clock.now += 99
    assert store.addrs(ALICE.peer_id) == (addr(1),)
    clock.now += 1
    assert store.addrs(ALICE.peer_id) == ()
    assert store.addrs(ALICE.peer_id) == ()


def test_the_addresses_heard_of_last_are_kept(store: MemoryPeerstore) -> None:
    store.add_addrs(ALICE.peer_id, map(addr, range(1_000)))
    assert store.addrs(ALICE.peer_id) == tuple(map(addr, range(996, 1_000)))
    store.add_addrs(ALICE.peer_id, [addr(996), addr(1)])
    assert store.addrs(ALICE.peer_id) == tuple(map(addr, (998, 999, 996, 1)))


def test_the_peer_in_an_address_is_left_out(store: MemoryPeerstore) -> None:
    store.add_addrs(ALICE.peer_id, [with_peer(addr(1), ALICE.peer_id), addr(1)])
    assert store.addrs(ALICE.peer_id) == (addr(1),)


def test_addresses_can_be_cleared(store: MemoryPeerstore) -> None:
    store.add_addrs(ALICE.peer_id, [addr(1)])
    store.clear_addrs(ALICE.peer_id)
    store.clear_addrs(BOB.peer_id)
    assert store.addrs(ALICE.peer_id) == ()


def test_before_an_event_loop_runs_addresses_stay() -> None:
    store = MemoryPeerstore()
    store.add_addrs(ALICE.peer_id, [addr(1)], ttl=1e-9)
    assert store.addrs(ALICE.peer_id) == (addr(1),)


async def test_within_an_event_loop_its_clock_counts() -> None:
    store = MemoryPeerstore()
    store.add_addrs(ALICE.peer_id, [addr(1)], ttl=-1)
    assert store.addrs(ALICE.peer_id) == ()
    store.add_addrs(ALICE.peer_id, [addr(1)], ttl=1e9)
    assert store.addrs(ALICE.peer_id) == (addr(1),)
    assert current_time() > 0


# --- signed records


def test_a_record_takes_the_place_of_all_addresses(store: MemoryPeerstore) -> None:
    """go-libp2p #3487: certified addresses that are out of date stayed for ever."""
    store.add_addrs(ALICE.peer_id, [addr(1)])
    first, second = record(ALICE, 1, 2, 3), record(ALICE, 2, 4)
    assert store.consume_record(first)
    assert store.addrs(ALICE.peer_id) == (addr(2), addr(3))
    assert store.consume_record(second)
    assert store.addrs(ALICE.peer_id) == (addr(4),)
    assert store.record(ALICE.peer_id) is second
    assert not store.consume_record(first)
    assert not store.consume_record(second)
    assert store.addrs(ALICE.peer_id) == (addr(4),)


def test_what_is_said_of_a_peer_with_a_record_is_not_listened_to(store: MemoryPeerstore) -> None:
    store.consume_record(record(ALICE, 1, 1))
    store.add_addrs(ALICE.peer_id, [addr(666)])
    assert store.addrs(ALICE.peer_id) == (addr(1),)


def test_a_record_without_addresses_is_a_record(store: MemoryPeerstore) -> None:
    """CVE-2026-40094: the first of no addresses."""
    store.add_addrs(ALICE.peer_id, [addr(1)])
    assert store.consume_record(record(ALICE, 1))
    assert store.addrs(ALICE.peer_id) == ()


def test_a_record_that_has_expired_may_come_again(store: MemoryPeerstore, clock: Clock) -> None:
    again = record(ALICE, 7, 1)
    store.consume_record(again)
    clock.now += 30
    assert not store.consume_record(again)
    clock.now += 59
    assert store.addrs(ALICE.peer_id) == (addr(1),)
    clock.now += 1
    assert store.addrs(ALICE.peer_id) == ()
    assert store.record(ALICE.peer_id) is None
    assert not store.consume_record(record(ALICE, 6, 2))
    assert store.consume_record(again)
    assert store.addrs(ALICE.peer_id) == (addr(1),)


def test_a_record_of_somebody_else_is_refused(store: MemoryPeerstore) -> None:
    """RUSTSEC-2022-0009."""
    honest = PeerRecord(ALICE.peer_id, 1, (addr(1),)).seal(ALICE)
    forged = SignedEnvelope.seal(BOB, domain=honest.domain, payload_type=honest.payload_type, payload=honest.payload)
    with pytest.raises(SecurityError, match="was signed by"):
        store.consume_record(forged)
    assert store.peers == ()


# --- keys and what peers say of themselves


def test_a_key_in_the_id_need_not_be_stored(store: MemoryPeerstore) -> None:
    assert store.public_key(ALICE.peer_id) == ALICE.public_key
    store.add_public_key(ALICE.peer_id, ALICE.public_key)
    assert store.peers == ()


def test_a_key_that_is_hashed_is_stored_if_it_is_the_peers(store: MemoryPeerstore) -> None:
    assert store.public_key(RSA.peer_id) is None
    with pytest.raises(SecurityError, match="expected the key of peer"):
        store.add_public_key(RSA.peer_id, ALICE.public_key)
    store.add_public_key(RSA.peer_id, RSA.public_key)
    assert store.public_key(RSA.peer_id) == RSA.public_key


def test_protocols_are_replaced_and_shared(store: MemoryPeerstore) -> None:
    assert store.protocols(ALICE.peer_id) == frozenset()
    store.set_protocols(ALICE.peer_id, ["/a/1", "/b/1"])
    store.set_protocols(BOB.peer_id, ["/b/1", "/a/1"])
    assert store.protocols(ALICE.peer_id) is store.protocols(BOB.peer_id)
    store.set_protocols(ALICE.peer_id, ["/c/1"])
    assert store.protocols(ALICE.peer_id) == {"/c/1"}
    for n in range(200):
        store.set_protocols(CAROL.peer_id, [f"/{n}"])
    assert len(store._protocol_sets) <= 64


def test_versions_are_remembered(store: MemoryPeerstore) -> None:
    assert store.agent_version(ALICE.peer_id) is None
    store.set_agent_version(ALICE.peer_id, "test/1")
    assert store.agent_version(ALICE.peer_id) == "test/1"


def test_versions_that_are_equal_are_one_and_few_are_kept_for_that(store: MemoryPeerstore) -> None:
    version = "/".join(("test", "a version that only strangers have"))
    for key in (ALICE, BOB):
        store.set_agent_version(key.peer_id, "/".join(version.split("/")))
    assert store.agent_version(ALICE.peer_id) is store.agent_version(BOB.peer_id)
    for n in range(1_000):
        store.set_agent_version(CAROL.peer_id, f"test/{n}")
    assert len(store._agents) <= 64
    assert sys.intern(version) is version, "Python 3.12 never frees a string that was interned"


def test_an_unknown_peer_has_nothing(store: MemoryPeerstore) -> None:
    assert store.addrs(ALICE.peer_id) == ()
    assert store.record(ALICE.peer_id) is None
    store.forget(ALICE.peer_id)


# --- bounds


def test_the_peer_written_to_longest_ago_makes_room(store: MemoryPeerstore) -> None:
    dave = PrivateKey.generate().peer_id
    for key in (ALICE, BOB, CAROL):
        store.set_agent_version(key.peer_id, "x")
    store.set_agent_version(ALICE.peer_id, "y")
    store.set_agent_version(dave, "x")
    assert store.peers == (CAROL.peer_id, ALICE.peer_id, dave)


def test_connected_peers_are_kept_with_their_addresses(store: MemoryPeerstore, clock: Clock) -> None:
    store.keep(ALICE.peer_id)
    store.add_addrs(ALICE.peer_id, [addr(1)])
    strangers: list[Any] = [PrivateKey.generate().peer_id for _ in range(20)]
    for stranger in strangers:
        store.set_agent_version(stranger, "x")
    clock.now += 1e6
    assert store.peers == (ALICE.peer_id, *strangers[-2:])
    assert store.addrs(ALICE.peer_id) == (addr(1),)
    store.release(ALICE.peer_id)
    assert store.addrs(ALICE.peer_id) == (addr(1),)
    clock.now += 60
    assert store.addrs(ALICE.peer_id) == ()
    store.set_agent_version(BOB.peer_id, "x")
    store.set_agent_version(CAROL.peer_id, "x")
    assert ALICE.peer_id in store.peers
    for stranger in strangers[:2]:
        store.set_agent_version(stranger, "x")
    assert ALICE.peer_id not in store.peers


def test_a_peer_that_is_gone_leaves_little_behind(clock: Clock) -> None:
    store = MemoryPeerstore(clock=clock)
    long = [parse_text(f"/dns/{'x' * 60}.{n}.test/tcp/1") for n in range(64)]
    store.keep(ALICE.peer_id)
    store.set_protocols(ALICE.peer_id, [f"/protocol/{n}" for n in range(1_000)])
    store.add_addrs(ALICE.peer_id, long)
    store.keep(BOB.peer_id)
    store.set_protocols(BOB.peer_id, [f"/protocol/{n}" for n in range(30)])
    store.add_addrs(BOB.peer_id, [addr(n) for n in range(20)])
    for peer in (ALICE.peer_id, BOB.peer_id):
        store.release(peer)
    assert store.protocols(ALICE.peer_id) == frozenset()
    assert store.addrs(ALICE.peer_id) == tuple(long[-len(store.addrs(ALICE.peer_id)) :])
    assert len(store.addrs(ALICE.peer_id)) < 40
    assert len(store.protocols(BOB.peer_id)) == 30
    assert len(store.addrs(BOB.peer_id)) == 20


def test_of_a_peer_that_is_gone_a_large_record_is_not_kept(clock: Clock) -> None:
    store = MemoryPeerstore(clock=clock)
    for key, size in ((ALICE, 20), (BOB, 500)):
        store.keep(key.peer_id)
        store.consume_record(record(key, 1, *range(size)))
        assert store.record(key.peer_id) is not None
        store.release(key.peer_id)
    assert store.record(ALICE.peer_id) is not None
    assert store.record(BOB.peer_id) is None


def test_more_connected_peers_than_there_is_room_for_are_all_kept(store: MemoryPeerstore) -> None:
    peers = [PrivateKey.generate().peer_id for _ in range(5)]
    for peer in peers:
        store.keep(peer)
    assert store.peers == tuple(peers)
    for peer in peers:
        store.release(peer)
    store.keep(ALICE.peer_id)
    assert len(store.peers) == 3


def test_a_peer_can_be_forgotten(store: MemoryPeerstore) -> None:
    store.set_agent_version(ALICE.peer_id, "x")
    store.forget(ALICE.peer_id)
    assert store.peers == ()


@pytest.mark.parametrize("wrong", [{"max_peers": 0}, {"max_addrs_per_peer": 0}, {"addr_ttl": 0}])
def test_bounds_are_above_zero(wrong: dict[str, Any]) -> None:
    with pytest.raises(LocalProtocolError, match="expected numbers above 0"):
        MemoryPeerstore(**wrong)


def test_who_was_forgotten_before_being_released_stays_forgotten(store: MemoryPeerstore) -> None:
    store.keep(ALICE.peer_id)
    store.forget(ALICE.peer_id)
    store.release(ALICE.peer_id)
    assert store.peers == ()
