"""Whom a call is to reach."""

from collections.abc import Iterable, Sequence

from multiaddr import Multiaddr

from p2pstack.abc.connection import Connection
from p2pstack.abc.host import Target
from p2pstack.abc.peerstore import PeerInfo
from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.address import parse_text, split_peer
from p2pstack.identity.peer_id import PeerId

__all__ = ["parse_addr", "parse_listen_addr", "parse_peer", "parse_target"]


def parse_target(target: Target) -> tuple[PeerId | None, Sequence[Multiaddr]]:
    """The peer that is wanted, None where nobody is named, and addresses given for it, without `/p2p`.

    :raises LocalProtocolError: not a target
    """
    if isinstance(target, PeerId):
        return target, ()
    if isinstance(target, PeerInfo):
        return _agree(target.addrs, target.peer)
    if isinstance(target, Connection):
        return target.remote_peer, ()
    if isinstance(target, str):
        return _agree((target,)) if target.startswith("/") else (parse_peer(target), ())
    if isinstance(target, Multiaddr):
        return _agree((target,))
    if isinstance(target, Sequence) and target:  # pyright: ignore[reportUnnecessaryIsInstance]
        return _agree(target)
    raise LocalProtocolError(f"expected a peer id, an address, addresses of one peer or a PeerInfo, got {target!r}")


def parse_peer(peer: PeerId | str) -> PeerId:
    """A peer id, also as text.

    :raises LocalProtocolError: not a peer id
    """
    if isinstance(peer, PeerId):
        return peer
    try:
        return PeerId.parse(peer)
    except LocalProtocolError as error:
        raise LocalProtocolError(f"{error}; an address begins with /, such as /ip4/127.0.0.1/tcp/4001") from None


def parse_addr(addr: Multiaddr | str) -> tuple[Multiaddr, PeerId | None]:
    """An address, also as text: what it is without `/p2p`, and the peer named there.

    :raises LocalProtocolError: not an address
    """
    if isinstance(addr, str):
        addr = parse_text(addr)
    if not isinstance(addr, Multiaddr):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise LocalProtocolError(f"expected an address such as /ip4/127.0.0.1/tcp/4001, got {addr!r}")
    try:
        return split_peer(addr)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"malformed address {addr.to_bytes()[:64].hex()}: {error}") from None


def parse_listen_addr(addr: Multiaddr | str) -> Multiaddr:
    """An address to listen on, also as text.

    :raises LocalProtocolError: not an address, or one with a peer id
    """
    bare, peer = parse_addr(addr)
    if peer is not None:
        raise LocalProtocolError(f"expected an address to listen on, got {addr}: leave out /p2p and what follows")
    return bare


def _agree(addrs: Iterable[Multiaddr | str], peer: PeerId | None = None) -> tuple[PeerId | None, Sequence[Multiaddr]]:
    """The peer that all addresses agree on, and what they are without it."""
    bare: list[Multiaddr] = []
    for addr in addrs:
        rest, named = parse_addr(addr)
        if named is not None:
            if peer is not None and named != peer:
                raise LocalProtocolError(f"expected addresses of one peer, got some of {peer} and some of {named}")
            peer = named
        if rest.to_bytes():
            bare.append(rest)
    return peer, tuple(bare)
