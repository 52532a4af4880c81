"""Multiaddrs and socket addresses."""

import socket

import pytest
from multiaddr import Multiaddr

from p2pstack.errors import LocalProtocolError
from p2pstack.transports.tcp.address import SocketAddress, from_multiaddr, is_tcp, real_addresses, to_multiaddr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/ip4/1.2.3.4/tcp/80", SocketAddress(socket.AF_INET, "1.2.3.4", 80)),
        ("/ip4/0.0.0.0/tcp/0", SocketAddress(socket.AF_INET, "0.0.0.0", 0)),
        ("/ip6/::1/tcp/65535", SocketAddress(socket.AF_INET6, "::1", 65_535)),
        ("/ip6/2001:db8::1/tcp/1", SocketAddress(socket.AF_INET6, "2001:db8::1", 1)),
    ],
)
def test_ip_addresses_go_both_ways(text: str, expected: SocketAddress) -> None:
    address = from_multiaddr(Multiaddr(text))
    assert address == expected
    assert to_multiaddr(address.value) == Multiaddr(text)
    assert address.unspecified == (text == "/ip4/0.0.0.0/tcp/0")


def test_a_zone_is_an_interface_by_name_or_number() -> None:
    index = socket.if_nametoindex("lo")
    for zone in ("lo", str(index)):
        address = from_multiaddr(Multiaddr(f"/ip6zone/{zone}/ip6/fe80::1/tcp/80"))
        assert address.value == ("fe80::1", 80, 0, index)
    assert to_multiaddr(("fe80::1", 80, 0, index)) == Multiaddr("/ip6zone/lo/ip6/fe80::1/tcp/80")
    assert to_multiaddr(("fe80::1%lo", 80, 0, index)) == Multiaddr("/ip6zone/lo/ip6/fe80::1/tcp/80")
    assert to_multiaddr(("fe80::1", 80, 0, 99_999)) == Multiaddr("/ip6zone/99999/ip6/fe80::1/tcp/80")


@pytest.mark.parametrize("zone", ["no-such-interface", "9" * 30, "nul\0byte"])
def test_a_zone_that_is_not_here_is_tcp_and_cannot_be_used(zone: str) -> None:
    # Peers may send such addresses: asking whether they are TCP must not fail.
    name = zone.encode()
    addr = Multiaddr(bytes((42, len(name))) + name + Multiaddr("/ip6/fe80::1/tcp/80").to_bytes())
    assert is_tcp(addr)
    with pytest.raises(LocalProtocolError, match="no network interface named"):
        from_multiaddr(addr)


def test_ipv4_mapped_into_ipv6_comes_out_as_ipv4() -> None:
    assert to_multiaddr(("::ffff:1.2.3.4", 80, 0, 0)) == Multiaddr("/ip4/1.2.3.4/tcp/80")


@pytest.mark.parametrize(
    "text",
    [
        "/ip4/1.2.3.4",
        "/ip4/1.2.3.4/udp/80",
        "/ip4/1.2.3.4/tcp/80/ws",
        "/ip6/::1/udp/80",
        "/tcp/80",
        "/dns4/example.org/udp/80",
        "/dns/example.org/tcp/80/tls",
        "/ip6zone/lo/ip6/fe80::1/udp/80",
    ],
)
def test_anything_else_is_not_tcp(text: str) -> None:
    assert not is_tcp(Multiaddr(text))
    with pytest.raises(LocalProtocolError, match=r"expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT, got"):
        from_multiaddr(Multiaddr(text))


def test_bytes_that_are_no_address_are_not_tcp() -> None:
    assert not is_tcp(Multiaddr(b"\x04\x01"))
    assert not is_tcp(Multiaddr(b""))


@pytest.mark.parametrize("name", ["dns", "dns4", "dns6"])
def test_names_are_tcp_that_is_still_to_be_resolved(name: str) -> None:
    addr = Multiaddr(f"/{name}/example.org/tcp/80")
    assert is_tcp(addr)
    with pytest.raises(LocalProtocolError):
        from_multiaddr(addr)


def test_an_unspecified_address_stands_for_those_of_the_interfaces_loopback_last() -> None:
    addrs = real_addresses(("0.0.0.0", 4_001), socket.AF_INET)
    assert addrs[-1] == Multiaddr("/ip4/127.0.0.1/tcp/4001")
    assert len(addrs) == len(set(map(str, addrs)))
    assert all(str(addr).endswith("/tcp/4001") for addr in addrs)
    assert not any("/0.0.0.0/" in str(addr) for addr in addrs)
    for addr in real_addresses(("::", 4_001, 0, 0), socket.AF_INET6):
        assert str(addr).startswith("/ip6/")
        assert not str(addr).startswith(("/ip6/fe80", "/ip6/::/"))


def test_a_specified_address_stands_for_itself() -> None:
    assert real_addresses(("127.0.0.2", 1), socket.AF_INET) == [Multiaddr("/ip4/127.0.0.2/tcp/1")]
