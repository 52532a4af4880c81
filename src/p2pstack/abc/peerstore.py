"""What is known of peers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from multiaddr import Multiaddr

from p2pstack.identity.envelope import SignedEnvelope
from p2pstack.identity.keys import PublicKey
from p2pstack.identity.peer_id import PeerId

__all__ = ["PeerInfo", "Peerstore"]


@dataclass(frozen=True, slots=True)
class PeerInfo:
    """A peer and where it may be reached."""

    peer: PeerId
    addrs: tuple[Multiaddr, ...] = ()


class Peerstore(ABC):
    """Addresses, keys, protocols and records of peers. Synchronous, bounded, in memory unless an implementation says
    otherwise. Unknown peers have empty entries: reading never raises."""

    @abstractmethod
    def add_addrs(self, peer: PeerId, addrs: Iterable[Multiaddr], *, ttl: float | None = None) -> None:
        """Remember addresses, without `/p2p`, for `ttl` seconds (None: the default of the store). At most 64 a peer are
        kept: the ones heard of last. Ignored where the peer's addresses are certified by a signed record."""

    @abstractmethod
    def consume_record(self, envelope: SignedEnvelope) -> bool:
        """Take the addresses of a signed peer record in place of all others; False if an equal or newer one is there.

        :raises SecurityError: the record is not about the peer that signed it
        """

    @abstractmethod
    def record(self, peer: PeerId) -> SignedEnvelope | None:
        """The newest signed peer record."""

    @abstractmethod
    def addrs(self, peer: PeerId) -> Sequence[Multiaddr]:
        """The addresses not yet expired, without `/p2p`."""

    @abstractmethod
    def clear_addrs(self, peer: PeerId) -> None:
        """Forget a peer's addresses."""

    @abstractmethod
    def public_key(self, peer: PeerId) -> PublicKey | None:
        """The identity key: from the id itself where that carries it."""

    @abstractmethod
    def add_public_key(self, peer: PeerId, key: PublicKey) -> None:
        """Remember a key.

        :raises SecurityError: the key is not of this peer
        """

    @abstractmethod
    def protocols(self, peer: PeerId) -> frozenset[str]:
        """The protocols the peer said it speaks."""

    @abstractmethod
    def set_protocols(self, peer: PeerId, protocols: Iterable[str]) -> None:
        """Replace what the peer speaks."""

    @abstractmethod
    def agent_version(self, peer: PeerId) -> str | None:
        """The peer's name for its software."""

    @abstractmethod
    def set_agent_version(self, peer: PeerId, agent: str) -> None:
        """Remember the peer's name for its software."""

    @abstractmethod
    def keep(self, peer: PeerId) -> None:
        """Hold on to all that is known of a peer, and to its addresses past their time: it is connected."""

    @abstractmethod
    def release(self, peer: PeerId) -> None:
        """End `keep`: the peer is no longer connected. What is known of it may be forgotten when room is needed."""

    @property
    @abstractmethod
    def peers(self) -> Sequence[PeerId]:
        """All peers with an entry."""

    @abstractmethod
    def forget(self, peer: PeerId) -> None:
        """Drop all that is known of a peer."""
