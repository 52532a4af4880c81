"""Whom a call is to reach can be said in several ways, and a wrong one says what is expected."""

from typing import Any

import pytest
from multiaddr import Multiaddr

from p2pstack.abc.peerstore import PeerInfo
from p2pstack.errors import LocalProtocolError
from p2pstack.host.targets import parse_addr, parse_peer, parse_target
from p2pstack.identity.address import parse_text, with_peer
from p2pstack.identity.ed25519 import Ed25519PrivateKey

# the same each time, as they are part of the tests' names
PEER, OTHER = (Ed25519PrivateKey.from_seed(bytes([number]) * 32).peer_id for number in (1, 2))
ADDR, ADDR_2 = parse_text("/ip4/127.0.0.1/tcp/1"), parse_text("/dns4/example.com/tcp/2")


@pytest.mark.parametrize(
    ("target", "peer", "addrs"),
    [
        (PEER, PEER, ()),
        (str(PEER), PEER, ()),
        (PEER.to_cid(), PEER, ()),
        (ADDR, None, (ADDR,)),
        (str(ADDR), None, (ADDR,)),
        (with_peer(ADDR, PEER), PEER, (ADDR,)),
        (str(with_peer(ADDR, PEER)), PEER, (ADDR,)),
        (f"/p2p/{PEER}", PEER, ()),
        ([ADDR, str(ADDR_2)], None, (ADDR, ADDR_2)),
        ((ADDR, with_peer(ADDR_2, PEER)), PEER, (ADDR, ADDR_2)),
        (PeerInfo(PEER, (ADDR, with_peer(ADDR_2, PEER))), PEER, (ADDR, ADDR_2)),
        (PeerInfo(PEER), PEER, ()),
    ],
)
def test_what_names_a_peer_and_where_it_is(target: Any, peer: Any, addrs: Any) -> None:
    assert parse_target(target) == (peer, addrs)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("nonsense", "expected a peer id such as 12D3KooW"),
        ("127.0.0.1:80", "expected a peer id such as 12D3KooW"),
        ("/nonsense", r"expected an address such as /ip4/127\.0\.0\.1/tcp/4001, got '/nonsense'"),
        (Multiaddr(b"\xff" * 9), "malformed address ffffffffffffffffff: "),
        ([], r"expected a peer id, an address, addresses of one peer or a PeerInfo, got \[\]"),
        (None, "got None"),
        (7, "got 7"),
        ([7], r"expected an address such as .*, got 7"),
        (b"/ip4/127.0.0.1/tcp/1", "expected an address such as"),
        ([with_peer(ADDR, PEER), with_peer(ADDR_2, OTHER)], "expected addresses of one peer, got some of"),
        (PeerInfo(PEER, (with_peer(ADDR, OTHER),)), "expected addresses of one peer"),
    ],
)
def test_what_is_no_target_says_what_is_one(target: Any, text: str) -> None:
    with pytest.raises(LocalProtocolError, match=text):
        parse_target(target)


def test_addresses_and_peers_are_taken_as_values_and_as_text() -> None:
    assert parse_addr(ADDR) == (ADDR, None)
    assert parse_addr(str(ADDR)) == (ADDR, None)
    assert parse_peer(PEER) is PEER
    assert parse_peer(str(PEER)) == PEER
