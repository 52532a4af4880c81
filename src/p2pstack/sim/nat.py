"""Network address translators: machines behind one share its address, and are reached through what they did before.

=================  ======================================  ========================================================
kind               the port outside is                     let in is
=================  ======================================  ========================================================
full-cone          the same for all destinations           anybody
restricted         the same for all destinations           addresses that were contacted from that port
port-restricted    the same for all destinations           addresses and ports that were contacted from that port
symmetric          a new one for each destination          that destination
=================  ======================================  ========================================================

Source: RFC 3489, section 5 (the names); RFC 4787 and RFC 5382 call the first three endpoint-independent mapping, with
three kinds of filtering, and the last address and port-dependent mapping. RFC 5382, section 5: a mapping of TCP lives
for two hours and four minutes at least.
"""

from itertools import cycle
from typing import Literal, TypeAlias, get_args

from p2pstack.errors import LocalProtocolError
from p2pstack.sim.address import Address

__all__ = ["Nat", "NatKind"]

NatKind: TypeAlias = Literal["full-cone", "restricted", "port-restricted", "symmetric"]

#: seconds that an idle mapping lives
_LIFETIME = 7_440.0
_FIRST_PORT, _LAST_PORT = 1_024, 65_535


class _Mapping:
    """A port outside."""

    __slots__ = ("contacted", "inner", "key", "port", "used_at")

    def __init__(self, key: object, port: int, inner: Address, now: float) -> None:
        self.key = key
        self.port = port
        self.inner = inner
        self.contacted: dict[Address, None] = {}
        self.used_at = now


class Nat:
    """A translator. Made by `SimNetwork.nat`.

    :param ip: its address outside, as a number
    :param lifetime: seconds after which a mapping is forgotten that nobody used
    :raises LocalProtocolError: there is no such kind
    """

    __slots__ = ("_by_key", "_by_port", "_forwarded", "_ports", "ip", "kind", "lifetime")

    def __init__(self, ip: int, kind: NatKind, *, lifetime: float = _LIFETIME) -> None:
        if kind not in get_args(NatKind):
            raise LocalProtocolError(f"expected a kind of NAT among {', '.join(get_args(NatKind))}, got {kind!r}")
        self.ip = ip
        self.kind = kind
        self.lifetime = lifetime
        self._by_key: dict[object, _Mapping] = {}
        self._by_port: dict[int, _Mapping] = {}
        self._forwarded: dict[int, Address] = {}
        self._ports = cycle(range(_FIRST_PORT, _LAST_PORT + 1))

    def forward(self, port: int, inner: Address) -> None:
        """Let anybody in at a port: as who sets it up by hand, or by UPnP."""
        self._forwarded[port] = inner

    def outbound(self, source: Address, target: Address, now: float) -> Address:
        """A machine contacts somebody: where it seems to come from."""
        for port, inner in self._forwarded.items():
            if inner == source:
                return self.ip, port
        key = (source, target) if self.kind == "symmetric" else source
        mapping = self._by_key.get(key)
        if mapping is None or now - mapping.used_at > self.lifetime:
            mapping = self._by_key[key] = _Mapping(key, self._free_port(now), source, now)
            self._by_port[mapping.port] = mapping
        mapping.used_at = now
        mapping.contacted[target] = None
        return self.ip, mapping.port

    def owner(self, port: int) -> Address | None:
        """Where a port leads to, whoever may use it."""
        inner = self._forwarded.get(port)
        if inner is None and (mapping := self._by_port.get(port)) is not None:
            inner = mapping.inner
        return inner

    def inbound(self, port: int, source: Address, now: float) -> Address | None:
        """Somebody contacts a port: where that leads. None: it is dropped, without a word."""
        if port in self._forwarded:
            return self._forwarded[port]
        mapping = self._by_port.get(port)
        if mapping is None or now - mapping.used_at > self.lifetime or not self._admits(mapping, source):
            return None
        mapping.used_at = now
        return mapping.inner

    def _admits(self, mapping: _Mapping, source: Address) -> bool:
        if self.kind == "full-cone":
            return True
        if self.kind == "restricted":
            return any(ip == source[0] for ip, _ in mapping.contacted)
        return source in mapping.contacted

    def _free_port(self, now: float) -> int:
        if len(self._by_port) + len(self._forwarded) > _LAST_PORT - _FIRST_PORT:
            self._forget_old(now)
        while True:
            port = next(self._ports)
            if port not in self._by_port and port not in self._forwarded:
                return port

    def _forget_old(self, now: float) -> None:
        """Forget what nobody used for long; at least the mapping that nobody used for longest."""
        mappings = sorted(self._by_port.values(), key=lambda mapping: mapping.used_at)
        for number, mapping in enumerate(mappings):
            if number and now - mapping.used_at <= self.lifetime:
                return
            del self._by_port[mapping.port]
            if self._by_key.get(mapping.key) is mapping:
                del self._by_key[mapping.key]
