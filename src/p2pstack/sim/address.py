"""Addresses as numbers, which packets have, and as hosts know them."""

from typing import TypeAlias

from multiaddr import Multiaddr

__all__ = ["Address", "tcp_addr"]

#: an IPv4 address, as a number, and a port
Address: TypeAlias = tuple[int, int]


def tcp_addr(address: Address) -> Multiaddr:
    """`/ip4/.../tcp/...`"""
    ip, port = address
    return Multiaddr(b"\x04" + ip.to_bytes(4, "big") + b"\x06" + port.to_bytes(2, "big"))
