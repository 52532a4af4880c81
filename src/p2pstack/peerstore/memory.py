"""A peerstore in memory.

An entry is made by the first thing learnt of a peer. When there are too many, the one that was written to longest ago
goes, connected peers excepted. Addresses come one by one and expire, or all together in a signed record and then stand
for all: what others say of such a peer's addresses is not listened to.

Source: libp2p specs, RFC 0003; go-libp2p's and the advisories' experience with stores that strangers fill.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from anyio import NoEventLoopError, current_time
from multiaddr import Multiaddr

from p2pstack.abc.peerstore import Peerstore
from p2pstack.errors import LocalProtocolError, SecurityError
from p2pstack.identity.address import split_peer
from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.identity.record import PeerRecord

__all__ = ["MemoryPeerstore"]

T = TypeVar("T")

_NONE: frozenset[str] = frozenset()
#: Bytes of protocols, of addresses and of a record each that are kept of a peer when it is gone: strangers come and go,
#: ten thousand of them with all that identify lets them tell would take gigabytes.
_LEGACY = 4_096
#: sets of protocols, and versions, that are looked among for an equal one
_SHARED = 64
#: bytes that an object takes beside what is in it
_OVERHEAD = 64


class _Entry:
    __slots__ = ("addrs", "agent", "kept", "key", "protocols", "record", "seq")

    def __init__(self) -> None:
        self.addrs: dict[Multiaddr, float] | None = None  # when each expires; the one heard of last is last
        self.agent: str | None = None
        self.key: PublicKey | None = None
        self.kept = False
        self.protocols = _NONE
        self.record: SignedEnvelope | None = None
        self.seq = -1

    def lighten(self) -> None:
        """Let go of what is more than a peer that is gone may leave behind."""
        if sum(map(len, self.protocols)) + _OVERHEAD * len(self.protocols) > _LEGACY:
            self.protocols = _NONE
        if self.record is not None and len(self.record.payload) > _LEGACY:
            self.record = None
        room = _LEGACY
        for addr in reversed(tuple(self.addrs or ())):
            room -= len(addr.to_bytes()) + _OVERHEAD
            if room < 0 and self.addrs:
                del self.addrs[addr]


def _shared(known: dict[T, T], value: T) -> T:
    """The one object for all who tell the same: most peers of a network do."""
    if value not in known and len(known) >= _SHARED:
        known.clear()
    return known.setdefault(value, value)


class MemoryPeerstore(Peerstore):
    """Keeps what is known of peers in memory.

    :param max_peers: entries in all; connected peers have theirs beyond that too
    :param max_addrs_per_peer: addresses of one peer; the ones heard of longest ago go first
    :param addr_ttl: seconds an address is kept that came without a time of its own
    :param clock: gives the seconds now. Before an event loop runs the default has no time: what is added then stays
    """

    __slots__ = ("_addr_ttl", "_agents", "_clock", "_entries", "_max_addrs", "_max_peers", "_protocol_sets")

    def __init__(
        self,
        *,
        max_peers: int = 10_000,
        max_addrs_per_peer: int = 64,
        addr_ttl: float = 3_600.0,
        clock: Callable[[], float] = current_time,
    ) -> None:
        if max_peers < 1 or max_addrs_per_peer < 1 or addr_ttl <= 0:
            raise LocalProtocolError("max_peers, max_addrs_per_peer and addr_ttl: expected numbers above 0")
        self._max_peers = max_peers
        self._max_addrs = max_addrs_per_peer
        self._addr_ttl = addr_ttl
        self._clock = clock
        self._entries: dict[PeerId, _Entry] = {}  # the one written to last is last
        self._protocol_sets: dict[frozenset[str], frozenset[str]] = {}
        self._agents: dict[str, str] = {}

    # --- addresses

    def add_addrs(self, peer: PeerId, addrs: Iterable[Multiaddr], *, ttl: float | None = None) -> None:
        entry = self._touch(peer)
        if entry.record is None:
            self._set_addrs(entry, addrs, self._addr_ttl if ttl is None else ttl)

    def consume_record(self, envelope: SignedEnvelope) -> bool:
        record = PeerRecord.from_envelope(envelope)
        entry = self._touch(record.peer_id)
        known = record.seq == entry.seq and entry.record is not None
        if record.seq >= entry.seq:
            entry.record = envelope
            entry.seq = record.seq
            entry.addrs = None
            self._set_addrs(entry, record.addrs, self._addr_ttl)
        return record.seq >= entry.seq and not known

    def _set_addrs(self, entry: _Entry, addrs: Iterable[Multiaddr], ttl: float) -> None:
        expires = self._now() + ttl
        known = entry.addrs or {}
        for addr in addrs:
            bare = split_peer(addr)[0]
            known[bare] = max(expires, known.pop(bare, 0.0))
        while len(known) > self._max_addrs:
            del known[next(iter(known))]
        entry.addrs = known or None

    def _now(self) -> float:
        try:
            return self._clock()
        except NoEventLoopError:
            return math.inf

    def record(self, peer: PeerId) -> SignedEnvelope | None:
        entry = self._entries.get(peer)
        return entry.record if entry else None

    def addrs(self, peer: PeerId) -> Sequence[Multiaddr]:
        entry = self._entries.get(peer)
        if entry is None or not entry.addrs:
            return ()
        if entry.kept:
            return tuple(entry.addrs)
        try:
            now = self._clock()
        except NoEventLoopError:
            now = -math.inf
        for addr in [addr for addr, expires in entry.addrs.items() if expires <= now]:
            del entry.addrs[addr]
        if entry.addrs:
            return tuple(entry.addrs)
        self.clear_addrs(peer)
        return ()

    def clear_addrs(self, peer: PeerId) -> None:
        if entry := self._entries.get(peer):
            entry.addrs = None
            entry.record = None

    # --- keys

    def public_key(self, peer: PeerId) -> PublicKey | None:
        if peer.public_key is not None:
            return peer.public_key
        entry = self._entries.get(peer)
        return entry.key if entry else None

    def add_public_key(self, peer: PeerId, key: PublicKey) -> None:
        if key.peer_id != peer:
            raise SecurityError(f"expected the key of peer {peer}, got that of {key.peer_id}")
        if peer.public_key is None:
            self._touch(peer).key = key

    # --- what the peer said of itself

    def protocols(self, peer: PeerId) -> frozenset[str]:
        entry = self._entries.get(peer)
        return entry.protocols if entry else _NONE

    def set_protocols(self, peer: PeerId, protocols: Iterable[str]) -> None:
        self._touch(peer).protocols = _shared(self._protocol_sets, frozenset(protocols))

    def agent_version(self, peer: PeerId) -> str | None:
        entry = self._entries.get(peer)
        return entry.agent if entry else None

    def set_agent_version(self, peer: PeerId, agent: str) -> None:
        self._touch(peer).agent = _shared(self._agents, agent)

    # --- entries

    def keep(self, peer: PeerId) -> None:
        self._touch(peer).kept = True

    def release(self, peer: PeerId) -> None:
        if peer not in self._entries:
            return
        entry = self._touch(peer)
        entry.kept = False
        entry.lighten()
        if entry.addrs:
            self._set_addrs(entry, tuple(entry.addrs), self._addr_ttl)

    @property
    def peers(self) -> Sequence[PeerId]:
        return tuple(self._entries)

    def forget(self, peer: PeerId) -> None:
        self._entries.pop(peer, None)

    def _touch(self, peer: PeerId) -> _Entry:
        """The entry of a peer, made where there is none, and now the one written to last."""
        entry = self._entries.pop(peer, None)
        if entry is None:
            entry = _Entry()
            self._make_room()
        self._entries[peer] = entry
        return entry

    def _make_room(self) -> None:
        while len(self._entries) >= self._max_peers:
            oldest = next((peer for peer, entry in self._entries.items() if not entry.kept), None)
            if oldest is None:
                return
            del self._entries[oldest]
