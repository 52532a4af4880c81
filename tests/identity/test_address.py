"""What comes from a peer as an address is an address afterwards, whatever is then done with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multiaddr import Multiaddr

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.address import MAX_ADDRESS_SIZE, components, parse_address, parse_text, split_peer, with_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire import varint

PEER = PeerId.parse("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")

TEXTS = [
    "/ip4/127.0.0.1/tcp/4001",
    "/ip6/2001:db8::1/udp/4001/quic-v1",
    "/ip6zone/eth0/ip6/fe80::1/tcp/1",
    "/dns4/example.com/tcp/443/wss",
    "/dnsaddr/example.com",
    "/memory/7",
    "/unix/tmp/socket",
    f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}",
    f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit/p2p/{PEER}",
]

#: ip4, tcp, ip6, ip6zone, dns, p2p, certhash
CODES = [b"\x04", b"\x06", b"\x29", b"\x2a", b"\x35", b"\xa5\x03", b"\xd2\x03"]


@pytest.mark.parametrize("text", TEXTS)
def test_addresses_survive_the_wire(text: str) -> None:
    addr = parse_text(text)
    assert str(addr) == text
    assert parse_address(addr.to_bytes()) == addr


@pytest.mark.parametrize("text", TEXTS)
def test_an_address_cut_anywhere_is_refused_or_a_shorter_address(text: str) -> None:
    data = parse_text(text).to_bytes()
    starts = {start for _, _, start in components(data)}
    for cut in range(1, len(data)):
        if cut in starts:
            assert parse_address(data[:cut]).to_bytes() == data[:cut]
        else:
            with pytest.raises(RemoteProtocolError):
                parse_address(data[:cut])


@given(
    st.one_of(
        st.binary(max_size=80),
        st.lists(st.tuples(st.sampled_from(CODES), st.binary(max_size=40)), max_size=4).map(
            lambda parts: b"".join(code + bytes([len(value)]) + value for code, value in parts)
        ),
    )
)
def test_any_bytes_are_an_address_or_the_peers_fault(data: bytes) -> None:
    try:
        addr = parse_address(data)
    except RemoteProtocolError:
        return
    assert str(addr).startswith("/")
    split_peer(addr)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x04" * (MAX_ADDRESS_SIZE + 1),
        b"\x04\x01\x02",  # an IPv4 address of two bytes
        b"\xff\xff\x7f",  # a protocol that nobody knows
        b"\x80",  # half a varint
        b"\xa5\x03\x04abcd",  # a peer id that is none
        b"\x35\x02\xff\xfe",  # a name that is no text
    ],
)
def test_malformed_addresses_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=r"address|peer id"):
        parse_address(data)


@given(st.from_regex(r"[a-z0-9.-]{1,300}", fullmatch=True) | st.from_regex(r"([a-z0-9]+[.-])+[a-z0-9]", fullmatch=True))
def test_a_name_that_looks_plain_is_a_name(name: str) -> None:
    data = b"\x35" + varint.encode(len(name)) + name.encode()
    try:
        assert str(parse_address(data)) == f"/dns/{name}"
    except RemoteProtocolError:
        with pytest.raises(ValueError, match="Invalid"):
            str(Multiaddr(data))


def test_a_hash_that_looks_plain_is_a_hash() -> None:
    data = b"\xd2\x03\x22\x12\x20" + bytes(range(32))
    assert str(parse_address(data)).startswith("/certhash/u")


@pytest.mark.parametrize(
    ("part", "most"), [(b"\x04\x7f\x00\x00\x01", 16), (b"\x35\x04host", 16), ("\x35\x0cb\u00fccher.test".encode(), 2)]
)
def test_an_address_has_so_many_parts_and_no_more(part: bytes, most: int) -> None:
    assert len(list(components(parse_address(part * most).to_bytes()))) == most
    with pytest.raises(RemoteProtocolError, match="at most 16 parts, 2 of them intricate"):
        parse_address(part * (most + 1))


@pytest.mark.parametrize(
    "text", ["", "127.0.0.1:4001", "ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/99999", "/ip4", "/what/1", "/"]
)
def test_a_text_that_is_no_address_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(LocalProtocolError, match=r"expected an address such as /ip4/127\.0\.0\.1/tcp/4001, got "):
        parse_text(text)


def test_the_peer_at_the_end_comes_off_and_on() -> None:
    addr = parse_text("/ip4/127.0.0.1/tcp/4001")
    assert split_peer(addr) == (addr, None)
    assert split_peer(with_peer(addr, PEER)) == (addr, PEER)
    assert str(with_peer(addr, PEER)) == f"/ip4/127.0.0.1/tcp/4001/p2p/{PEER}"


def test_the_peer_of_a_relay_is_not_the_peer_at_the_end() -> None:
    circuit = Multiaddr(f"/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit")
    assert split_peer(circuit) == (circuit, None)


def test_a_peer_id_written_as_cid_is_the_same_peer() -> None:
    assert split_peer(parse_text(f"/ip4/1.2.3.4/tcp/1/p2p/{PEER.to_cid()}"))[1] == PEER
