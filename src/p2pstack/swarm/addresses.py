"""Which of several addresses to try first.

Source: RFC 8305 (happy eyeballs), section 4: IPv6 before IPv4, then the two families in turn.
"""

from collections.abc import Iterable
from itertools import chain, zip_longest

from multiaddr import Multiaddr

from p2pstack.identity.address import Reach, ip_of, reach

__all__ = ["rank"]


def rank(addrs: Iterable[Multiaddr]) -> list[Multiaddr]:
    """The addresses in the order to try them, each once: nearest first, IPv6 and IPv4 in turn, otherwise as given."""
    groups: dict[Reach, tuple[list[Multiaddr], list[Multiaddr]]] = {kind: ([], []) for kind in Reach}
    for addr in dict.fromkeys(addrs):
        ip = ip_of(addr)
        groups[reach(addr)][ip is None or ip.version == 4].append(addr)
    in_turn = chain.from_iterable(zip_longest(*groups[kind]) for kind in Reach)
    return [addr for pair in in_turn for addr in pair if addr is not None]
