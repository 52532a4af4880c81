"""P6: how many peers share an IP address.

Whoever has one IPv6 address commonly has the whole /64 around it, so that is what counts as one address. Networks that
are exempt count for nothing.

Source: libp2p specs, pubsub/gossipsub 1.1, "The Score Function".
"""

from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from p2pstack.errors import LocalProtocolError

__all__ = ["Colocation", "IPNetwork", "parse_networks"]

IPNetwork: TypeAlias = IPv4Network | IPv6Network

_HOST_BITS = 64


def parse_networks(networks: Sequence[IPNetwork | str]) -> tuple[IPNetwork, ...]:
    """Networks, of their texts where they are texts.

    :raises LocalProtocolError: a text is no network
    """
    try:
        return tuple(ip_network(network) for network in networks)
    except ValueError as error:
        raise LocalProtocolError(f"{error}: expected a network such as 192.0.2.0/24 or 2001:db8::/32") from error


class Colocation:
    """Counts peers by address."""

    __slots__ = ("_exempt", "_peers", "_threshold")

    def __init__(self, threshold: int, exempt: Sequence[IPNetwork]) -> None:
        self._threshold = threshold
        self._exempt = tuple(exempt)
        self._peers: Counter[str] = Counter()

    def move(self, group: str | None, ip: str | None) -> str | None:
        """A peer that counted as one of `group` (None: as none) is at `ip` now (None: nowhere). Returns its group
        there; None where it counts for nothing."""
        if group is not None:
            self._peers[group] -= 1
            if not self._peers[group]:
                del self._peers[group]
        group = None if ip is None else self._group(ip)
        if group is not None:
            self._peers[group] += 1
        return group

    def _group(self, ip: str) -> str | None:
        try:
            address = ip_address(ip)
        except ValueError:
            return None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self._exempt):
            return None
        if isinstance(address, IPv6Address):
            return str(IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS))
        return str(address)

    def factor(self, group: str | None) -> float:
        """P6 of each peer of a group: the square of how many there are too many."""
        if group is None:
            return 0.0
        surplus = self._peers[group] - self._threshold
        return float(surplus * surplus) if surplus > 0 else 0.0
