"""What every peerstore has to do."""

from collections.abc import Callable
from math import inf
from typing import ClassVar

from multiaddr import Multiaddr

from p2pstack.abc.peerstore import Peerstore
from p2pstack.errors import SecurityError
from p2pstack.identity.address import parse_text, with_peer
from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.identity.record import PeerRecord
from p2pstack.testing.conformance.base import Conformance, expected

__all__ = ["PeerstoreConformance"]


def _addr(number: int) -> Multiaddr:
    return parse_text(f"/ip4/10.0.{number // 256}.{number % 256}/tcp/1")


class PeerstoreConformance(Conformance):
    """One line runs it: `class TestMine(PeerstoreConformance): make = MyPeerstore`. Asked within an event loop."""

    #: makes an empty one
    make: ClassVar[Callable[[], Peerstore]]

    #: addresses of one peer that are kept
    max_addrs: ClassVar[int] = 64

    def _new(self) -> tuple[Peerstore, PrivateKey]:
        return self._made(), PrivateKey.generate()

    async def test_of_a_peer_that_is_unknown_nothing_is_known(self) -> None:
        store, key = self._new()
        peer = PrivateKey.generate(KeyType.ECDSA).peer_id
        assert not store.addrs(peer)
        assert store.record(peer) is None
        assert store.public_key(peer) is None
        assert store.protocols(peer) == frozenset()
        assert store.agent_version(peer) is None
        store.clear_addrs(peer)
        store.forget(peer)
        store.release(peer)
        assert not store.peers
        assert store.public_key(key.peer_id) == key.public_key, "an Ed25519 peer id carries its key"

    async def test_addresses_are_remembered_without_the_peer(self) -> None:
        store, key = self._new()
        peer = key.peer_id
        store.add_addrs(peer, [_addr(1), with_peer(_addr(2), peer)])
        store.add_addrs(peer, [_addr(1)])
        assert set(store.addrs(peer)) == {_addr(1), _addr(2)}
        assert len(store.addrs(peer)) == 2
        assert tuple(store.peers) == (peer,)
        store.clear_addrs(peer)
        assert not store.addrs(peer)

    async def test_addresses_expire(self) -> None:
        store, key = self._new()
        store.add_addrs(key.peer_id, [_addr(1)], ttl=0)
        store.add_addrs(key.peer_id, [_addr(2)], ttl=inf)
        assert tuple(store.addrs(key.peer_id)) == (_addr(2),)

    async def test_addresses_of_a_peer_that_is_kept_stay_past_their_time(self) -> None:
        store, key = self._new()
        store.keep(key.peer_id)
        store.add_addrs(key.peer_id, [_addr(1)], ttl=0)
        assert tuple(store.addrs(key.peer_id)) == (_addr(1),)

    async def test_there_is_a_bound_on_addresses_and_the_newest_are_kept(self) -> None:
        store, key = self._new()
        store.add_addrs(key.peer_id, map(_addr, range(1_000)))
        assert set(store.addrs(key.peer_id)) == set(map(_addr, range(1_000 - self.max_addrs, 1_000)))

    async def test_a_signed_record_takes_the_place_of_other_addresses(self) -> None:
        store, key = self._new()
        peer = key.peer_id
        store.add_addrs(peer, [_addr(1)])
        older, newer = self._record(key, 1, 2), self._record(key, 2, 3)
        assert store.consume_record(older)
        assert tuple(store.addrs(peer)) == (_addr(2),)
        assert store.consume_record(newer)
        assert not store.consume_record(older)
        assert not store.consume_record(newer)
        store.add_addrs(peer, [_addr(4)])
        assert tuple(store.addrs(peer)) == (_addr(3),)
        record = store.record(peer)
        assert record is not None
        assert record.to_bytes() == newer.to_bytes()

    async def test_a_record_about_somebody_else_is_refused(self) -> None:
        store, key = self._new()
        about_other = self._record(key, 1, 1)
        thief = PrivateKey.generate()
        forged = SignedEnvelope.seal(
            thief,
            domain="libp2p-peer-record",
            payload_type=about_other.payload_type,
            payload=about_other.payload,
        )
        with expected(SecurityError, when="a record is not about the peer that signed it"):
            store.consume_record(forged)
        assert not store.addrs(key.peer_id)
        assert not store.addrs(thief.peer_id)

    async def test_keys_are_remembered_if_they_are_the_peers(self) -> None:
        store, other = self._new()
        key = PrivateKey.generate(KeyType.ECDSA)
        store.add_public_key(key.peer_id, key.public_key)
        assert store.public_key(key.peer_id) == key.public_key
        with expected(SecurityError, when="a key is not of the peer"):
            store.add_public_key(key.peer_id, other.public_key)
        assert store.public_key(key.peer_id) == key.public_key

    async def test_what_a_peer_speaks_is_replaced(self) -> None:
        store, key = self._new()
        store.set_protocols(key.peer_id, ["/a/1", "/b/1"])
        store.set_protocols(key.peer_id, ["/c/1"])
        store.set_agent_version(key.peer_id, "one/1")
        store.set_agent_version(key.peer_id, "two/1")
        assert store.protocols(key.peer_id) == {"/c/1"}
        assert store.agent_version(key.peer_id) == "two/1"

    async def test_what_is_forgotten_is_gone(self) -> None:
        store, key = self._new()
        peer = key.peer_id
        assert store.consume_record(self._record(key, 5, 1))
        store.set_protocols(peer, ["/a/1"])
        store.set_agent_version(peer, "one/1")
        store.forget(peer)
        assert not store.addrs(peer)
        assert not store.protocols(peer)
        assert store.agent_version(peer) is None
        assert store.record(peer) is None
        assert peer not in store.peers

    async def test_who_is_kept_is_released_again(self) -> None:
        store, key = self._new()
        store.keep(key.peer_id)
        store.set_agent_version(key.peer_id, "one/1")
        store.release(key.peer_id)
        assert store.agent_version(key.peer_id) == "one/1"

    def _record(self, key: PrivateKey, sequence: int, *numbers: int) -> SignedEnvelope:
        return PeerRecord(key.peer_id, sequence, tuple(map(_addr, numbers))).seal(key)
