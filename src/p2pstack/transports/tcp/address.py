"""Multiaddrs of TCP, and the socket addresses they stand for.

The binary form is read and written directly: it is a fixed layout, and forty times faster than going through the text.
Codes of the multicodec table: ip4 4, tcp 6, ip6 41, ip6zone 42, dns 53, dns4 54, dns6 55, dnsaddr 56.
"""

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import ifaddr
from multiaddr import Multiaddr

from p2pstack.errors import LocalProtocolError, RemoteProtocolError
from p2pstack.identity.address import components

__all__ = ["SocketAddress", "from_multiaddr", "is_resolved", "is_tcp", "real_addresses", "to_multiaddr"]

_IP4, _TCP, _IP6, _IP6ZONE = 4, 6, 41, 42
_NAMES = (53, 54, 55, 56)


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """What the socket module calls an address: family, host text, port, and for IPv6 the scope id (0: none)."""

    family: socket.AddressFamily
    host: str
    port: int
    scope: int = 0

    @property
    def value(self) -> tuple[Any, ...]:
        """The form that `connect` and `bind` take."""
        if self.family == socket.AF_INET:
            return self.host, self.port
        return self.host, self.port, 0, self.scope

    @property
    def unspecified(self) -> bool:
        """Whether it means every address of this machine."""
        return self.host in ("0.0.0.0", "::")


def is_tcp(addr: Multiaddr) -> bool:
    """Whether `addr` is plain TCP over an IP address or a name: nothing above TCP."""
    if is_resolved(addr):
        return True
    try:
        codes = [code for code, _, _ in components(addr.to_bytes())]
    except RemoteProtocolError:
        return False
    return len(codes) == 2 and codes[0] in _NAMES and codes[1] == _TCP


def is_resolved(addr: Multiaddr) -> bool:
    """Whether `addr` is plain TCP over an IP address."""
    return _parse(addr.to_bytes()) is not None


def from_multiaddr(addr: Multiaddr) -> SocketAddress:
    """The socket address of `/ip4/../tcp/..`, `/ip6/../tcp/..` or `/ip6zone/../ip6/../tcp/..`.

    :raises LocalProtocolError: `addr` is anything else, or names a network interface that this machine does not have
    """
    parsed = _parse(addr.to_bytes())
    if parsed is None:
        raise LocalProtocolError(f"expected /ip4/ADDRESS/tcp/PORT or /ip6/ADDRESS/tcp/PORT, got {addr}")
    family, host, port, zone = parsed
    return SocketAddress(family, host, port, _zone_index(zone) if zone else 0)


def to_multiaddr(sockname: tuple[Any, ...]) -> Multiaddr:
    """The multiaddr of what `getsockname`, `getpeername` or `accept` gave. An IPv4 address mapped into IPv6 comes out
    as IPv4."""
    host, port = sockname[0], sockname[1]
    tail = b"\x06" + port.to_bytes(2, "big")
    if ":" not in host:
        return Multiaddr(b"\x04" + socket.inet_aton(host) + tail)
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    if packed.startswith(b"\x00" * 10 + b"\xff\xff"):
        return Multiaddr(b"\x04" + packed[12:] + tail)
    zone = b""
    if sockname[3]:
        name = _zone_name(sockname[3]).encode()
        zone = bytes((_IP6ZONE, len(name))) + name
    return Multiaddr(zone + b"\x29" + packed + tail)


def real_addresses(sockname: tuple[Any, ...], family: socket.AddressFamily) -> list[Multiaddr]:
    """The addresses a socket bound to `sockname` is reached at: each interface's where it is bound to all of them,
    without link-local ones, loopback last."""
    if sockname[0] not in ("0.0.0.0", "::"):
        return [to_multiaddr(sockname)]
    hosts: list[str] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            if family == socket.AF_INET and ip.is_IPv4:
                hosts.append(str(ip.ip))
            elif family == socket.AF_INET6 and ip.is_IPv6:
                hosts.append(str(ip.ip[0]))
    usable = [host for host in hosts if not ip_address(host).is_link_local]
    usable.sort(key=lambda host: ip_address(host).is_loopback)
    return [to_multiaddr((host, sockname[1], 0, 0)) for host in usable]


def _parse(data: bytes) -> tuple[socket.AddressFamily, str, int, str] | None:
    """Family, host, port and zone, where `data` has the layout of a TCP address."""
    if len(data) == 8 and data[0] == _IP4 and data[5] == _TCP:
        return socket.AF_INET, socket.inet_ntoa(data[1:5]), int.from_bytes(data[6:8], "big"), ""
    zone = ""
    if len(data) > 22 and data[0] == _IP6ZONE and len(data) == 22 + data[1]:
        zone = data[2 : 2 + data[1]].decode("utf-8", "replace")
        data = data[2 + data[1] :]
    if len(data) == 20 and data[0] == _IP6 and data[17] == _TCP:
        host = socket.inet_ntop(socket.AF_INET6, data[1:17])
        return socket.AF_INET6, host, int.from_bytes(data[18:20], "big"), zone
    return None


def _zone_index(zone: str) -> int:
    try:
        if zone.isdecimal() and len(zone) < 10:
            return int(zone)
        return socket.if_nametoindex(zone)
    except (OSError, ValueError):
        raise LocalProtocolError(f"no network interface named {zone!r} on this machine") from None


def _zone_name(index: int) -> str:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return str(index)
