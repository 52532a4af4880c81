"""Names in addresses: `/dns`, `/dns4`, `/dns6` by the system's resolver, `/dnsaddr` by TXT records.

Source: multiformats, multiaddr, protocols/DNSADDR.md: `_dnsaddr.<name>` holds texts `dnsaddr=<address>`, whose address
may begin with another `/dnsaddr`.
"""

import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from ipaddress import ip_address

from anyio import getaddrinfo
from multiaddr import Multiaddr

from p2pstack.errors import P2PError
from p2pstack.identity.address import components, first_code, parse_text, split_peer
from p2pstack.identity.peer_id import PeerId

__all__ = ["NameLookup", "Resolver", "SystemLookup"]

_DNS, _DNS4, _DNS6, _DNSADDR = 53, 54, 55, 56
_FAMILIES = {_DNS: socket.AF_UNSPEC, _DNS4: socket.AF_INET, _DNS6: socket.AF_INET6}


class NameLookup(ABC):
    """Asks a name service. Give your own to resolve names differently, or in a test not at all."""

    @abstractmethod
    async def addresses(self, name: str, family: socket.AddressFamily) -> Sequence[str]:
        """The IP addresses of a name, as text.

        :param family: `AF_INET`, `AF_INET6`, or `AF_UNSPEC` for both
        :raises OSError: the name has none, or nobody knows
        """

    @abstractmethod
    async def texts(self, name: str) -> Sequence[str]:
        """The TXT records of a name.

        :raises OSError: the name has none, or nobody knows
        """


class SystemLookup(NameLookup):
    """The system's resolver for addresses, DNS for texts.

    :param nameserver: IP address and port of the server to ask for texts; None asks those of the system
    """

    def __init__(self, *, nameserver: tuple[str, int] | None = None) -> None:
        self._nameserver = nameserver

    async def addresses(self, name: str, family: socket.AddressFamily) -> Sequence[str]:
        found = await getaddrinfo(name, None, family=family, type=socket.SOCK_STREAM)
        return [str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found]

    async def texts(self, name: str) -> Sequence[str]:
        # Heavy, and most hosts never need it.
        from dns.asyncbackend import get_backend, sniff
        from dns.asyncresolver import Resolver as DnsResolver
        from dns.exception import DNSException

        try:
            resolver = DnsResolver(configure=self._nameserver is None)
            if self._nameserver is not None:
                host, resolver.port = self._nameserver
                resolver.nameservers = [host]
            # By itself it stays with the first event loop it ever saw.
            answer = await resolver.resolve(name, "TXT", backend=get_backend(sniff()))
        except DNSException as error:
            raise OSError(f"no TXT record of {name}: {error}") from error
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


class Resolver:
    """Turns addresses with names into addresses with numbers.

    :param lookup: whom to ask
    :param max_depth: how often `/dnsaddr` may lead to another `/dnsaddr`
    :param max_lookups: questions asked for one address, at most
    :param max_addrs: addresses that one address becomes, at most
    """

    def __init__(
        self, lookup: NameLookup | None = None, *, max_depth: int = 4, max_lookups: int = 32, max_addrs: int = 64
    ) -> None:
        self._lookup = lookup or SystemLookup()
        self._max_depth = max_depth
        self._max_lookups = max_lookups
        self._max_addrs = max_addrs

    @staticmethod
    def has_name(addr: Multiaddr) -> bool:
        """Whether there is something to resolve."""
        return _DNS <= first_code(addr) <= _DNSADDR

    async def resolve(self, addr: Multiaddr, *, peer: PeerId | None = None) -> Sequence[Multiaddr]:
        """The addresses that `addr` stands for: without names, those of a `/dnsaddr` with `/p2p` where it says so.

        What leads nowhere (a name unknown, a text that is no address) is left out where something else is found.

        :param peer: who is looked for: addresses of others are left out
        :raises OSError: nothing was found
        """
        waiting = [(addr, 0)]
        found: dict[Multiaddr, None] = {}
        failure: OSError | None = None
        lookups = 0
        while waiting and lookups < self._max_lookups and len(found) < self._max_addrs:
            current, depth = waiting.pop(0)
            if not self.has_name(current):
                found[current] = None
                continue
            lookups += 1
            try:
                if first_code(current) != _DNSADDR:
                    found.update(dict.fromkeys(await self._numbers(current)))
                elif depth < self._max_depth:
                    waiting += [(entry, depth + 1) for entry in await self._entries(current, peer)]
            except OSError as error:
                failure = error
        if not found:
            raise OSError(
                f"{addr} leads to no address{f' of peer {peer}' if peer else ''}{f': {failure}' if failure else ''}"
            )
        return list(found)[: self._max_addrs]

    async def _numbers(self, addr: Multiaddr) -> list[Multiaddr]:
        code, name, rest = _split_name(addr)
        texts = await self._lookup.addresses(name, _FAMILIES[code])
        packed = [ip_address(text).packed for text in texts]
        return [Multiaddr((b"\x04" if len(ip) == 4 else b"\x29") + ip + rest) for ip in packed]

    async def _entries(self, addr: Multiaddr, peer: PeerId | None) -> list[Multiaddr]:
        """The addresses that a `/dnsaddr` lists: of the peer wanted, if one is, and ending as `addr` does."""
        _, name, rest = _split_name(addr)
        entries: list[Multiaddr] = []
        for text in await self._lookup.texts(f"_dnsaddr.{name}"):
            if not text.startswith("dnsaddr="):
                continue
            try:
                entry = parse_text(text.removeprefix("dnsaddr="))
            except P2PError:
                continue
            of = split_peer(entry)[1]
            nested = first_code(entry) == _DNSADDR
            if entry.to_bytes().endswith(rest) and (peer is None or of == peer or (nested and of is None)):
                entries.append(entry)
        return entries


def _split_name(addr: Multiaddr) -> tuple[int, str, bytes]:
    """Which kind of name an address begins with, the name, and the bytes behind it."""
    data = addr.to_bytes()
    parts = components(data)
    code, name, _ = next(parts)
    following = next(parts, None)
    return code, name.decode(), data[following[2] :] if following else b""
